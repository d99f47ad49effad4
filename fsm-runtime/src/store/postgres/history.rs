//! The history in order. A sequence is given out before its transaction commits, so a later number can be seen before an earlier one.
//!
//! Readers get the settled part: up to the first gap that may still be filled. The gap is over when its entries appear, or when all
//! transactions have ended that could own a number in it. Each transaction has its id before it takes a number, so those are the
//! transactions before the end of a snapshot in which a later number was seen.

use super::{
    columns::{ENTRY_COLUMNS, limit, number, stored, to_entry, to_key, value},
    core::Core,
    statement::Statement,
};
use crate::{
    store::{Buckets, ChangedKeys, HistoryEntry, HistoryQuery, Key, StoreError},
    sync::Mutex,
};
use std::time::{Duration, Instant};
use tokio_postgres::types::Type;

/// How long a reader waits for the transactions of a gap to end, before it returns what there is before the gap.
const WAIT: Duration = Duration::from_millis(50);
/// After this time, transactions that are not of the store are left out, which costs a look at the locks.
const FOREIGN: Duration = Duration::from_millis(20);

/// The most numbers that are read at once.
const PAGE: usize = 4_096;

/// Up to where the history is settled, as far as this process knows.
#[derive(Default)]
pub(super) struct Settled(Mutex<State>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// All entries up to this number that will ever be there are visible.
    settled: u64,
    gap: Option<Gap>,
    /// A number that was given out before any snapshot that was seen here: the last one, when the store was opened.
    given: Option<u64>,
}

/// Numbers that are not visible, or were not when a later one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    /// The latest number that was given out.
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
    /// The newest entry that was pruned. Only what is settled is.
    pruned: u64,
}

/// Up to where entries can be delivered, and the latest one that is visible.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) upto: u64,
    pub(super) high: u64,
}

impl State {
    /// Takes in what was seen after `position`, which a reader has reached, and returns up to where the numbers can be delivered.
    fn see(&mut self, position: u64, seen: &Seen<'_>) -> u64 {
        self.settled = self.settled.max(seen.pruned);
        if let Some(gap) = self.gap
            && seen.oldest_open >= gap.end
        {
            self.pass(gap);
        }
        if let (None, Some(given)) = (self.gap, self.given.filter(|given| *given > self.settled)) {
            self.gap = Some(Gap { high: seen.high.max(given), end: seen.next });
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
            self.given = self.given.filter(|given| *given > gap.high);
            self.gap = None;
        }
    }
}

/// The ends of the snapshot of the statement, the latest number in it, the newest that was pruned, and numbers after a position.
const LOOK: &str = "
    SELECT pg_snapshot_xmin(s.s)::text::bigint, pg_snapshot_xmax(s.s)::text::bigint,
           coalesce((SELECT max(n.sequence) FROM {schema}.history n), 0),
           (SELECT m.value FROM {schema}.meta m WHERE m.name = 'pruned'),
           ARRAY(SELECT n.sequence FROM {schema}.history n WHERE n.sequence > $1 ORDER BY n.sequence LIMIT $2)
    FROM (SELECT pg_current_snapshot() AS s) s";

/// The last number that was given out.
const GIVEN: &str = "SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM {schema}.sequence s";

/// The transactions of the store that are open. Each has changed the row of its lane before it took a number.
const OPEN: &str = "
    SELECT t.transactionid::text::bigint FROM pg_locks l JOIN pg_locks t ON t.pid = l.pid AND t.locktype = 'transactionid' AND t.granted
    WHERE l.locktype = 'relation' AND l.relation = '{schema}.lanes'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
        AND t.mode = 'ExclusiveLock' AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())";

