//! The history in order. A sequence is given out before its transaction commits, so a later number can be seen before an earlier one.
//!
//! Readers get the settled part: up to the first gap that may still be filled. The gap is over when its entries appear, or when all
//! transactions have ended that could own a number in it. Each transaction has its id before it takes a number, so those are the
//! transactions before the end of a snapshot in which a later number was seen.

use super::{
    columns::{ENTRY_COLUMNS, limit, number, stored, to_entry, value},
    core::Core,
    statement::Statement,
};
use crate::{
    store::{HistoryEntry, HistoryQuery, StoreError},
    sync::Mutex,
};
use std::time::{Duration, Instant};
use tokio_postgres::types::Type;

/// How long a reader waits for the transactions of a gap to end, before it returns what there is before the gap.
const WAIT: Duration = Duration::from_millis(50);
/// After this time, transactions that are not of the store are left out, which costs a look at the locks.
const FOREIGN: Duration = Duration::from_millis(20);

/// Up to where the history is settled, as far as this process knows.
#[derive(Default)]
pub(super) struct Settled(Mutex<State>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// All entries up to this number that will ever be there are visible.
    settled: u64,
    gap: Option<Gap>,
}

/// Numbers that are not visible, or were not when a later one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    /// The latest number that was visible then.
    high: u64,
    /// Transactions from this id on take later numbers.
    end: u64,
}

/// What one statement saw.
struct Seen<'a> {
    /// The oldest transaction that was open.
    oldest_open: u64,
    /// The first id that was not given out.
    next: u64,
    /// The numbers from a position on, without those that were left out by a limit.
    numbers: &'a [u64],
    /// The latest number.
    high: u64,
}

impl State {
    /// Takes in what was seen after `position`, which a reader has reached, and returns up to where the numbers can be delivered.
    fn see(&mut self, position: u64, seen: &Seen<'_>) -> u64 {
        if let Some(gap) = self.gap
            && seen.oldest_open >= gap.end
        {
            self.settled = self.settled.max(gap.high);
            self.gap = None;
        }
        // A reader at a position has read everything before it.
        let mut upto = self.settled.max(position);
        for number in seen.numbers {
            if *number > upto + 1 {
                // Until this one is over, a later one need not be remembered.
                self.gap.get_or_insert(Gap { high: seen.high, end: seen.next });
                break;
            }
            upto = upto.max(*number);
        }
        if position <= self.settled {
            self.settled = self.settled.max(upto);
        }
        upto
    }

    /// No transaction of the store that may own a number in the gap is open.
    fn pass(&mut self, gap: Gap) {
        if self.gap == Some(gap) {
            self.settled = self.settled.max(gap.high);
            self.gap = None;
        }
    }
}

/// The snapshot of the statement, and the latest number in it.
const SNAPSHOT: &str = "
    SELECT pg_snapshot_xmin(s.s)::text::bigint, pg_snapshot_xmax(s.s)::text::bigint,
           coalesce((SELECT max(n.sequence) FROM {schema}.history n), 0)
    FROM (SELECT pg_current_snapshot() AS s) s";

/// The transactions of the store that are open. Each has changed the row of its lane, or has locked the table, before it took a number.
const OPEN: &str = "
    SELECT t.transactionid::text::bigint FROM pg_locks l JOIN pg_locks t ON t.pid = l.pid AND t.locktype = 'transactionid' AND t.granted
    WHERE l.locktype = 'relation' AND l.relation = '{schema}.lanes'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())";

impl Core {
    pub(super) async fn history(&self, query: HistoryQuery) -> Result<Vec<HistoryEntry>, StoreError> {
        let (beyond, order) = if query.newest_first { ("<", "DESC") } else { (">", "ASC") };
        let mut values = Statement::new("");
        let after = values.add(stored(query.after), Type::INT8);
        let mut conditions = format!("h.sequence {beyond} {after}");
        match &query.key {
            // The entries of one instance come in the order of its changes.
            Some(key) if super::read::has_nul(key) => return Ok(Vec::new()),
            Some(key) => {
                let machine = values.add(key.machine.to_string(), Type::TEXT);
                conditions = format!("h.machine = {machine} AND h.id = {} AND {conditions}", values.add(key.id.to_string(), Type::TEXT));
            }
            None => {
                let position = if query.newest_first { 0 } else { query.after };
                let settled = self.settled_after(position, query.limit).await?;
                conditions = format!("{conditions} AND h.sequence <= {}", values.add(stored(settled), Type::INT8));
            }
        }
        let rows = values.add(limit(query.limit), Type::INT8);
        let statement = values.having(format!(
            "SELECT {ENTRY_COLUMNS} FROM {{schema}}.history h WHERE {conditions} ORDER BY h.sequence {order} LIMIT {rows}"
        ));
        let rows = self.read(statement).await?;
        self.decoded(rows.iter().map(|row| to_entry(row, 0)).collect())
    }

