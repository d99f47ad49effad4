//! The history in order. A sequence is given out before its transaction commits, so a later number can be seen before an earlier one.
//!
//! Readers get the settled part: up to the first gap that may still be filled. The gap is over when its entries appear, or when all
//! transactions have ended that could own a number in it. Each transaction has its id before it takes a number, so those are the
//! transactions with ids before one that is given out after a later number was seen. The end of a snapshot is no such id: it follows the
//! last transaction that has ended, and open ones may have later ids.

use super::{
    columns::{ENTRY_COLUMNS, limit, number, stored, to_entry, to_key, value},
    core::Core,
    gap::{Seen, State},
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

/// Up to where entries can be delivered, and the latest one that is visible.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) upto: u64,
    pub(super) high: u64,
    /// Whether it ends at a gap that was found behind one that is over: the next look remembers it.
    is_unbounded: bool,
}

/// The oldest open transaction of the statement's snapshot, the latest number in it, the newest that was pruned, numbers after a position,
/// and a new id: if no gap is remembered ($3), and there is one, or there may be one before the first number ($4).
const LOOK: &str = "
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
           CASE WHEN $3 AND ($4 OR s.numbers[cardinality(s.numbers)] - $1 > cardinality(s.numbers))
                THEN pg_current_xact_id()::text::bigint END,
           s.high, s.pruned, s.numbers
    FROM (SELECT coalesce((SELECT max(n.sequence) FROM {schema}.history n), 0) AS high,
                 (SELECT m.value FROM {schema}.meta m WHERE m.name = 'pruned') AS pruned,
                 ARRAY(SELECT n.sequence FROM {schema}.history n WHERE n.sequence > $1 ORDER BY n.sequence LIMIT $2) AS numbers
          OFFSET 0) s";

/// The last number that was given out.
const GIVEN: &str = "SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM {schema}.sequence s";

/// The transactions of the store that are open, or prepared for a two-phase commit, which have no process. Each has its id and the lock on the table of the lanes before it takes a number.
const OPEN: &str = "
    SELECT t.transactionid::text::bigint FROM pg_locks l JOIN pg_locks t ON t.virtualtransaction = l.virtualtransaction AND t.locktype = 'transactionid' AND t.granted
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
                if look.upto < look.high && (wanted > PAGE || look.is_unbounded) {
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
        let state = *self.settled.0.lock();
        let from = position.max(state.settled);
        let statement = Statement::new(LOOK)
            .number(stored(from))
            .number(limit(wanted.clamp(1, PAGE)))
            .with(state.gap.is_none(), Type::BOOL)
            .with(state.unsettled().is_some(), Type::BOOL);
        let rows = self.read(statement).await?;
        let seen = |row: &tokio_postgres::Row| {
            let numbers: Vec<i64> = value(row, 4, "numbers")?;
            let numbers: Vec<u64> = numbers.into_iter().filter_map(|number| u64::try_from(number).ok()).collect();
            let (oldest_open, high) = (number(row, 0, "xmin")?, number(row, 2, "high")?);
            let next = value::<Option<i64>>(row, 1, "id")?.and_then(|id| u64::try_from(id).ok());
            let seen = Seen { oldest_open, next, numbers: &numbers, high, pruned: number(row, 3, "pruned")? };
            let mut state = self.settled.0.lock();
            let upto = state.see(from, &seen);
            let is_unbounded = state.gap.is_none() && numbers.iter().any(|number| *number > upto);
            Ok(Look { upto, high, is_unbounded })
        };
        let look = self.decoded(rows.first().map(seen).transpose())?;
        Ok(look.unwrap_or(Look { upto: from, high: from, is_unbounded: false }))
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

    /// Another store has given this number out before. It may belong to an entry that was purged.
    #[cfg(feature = "sqlite")]
    pub(super) fn was_given(&self, number: u64) {
        let mut state = self.settled.0.lock();
        state.given = state.given.max(Some(number));
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
        /// The last transaction that has ended: a snapshot has no later one.
        last_ended: u64,
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

        fn look(&mut self, state: &mut State, position: u64, limit: usize) -> u64 {
            let from = position.max(state.settled);
            let end = self.last_ended + 1;
            let oldest_open = self.open.keys().next().copied().unwrap_or(end).min(end);
            let numbers: Vec<u64> = self.visible.range(from + 1..).take(limit).copied().collect();
            let mut next = None;
            let is_gap = (from + 1..).zip(&numbers).any(|(expected, number)| expected != *number);
            if state.gap.is_none() && (is_gap || state.unsettled().is_some()) {
                next = Some(self.next_id);
                self.last_ended = self.next_id;
                self.next_id += 1;
            }
            let seen = Seen {
                oldest_open,
                next,
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
                        let Some(id) = server.id_at(place) else { continue };
                        server.last_ended = server.last_ended.max(id);
                        let numbers = server.open.remove(&id).flatten();
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
            server.last_ended = server.next_id - 1;
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