impl Core {
    pub(super) async fn history(&self, query: HistoryQuery) -> Result<Vec<HistoryEntry>, StoreError> {
        let (beyond, order) = if query.newest_first { ("<", "DESC") } else { (">", "ASC") };
        let mut values = Statement::new("");
        let after = values.add(stored(query.after), Type::INT8);
        let mut conditions = format!("h.sequence {beyond} {after}");
        if query.by_operators {
            conditions.push_str(" AND h.cause = 'operator'");
        }
        match &query.key {
            // The entries of one instance come in the order of its changes.
            Some(key) if super::read::has_nul(key) => return Ok(Vec::new()),
            Some(key) => {
                let machine = values.add(key.machine.to_string(), Type::TEXT);
                let id = values.add(key.id.to_string(), Type::TEXT);
                conditions = format!("h.machine = {machine} AND h.id = {id} AND {conditions}");
            }
            None => {
                let (position, wanted) =
                    if query.newest_first || query.by_operators { (0, usize::MAX) } else { (query.after, query.limit) };
                let settled = self.settled_after(position, wanted).await?.upto;
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

    /// The keys of the entries after a position. Only the entries of the buckets are sent by the server.
    pub(super) async fn changed(&self, after: u64, buckets: Buckets, page: usize) -> Result<ChangedKeys, StoreError> {
        let settled = self.settled_after(after, page).await?.upto;
        let mut values = Statement::new("");
        let (from, to) = (values.add(stored(after), Type::INT8), values.add(stored(settled), Type::INT8));
        let mut conditions = format!("h.sequence > {from} AND h.sequence <= {to}");
        if buckets != Buckets::ALL {
            let numbers = values.add(super::read::numbers(&buckets), Type::INT2_ARRAY);
            conditions = format!("{conditions} AND h.bucket = ANY({numbers})");
        }
        let rows = values.add(limit(page), Type::INT8);
        let statement = values.having(format!(
            "SELECT h.sequence, h.machine, h.id FROM {{schema}}.history h WHERE {conditions} ORDER BY h.sequence LIMIT {rows}"
        ));
        let rows = self.read(statement).await?;
        let key = |row: &tokio_postgres::Row| Ok((number(row, 0, "sequence")?, to_key(row, 1)?));
        let keys: Vec<(u64, Key)> = self.decoded(rows.iter().map(key).collect())?;
        let through = match keys.last() {
            Some((last, _)) if keys.len() == page => *last,
            _ => settled,
        };
        Ok(ChangedKeys::new(keys, through))
    }

    /// The numbers and buckets of the entries after one number and up to another.
    pub(super) async fn buckets_between(
        &self,
        after: u64,
        upto: u64,
        page: usize,
    ) -> Result<Vec<(u64, u16)>, StoreError> {
        let text =
            "SELECT h.sequence, h.bucket::bigint FROM {schema}.history h WHERE h.sequence > $1 AND h.sequence <= $2
            ORDER BY h.sequence LIMIT $3";
        let statement = Statement::new(text).number(stored(after)).number(stored(upto)).number(limit(page));
        let rows = self.read(statement).await?;
        self.decoded(rows.iter().map(|row| Ok((number(row, 0, "sequence")?, number(row, 1, "bucket")?))).collect())
    }

    /// The newest number of the settled part. Entries that are visible when this is called are in it, unless an older transaction is
    /// still open after a wait.
    pub(super) async fn last_sequence(&self) -> Result<u64, StoreError> {
        self.settled_to().await
    }

    /// Up to where the history is settled.
    pub(super) async fn settled_to(&self) -> Result<u64, StoreError> {
        Ok(self.settled_after(0, usize::MAX).await?.upto)
    }

    /// Up to where the entries after `position` can be delivered; at least `wanted` of them, or all, where that is possible soon.
    async fn settled_after(&self, position: u64, wanted: usize) -> Result<Look, StoreError> {
        let began = Instant::now();
        loop {
            let look = self.look(position, wanted).await?;
            let Some(gap) = self.settled.0.lock().gap.filter(|gap| look.upto < gap.high.max(look.high)) else {
                // All of it, or a full page before the rest.
                if look.upto < look.high && wanted > PAGE {
                    continue;
                }
                return Ok(look);
            };
            if began.elapsed() >= FOREIGN && self.none_open_before(gap.end).await? {
                self.settled.0.lock().pass(gap);
                continue;
            }
            if began.elapsed() >= WAIT {
                self.notices.hold_back();
                return Ok(look);
            }
            // The first look after the gap was found needs no pause: nothing may have been open.
            let pause = if began.elapsed() < Duration::from_millis(1) { 0 } else { 2 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// One look after `position`, which passes over a gap whose transactions have ended.
    pub(super) async fn settled_now(&self, position: u64) -> Result<Look, StoreError> {
        let look = self.look(position, PAGE).await?;
        if look.upto >= look.high {
            return Ok(look);
        }
        // The gap may have been found just now.
        let look = self.look(position, PAGE).await?;
        let gap = self.settled.0.lock().gap;
        match gap {
            Some(gap) if look.upto < look.high && self.none_open_before(gap.end).await? => {
                self.settled.0.lock().pass(gap);
                self.look(position, PAGE).await
            }
            _ => Ok(look),
        }
    }

    /// Reads the numbers after `position`, and returns up to where they can be delivered.
    async fn look(&self, position: u64, wanted: usize) -> Result<Look, StoreError> {
        self.read_given().await?;
        let from = position.max(self.settled.0.lock().settled);
        let statement = Statement::new(LOOK).number(stored(from)).number(limit(wanted.clamp(1, PAGE)));
        let rows = self.read(statement).await?;
        let seen = |row: &tokio_postgres::Row| {
            let numbers: Vec<i64> = value(row, 4, "numbers")?;
            let numbers: Vec<u64> = numbers.into_iter().filter_map(|number| u64::try_from(number).ok()).collect();
            let (oldest_open, next, high) = (number(row, 0, "xmin")?, number(row, 1, "xmax")?, number(row, 2, "high")?);
            let seen = Seen { oldest_open, next, numbers: &numbers, high, pruned: number(row, 3, "pruned")? };
            Ok(Look { upto: self.settled.0.lock().see(from, &seen), high })
        };
        let look = self.decoded(rows.first().map(seen).transpose())?;
        Ok(look.unwrap_or(Look { upto: from, high: from }))
    }

    /// Reads the last number that was given out, once. It may belong to an entry that was purged.
    async fn read_given(&self) -> Result<(), StoreError> {
        if self.given.initialized() {
            return Ok(());
        }
        self.given
            .get_or_try_init(|| async {
                let rows = self.read(Statement::new(GIVEN)).await?;
                let given = self.decoded(rows.first().map_or(Ok(0), |row| number(row, 0, "last_value")))?;
                self.settled.0.lock().given = Some(given);
                Ok(())
            })
            .await
            .copied()
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// A server: transactions take an id, then numbers, and end in any order.
    #[derive(Default)]
    struct Server {
        next_id: u64,
        next_number: u64,
        /// The numbers of open transactions; `None` for one of somebody else.
        open: BTreeMap<u64, Option<Vec<u64>>>,
        visible: BTreeSet<u64>,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin {
            foreign: bool,
        },
        /// The open transaction at this place takes a number.
        Take(usize),
        /// The open transaction at this place ends.
        End {
            place: usize,
            commits: bool,
        },
        Look {
            limit: usize,
        },
        /// As a reader that has waited: it leaves out transactions of others.
        LookAtLocks,
        /// A new process with the position of the reader.
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => prop::bool::weighted(0.2).prop_map(|foreign| Step::Begin { foreign }),
            4 => (0..4_usize).prop_map(Step::Take),
            2 => (0..4_usize, prop::bool::weighted(0.7)).prop_map(|(place, commits)| Step::End { place, commits }),
            3 => (1..5_usize).prop_map(|limit| Step::Look { limit }),
            1 => Just(Step::LookAtLocks),
            1 => Just(Step::Restart),
        ]
    }

    impl Server {
        fn id_at(&self, place: usize) -> Option<u64> {
            self.open.keys().nth(place).copied()
        }

        fn between(&self, position: u64, upto: u64) -> Vec<u64> {
            self.visible.iter().copied().filter(|number| (position + 1..=upto).contains(number)).collect()
        }

        fn look(&self, state: &mut State, position: u64, limit: usize) -> u64 {
            let from = position.max(state.settled);
            let numbers: Vec<u64> = self.visible.range(from + 1..).take(limit).copied().collect();
            let seen = Seen {
                oldest_open: self.open.keys().next().copied().unwrap_or(self.next_id),
                next: self.next_id,
                numbers: &numbers,
                high: self.visible.last().copied().unwrap_or_default(),
                pruned: 0,
            };
            state.see(from, &seen)
        }
    }

    proptest! {
        /// A reader at a position has read everything up to it that there will ever be.
        #[test]
        fn n22_no_entry_appears_before_a_position(steps in prop::collection::vec(step(), 0..80)) {
            let (mut server, mut state, mut position) = (Server { next_id: 1, ..Server::default() }, State::default(), 0);
            let mut read = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Begin { foreign } => {
                        server.open.insert(server.next_id, (!foreign).then(Vec::new));
                        server.next_id += 1;
                    }
                    Step::Take(place) => {
                        if let Some(Some(numbers)) = server.id_at(place).and_then(|id| server.open.get_mut(&id)) {
                            server.next_number += 1;
                            numbers.push(server.next_number);
                        }
                    }
                    Step::End { place, commits } => {
                        let numbers = server.id_at(place).and_then(|id| server.open.remove(&id)).flatten();
                        server.visible.extend(numbers.into_iter().flatten().filter(|_| commits));
                    }
                    Step::Look { limit } => {
                        let upto = server.look(&mut state, position, limit);
                        read.extend(server.between(position, upto));
                        position = position.max(upto);
                    }
                    Step::LookAtLocks => {
                        if let Some(gap) = state.gap
                            && server.open.iter().all(|(id, numbers)| numbers.is_none() || *id >= gap.end)
                        {
                            state.pass(gap);
                        }
                    }
                    Step::Restart => state = State { given: Some(server.next_number), ..State::default() },
                }
                prop_assert!(server.visible.range(..=position).all(|number| read.contains(number)), "{position}: {read:?}");
            }
            // Once everything has ended, two looks for each gap deliver all.
            let all: Vec<Vec<u64>> = std::mem::take(&mut server.open).into_values().flatten().collect();
            server.visible.extend(all.into_iter().flatten());
            let mut looks = 0;
            while position < server.visible.last().copied().unwrap_or_default() {
                let upto = server.look(&mut state, position, 3);
                read.extend(server.between(position, upto));
                position = position.max(upto);
                looks += 1;
                prop_assert!(looks < 500, "the reader stays at {position}");
            }
            prop_assert_eq!(read, server.visible);
        }
    }

    #[test]
    fn ids_are_compared_without_their_upper_half() {
        let wrapped = (7 << 32) + 5;
        assert!(is_before(4, wrapped) && is_before(0xffff_fff0, wrapped));
        assert!(!is_before(5, wrapped) && !is_before(6, wrapped));
    }
}