    /// The newest number of the settled part. Entries that are visible when this is called are in it, unless an older transaction is
    /// still open after a wait.
    pub(super) async fn last_sequence(&self) -> Result<u64, StoreError> {
        let settled = self.settled_to().await?;
        let pruned = self.pruned_through().await?;
        Ok(settled.max(pruned))
    }

    /// Up to where the history is settled.
    pub(super) async fn settled_to(&self) -> Result<u64, StoreError> {
        self.settled_after(0, usize::MAX).await
    }

    /// Up to where the entries after `position` can be delivered; at least `wanted` of them, or all, where that is possible soon.
    async fn settled_after(&self, position: u64, wanted: usize) -> Result<u64, StoreError> {
        let began = Instant::now();
        loop {
            let (upto, high) = self.look(position, wanted).await?;
            if upto >= high {
                return Ok(upto);
            }
            let gap = self.settled.0.lock().gap;
            // A full page before the gap.
            let Some(gap) = gap else { return Ok(upto) };
            if began.elapsed() >= FOREIGN && self.none_open_before(gap.end).await? {
                self.settled.0.lock().pass(gap);
                continue;
            }
            if began.elapsed() >= WAIT {
                return Ok(upto);
            }
            // The first look after the gap was found needs no pause: nothing may have been open.
            tokio::time::sleep(Duration::from_millis(if began.elapsed() < Duration::from_millis(1) { 0 } else { 2 })).await;
        }
    }

    /// Reads the numbers after `position`, and returns up to where they can be delivered, and the latest one.
    async fn look(&self, position: u64, wanted: usize) -> Result<(u64, u64), StoreError> {
        const PAGE: usize = 1_000;
        let from = position.max(self.settled.0.lock().settled);
        let text = format!(
            "SELECT x.*, ARRAY(SELECT n.sequence FROM {{schema}}.history n WHERE n.sequence > $1 ORDER BY n.sequence LIMIT $2)
             FROM ({SNAPSHOT}) x"
        );
        let statement = Statement::new(text).number(stored(from)).number(limit(wanted.clamp(1, PAGE)));
        let rows = self.read(statement).await?;
        let seen = |row: &tokio_postgres::Row| {
            let numbers: Vec<i64> = value(row, 3, "numbers")?;
            let numbers: Vec<u64> = numbers.into_iter().filter_map(|number| u64::try_from(number).ok()).collect();
            Ok((number(row, 0, "xmin")?, number(row, 1, "xmax")?, number(row, 2, "high")?, numbers))
        };
        let Some((oldest_open, next, high, numbers)) = self.decoded(rows.first().map(seen).transpose())? else {
            return Ok((from, from));
        };
        let upto = self.settled.0.lock().see(from, &Seen { oldest_open, next, numbers: &numbers, high });
        Ok((upto, high))
    }

    /// Whether no transaction of the store with an id below `end` is open. Transactions of others may be, for hours.
    async fn none_open_before(&self, end: u64) -> Result<bool, StoreError> {
        let rows = self.read(Statement::new(OPEN)).await?;
        let open: Result<Vec<u64>, _> = rows.iter().map(|row| number(row, 0, "transactionid")).collect();
        Ok(self.decoded(open)?.into_iter().all(|id| !is_before(id, end)))
    }
}

/// Whether transaction `id`, of which only the lower 32 bits are known, has a lower id than `end`. No open transaction is older than
/// half of all ids.
fn is_before(id: u64, end: u64) -> bool {
    let distance = (end & 0xffff_ffff).wrapping_sub(id) & 0xffff_ffff;
    distance != 0 && distance < 1 << 31
}
