//! Commits a batch: sends it, again where nothing was changed and it may succeed, and answers for a COMMIT whose answer was lost.

use super::{
    super::{
        change::{self, Batch, Numbered},
        columns::{to_entry, to_key, to_row, to_visit, value},
        connect::Role,
        core::Core,
        failure::{Failure, Kind},
        read::{ENTRIES, ROWS},
        session::{Connected, Session},
        statement::Statement,
    },
    Job,
    burst::{self, End, Sent},
};
use crate::store::{self, Change, HistoryEntry, Key, Row, StoreError, Verdict};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// Creates the row of a lane.
const ADD_LANE: &str = "INSERT INTO {schema}.lanes (lane, batch, missed, seen) VALUES ($1, $2, '{}', clock_timestamp())
    ON CONFLICT (lane) DO UPDATE SET seen = clock_timestamp() RETURNING batch";

/// After a failover to a server that lacks the last commits, the sequences go on far beyond what the former primary may have given out:
/// no fence and no number of the history is given out twice. They go on farther with each timeline that this server does not know: the
/// former primary of each has gone on in the same way.
pub(in super::super) const RAISE_TIMELINE: &str = "
WITH present AS (
    SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint AS timeline, m.value AS known
    FROM {schema}.meta m WHERE m.name = 'timeline'
), raised AS (
    UPDATE {schema}.meta m SET value = p.timeline FROM present p WHERE m.name = 'timeline' AND m.value < p.timeline
    RETURNING (p.timeline - p.known) * 1048576 AS jump
)
SELECT setval('{schema}.fence', (SELECT last_value FROM {schema}.fence) + r.jump),
       setval('{schema}.sequence', (SELECT last_value FROM {schema}.sequence) + r.jump)
FROM raised r";

/// Keeps a batch whose answer was lost from being committed from now on. Waits for its transaction, if that is still open.
const FENCE_OFF: &str =
    "UPDATE {schema}.lanes SET batch = $2 + 1, missed = '{}' WHERE lane = $1 AND batch < $2 RETURNING 1";
/// Another number than that of the batch was written by an attempt to fence it off whose own answer was lost.
const DECIDED: &str = "SELECT CASE WHEN batch = $2 THEN missed END FROM {schema}.lanes WHERE lane = $1";

/// Which rows are locked by another transaction at this moment.
const LOCKED: &str = "
WITH asked AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::text[]) AS a(machine, id)),
free AS MATERIALIZED (
    SELECT i.machine, i.id FROM {schema}.instances i JOIN asked a ON a.machine = i.machine AND a.id = i.id
    FOR UPDATE OF i SKIP LOCKED)
SELECT i.machine, i.id FROM {schema}.instances i JOIN asked a ON a.machine = i.machine AND a.id = i.id
WHERE NOT EXISTS (SELECT 1 FROM free f WHERE f.machine = i.machine AND f.id = i.id)";

/// A connection that commits batches.
pub(in super::super) struct Lane {
    pub(super) core: Arc<Core>,
    pub(super) session: Session,
    id: Uuid,
    /// The number of the last batch. Each attempt has another one.
    pub(super) number: i64,
    is_prepared: bool,
    /// When the first caller of the present batch called: a batch that waited in the queue is not tried for longer than its callers wait.
    pub(super) since: Instant,
}

/// How a transaction was committed.
pub(super) enum Done {
    /// The rows of each statement, and the connection, on which a transaction that stays open goes on.
    Rows(Vec<Vec<tokio_postgres::Row>>, Arc<Connected>),
    /// The answer was lost. The changes at these places had missed their rows; all others were applied.
    Unseen { missed: Vec<i32> },
}

/// Why a transaction changed nothing.
pub(super) enum Undone {
    /// The statement at this place cannot be applied to its values.
    Refused(usize, String),
    /// The change of the statement at this place missed its row.
    Missed(usize),
    /// Another transaction has locked a row.
    Locked(Failure),
    Failed(StoreError),
}

pub(super) type Answer = Result<Verdict, StoreError>;

impl Lane {
    pub(in super::super) fn new(core: Arc<Core>, role: Role) -> Self {
        let session = Session::new(&core.target, &core.texts, role);
        Self { core, session, id: Uuid::now_v7(), number: 0, is_prepared: false, since: Instant::now() }
    }

    /// Commits the groups of `jobs`, each of one change, or one group of several. Returns an answer for each; none where a transaction of
    /// somebody else has locked the row, and nothing was changed.
    pub(super) async fn commit(&mut self, jobs: &[Job]) -> Vec<Option<Answer>> {
        self.since = jobs.iter().map(|job| job.since).min().unwrap_or_else(Instant::now);
        if let [Job { group, now, .. }] = jobs
            && group.changes.len() > 1
        {
            return vec![self.group(&group.changes, *now).await];
        }
        let changes: Vec<Numbered<'_>> = (0..)
            .zip(jobs)
            .filter_map(|(ord, job)| Some(Numbered { ord, change: job.group.changes.first()?, now: job.now }))
            .collect();
        self.singles(&changes).await
    }

    /// Commits changes of different keys, independently of each other.
    async fn singles(&mut self, changes: &[Numbered<'_>]) -> Vec<Option<Answer>> {
        let batch = Batch { lane: self.id, whole: false };
        match self.transact(&change::statements(changes, batch), End::Commit).await {
            Ok(done) => self.verdicts(changes, done).await.into_iter().map(Some).collect(),
            Err(Undone::Refused(_, reason)) if changes.len() == 1 => {
                vec![Some(Ok(Verdict::Refused { change: 0, reason }))]
            }
            Err(Undone::Locked(_)) if changes.len() == 1 => vec![None],
            Err(Undone::Locked(_)) => self.without_locked(changes).await,
            // It is one of them; the others do not depend on it.
            Err(Undone::Refused(..)) => {
                let mut answers = Vec::with_capacity(changes.len());
                for change in changes {
                    answers.append(&mut Box::pin(self.singles(&[*change])).await);
                }
                answers
            }
            Err(Undone::Missed(_)) => {
                let failed = self.failed("a batch was undone as if it were a group");
                changes.iter().map(|_| Some(Err(failed.clone()))).collect()
            }
            Err(Undone::Failed(error)) => changes.iter().map(|_| Some(Err(error.clone()))).collect(),
        }
    }

    /// Commits the changes of rows that no other transaction has locked.
    async fn without_locked(&mut self, changes: &[Numbered<'_>]) -> Vec<Option<Answer>> {
        let locked = self.locked(changes.iter().map(|it| it.change.key())).await;
        let (kept, free): (Vec<_>, Vec<_>) = changes.iter().copied().partition(|it| locked.contains(it.change.key()));
        let mut answers: HashMap<i32, Option<Answer>> = HashMap::new();
        if kept.is_empty() {
            // It is no row that is there, or is free again; or it is a table, which two changes show.
            let mut locked = 0;
            for change in &free {
                let answer = Box::pin(self.singles(&[*change])).await.pop().flatten();
                locked += u32::from(answer.is_none());
                answers.insert(change.ord, answer);
                if locked == 2 {
                    break;
                }
            }
        } else if !free.is_empty() {
            let of_free = Box::pin(self.singles(&free)).await;
            answers.extend(free.iter().map(|it| it.ord).zip(of_free));
        }
        changes.iter().map(|it| answers.remove(&it.ord).flatten()).collect()
    }

    /// Those of `keys` whose rows are locked by somebody else; all of them, if the server does not tell.
    pub(super) async fn locked<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> HashSet<Key> {
        let keys: HashSet<Key> = keys.cloned().collect();
        let asked = async {
            let statement = Statement::new(LOCKED)
                .with(keys.iter().map(|key| key.machine.to_string()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
                .with(keys.iter().map(|key| key.id.to_string()).collect::<Vec<_>>(), Type::TEXT_ARRAY);
            let connected = self.session.connected().await?;
            let rows = connected.query_alone(&statement).await;
            if rows.as_ref().is_err_and(Failure::breaks_connection) {
                self.session.give_up(&connected).await;
            }
            rows?.iter().map(|row| to_key(row, 0)).collect::<Result<HashSet<Key>, Failure>>()
        };
        asked.await.unwrap_or(keys)
    }

    /// The verdicts on a committed batch. What missed is judged by what is stored now.
    async fn verdicts(&self, changes: &[Numbered<'_>], done: Done) -> Vec<Answer> {
        let mut applied: HashMap<i32, Row> = HashMap::with_capacity(changes.len());
        let mut unseen: Vec<i32> = Vec::new();
        match done {
            Done::Rows(rows, _) => {
                for row in rows.iter().flatten() {
                    self.core.notices.wrote(row);
                    match applied_row(row, changes) {
                        Ok(Some((ord, row))) => drop(applied.insert(ord, row)),
                        Ok(None) => {}
                        // It was applied, and cannot be shown.
                        Err(failure) => {
                            let error = self.core.error(failure, Duration::ZERO);
                            return changes.iter().map(|_| Err(error.clone())).collect();
                        }
                    }
                }
            }
            Done::Unseen { missed } => {
                unseen.extend(changes.iter().map(|it| it.ord).filter(|ord| !missed.contains(ord)));
            }
        }
        self.core.notices.changed(changes.iter().map(|it| it.change));
        let missing: Vec<Numbered<'_>> = changes.iter().copied().filter(|it| !applied.contains_key(&it.ord)).collect();
        let stored = if missing.is_empty() { Ok(Stored::default()) } else { self.stored(&missing).await };
        let mut stored = stored;
        let answer = |it: &Numbered<'_>| {
            if let Some(row) = applied.remove(&it.ord) {
                return Ok(Verdict::Committed { rows: vec![row] });
            }
            let stored = stored.as_mut().map_err(|error| {
                if unseen.contains(&it.ord) {
                    // It was committed: every other error says that nothing was changed.
                    let (store, cause) = (self.core.target.name.clone(), error.to_string());
                    StoreError::Indeterminate { store, cause }
                } else {
                    error.clone()
                }
            })?;
            let (current, first) = (stored.rows.remove(&it.ord), stored.entries.remove(&it.ord));
            if unseen.contains(&it.ord)
                && let Some(row) = super::unseen::row(it.change, current.clone())
            {
                return Ok(Verdict::Committed { rows: vec![row] });
            }
            Ok(judge(0, it, current, first, stored.now))
        };
        changes.iter().map(answer).collect()
    }

    /// Commits all of `changes`, or none.
    async fn group(&mut self, changes: &[Change], now: Option<SystemTime>) -> Option<Answer> {
        let numbered: Vec<Numbered<'_>> =
            (0..).zip(changes).map(|(ord, change)| Numbered { ord, change, now }).collect();
        match self.apply_whole(&numbered, End::Commit).await {
            Ok(done) => Some(self.whole(&numbered, done).await),
            Err(Undone::Locked(_)) => None,
            Err(undone) => Some(self.not_whole(&numbered, undone).await),
        }
    }

    /// Applies all of `changes`, or none. The places of what failed are those of the changes.
    pub(super) async fn apply_whole(&mut self, changes: &[Numbered<'_>], end: End) -> Result<Done, Undone> {
        let batch = Batch { lane: self.id, whole: true };
        let mut statements = vec![change::lock(changes)];
        // The change of each statement.
        let mut places = vec![0];
        for (place, change) in changes.iter().enumerate() {
            let of_change = change::statements(&[*change], batch);
            places.extend(of_change.iter().map(|_| place));
            statements.extend(of_change);
        }
        let place_of = |statement: usize| places.get(statement).copied().unwrap_or_default();
        self.transact(&statements, end).await.map_err(|undone| match undone {
            Undone::Refused(statement, reason) => Undone::Refused(place_of(statement), reason),
            Undone::Missed(statement) => Undone::Missed(place_of(statement)),
            undone @ (Undone::Locked(_) | Undone::Failed(_)) => undone,
        })
    }

    /// The verdict on a group that was not applied.
    pub(super) async fn not_whole(&mut self, numbered: &[Numbered<'_>], undone: Undone) -> Answer {
        let place = match undone {
            Undone::Failed(error) => return Err(error),
            Undone::Locked(failure) => return Err(self.core.error(failure, Duration::ZERO)),
            Undone::Refused(change, reason) => return Ok(Verdict::Refused { change, reason }),
            Undone::Missed(place) => place,
        };
        let Some(missed) = numbered.get(place).copied() else { return Err(self.failed("a change has no place")) };
        let in_its_way = numbered.iter().take(place).any(|earlier| earlier.change.key() == missed.change.key());
        if in_its_way && self.applies_alone(missed).await? {
            let reason = "an earlier change of the same group is in its way".to_owned();
            return Ok(Verdict::Refused { change: place, reason });
        }
        let mut stored = self.stored(&[missed]).await?;
        let (current, first) = (stored.rows.remove(&missed.ord), stored.entries.remove(&missed.ord));
        Ok(judge(place, &missed, current, first, stored.now))
    }

    /// The verdict on a group that was committed.
    pub(super) async fn whole(&self, changes: &[Numbered<'_>], done: Done) -> Answer {
        let answers = self.verdicts(changes, done).await;
        let mut all = Vec::with_capacity(answers.len());
        for answer in answers {
            match answer? {
                Verdict::Committed { mut rows } => all.append(&mut rows),
                _ => return Err(self.failed("a group was committed in part")),
            }
        }
        Ok(Verdict::Committed { rows: all })
    }

    /// Whether a change that failed in its group is applied without the others. Nothing is changed.
    async fn applies_alone(&mut self, change: Numbered<'_>) -> Result<bool, StoreError> {
        let batch = Batch { lane: self.id, whole: true };
        match self.transact(&change::statements(&[change], batch), End::Rollback).await {
            Ok(_) => Ok(true),
            Err(Undone::Missed(_) | Undone::Refused(..)) => Ok(false),
            Err(Undone::Locked(failure)) => Err(self.core.error(failure, Duration::ZERO)),
            Err(Undone::Failed(error)) => Err(error),
        }
    }

    /// Runs a transaction, again while nothing was changed and it may succeed. One that shall commit is not repeated here where somebody
    /// else has locked its rows: the queue of the lane goes on meanwhile.
    async fn transact(&mut self, statements: &[Statement<'_>], end: End) -> Result<Done, Undone> {
        loop {
            let failure = match self.attempt(statements, end).await {
                Ok(Attempt::Done(done)) => return Ok(done),
                Ok(Attempt::Undone(undone)) => return Err(undone),
                Ok(Attempt::Again(failure)) | Err(failure) => failure,
            };
            if failure.kind == Kind::Locked && end == End::Commit {
                return Err(Undone::Locked(failure));
            }
            let waited = self.since.elapsed();
            if !failure.can_pass() || waited >= self.core.options.timeout {
                return Err(Undone::Failed(self.core.error(failure, waited)));
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..50))).await;
        }
    }

    /// # Errors
    /// Nothing was changed.
    async fn attempt(&mut self, statements: &[Statement<'_>], end: End) -> Result<Attempt, Failure> {
        let connected = self.session.connected_within(self.core.time_left(self.since)).await?;
        if !self.is_prepared {
            self.prepare().await?;
        }
        self.number += 1;
        let number = self.number;
        let sent = match burst::send(
            &connected,
            &self.core.target.begin(Role::Lane),
            (self.id, number),
            statements,
            end,
        )
        .await
        {
            Ok(sent) => sent,
            Err(failure) => {
                if failure.breaks_connection() {
                    self.session.give_up(&connected).await;
                }
                return Err(failure);
            }
        };
        if end == End::Open && matches!(sent, Sent::Unprepared | Sent::Failed { .. }) {
            // Where it fails, the transaction ends with the connection.
            let _ = connected.execute("ROLLBACK").await;
        }
        Ok(match sent {
            Sent::Committed(rows) => Attempt::Done(Done::Rows(rows, connected)),
            Sent::Unprepared => {
                self.is_prepared = false;
                Attempt::Again(Failure::new(Kind::Contended, "the row of the lane is not as it was"))
            }
            Sent::Failed { place, failure } => match failure.kind {
                Kind::Refused => Attempt::Undone(Undone::Refused(place, failure.text)),
                Kind::Unmet => Attempt::Undone(Undone::Missed(place)),
                _ => {
                    if failure.breaks_connection() {
                        self.session.give_up(&connected).await;
                    }
                    Attempt::Again(failure)
                }
            },
            Sent::Unknown(failure) => {
                self.session.give_up(&connected).await;
                drop(connected);
                if end == End::Open {
                    return Ok(Attempt::Again(failure));
                }
                match self.resolve(number).await {
                    Ok(Some(missed)) if end == End::Commit => Attempt::Done(Done::Unseen { missed }),
                    Ok(_) => Attempt::Again(failure),
                    Err(error) => Attempt::Undone(Undone::Failed(self.indeterminate(&failure, &error))),
                }
            }
        })
    }

    /// Whether batch `number`, whose answer was lost, was committed, and which of its changes had missed their rows. If it was not, it
    /// never will be.
    pub(super) async fn resolve(&mut self, number: i64) -> Result<Option<Vec<i32>>, StoreError> {
        // The row may have the next number from now on, also where this fails: no attempt may have it, because it would be found decided.
        self.number = self.number.max(number.saturating_add(1));
        let fence_off = Statement::new(FENCE_OFF).with(self.id, Type::UUID).number(number);
        if !self.core.run_on(&self.session, &fence_off, true).await?.is_empty() {
            return Ok(None);
        }
        let decided = Statement::new(DECIDED).with(self.id, Type::UUID).number(number);
        let rows = self.core.run_on(&self.session, &decided, true).await?;
        // Rows of lanes that have committed nothing for a day are removed, also while this process was suspended.
        let row = rows.first().ok_or_else(|| self.failed("the row of the lane is gone"))?;
        value(row, 0, "missed").map_err(|it| self.core.error(it, Duration::ZERO))
    }

    /// Creates the row of this lane, and raises the sequences after a failover.
    async fn prepare(&mut self) -> Result<(), Failure> {
        let connected = self.session.connected().await?;
        connected.query_alone(&Statement::new(RAISE_TIMELINE)).await?;
        let rows =
            connected.query_alone(&Statement::new(ADD_LANE).with(self.id, Type::UUID).number(self.number)).await?;
        if let Some(row) = rows.first() {
            self.number = self.number.max(value(row, 0, "batch")?);
        }
        self.is_prepared = true;
        Ok(())
    }

    /// What is stored now under the keys and idempotency keys of `changes`.
    async fn stored(&self, changes: &[Numbered<'_>]) -> Result<Stored, StoreError> {
        let places = |changes: &[Numbered<'_>]| changes.iter().map(|it| it.ord).collect::<Vec<_>>();
        let machines =
            |changes: &[Numbered<'_>]| changes.iter().map(|it| it.change.key().machine.to_string()).collect::<Vec<_>>();
        let ids =
            |changes: &[Numbered<'_>]| changes.iter().map(|it| it.change.key().id.to_string()).collect::<Vec<_>>();
        let damaged = |failure| self.core.error(failure, Duration::ZERO);
        let mut stored = Stored::default();
        let statement = |template: &'static str, changes: &[Numbered<'_>]| {
            Statement::new(template)
                .with(places(changes), Type::INT4_ARRAY)
                .with(machines(changes), Type::TEXT_ARRAY)
                .with(ids(changes), Type::TEXT_ARRAY)
        };
        let keyed: Vec<Numbered<'_>> =
            changes.iter().copied().filter(|it| store::key_use(it.change).is_some()).collect();
        if !keyed.is_empty() {
            let uses: Vec<store::KeyUse<'_>> = keyed.iter().filter_map(|it| store::key_use(it.change)).collect();
            let statement = statement(&ENTRIES, &keyed)
                .with(uses.iter().map(|used| used.incarnation).collect::<Vec<_>>(), Type::UUID_ARRAY)
                .with(uses.iter().map(|used| used.idempotency_key).collect::<Vec<_>>(), Type::TEXT_ARRAY);
            for row in self.core.run_on(&self.session, &statement, true).await? {
                let ord = value(&row, 0, "ord").map_err(damaged)?;
                stored.entries.insert(ord, to_entry(&row, 1).map_err(damaged)?);
            }
        }
        let statement = statement(&ROWS, changes);
        for row in self.core.run_on(&self.session, &statement, true).await? {
            let ord = value(&row, 0, "ord").map_err(damaged)?;
            let (row, now) = (to_row(&row, 2).map_err(damaged)?, value(&row, 1, "now").map_err(damaged)?);
            stored.rows.insert(ord, row);
            stored.now = Some(now);
        }
        Ok(stored)
    }

    pub(super) fn failed(&self, cause: &str) -> StoreError {
        StoreError::Failed { store: self.core.target.name.clone(), cause: cause.to_owned() }
    }

    pub(super) fn indeterminate(&self, failure: &Failure, error: &StoreError) -> StoreError {
        let cause = format!("{failure}; and then: {error}");
        StoreError::Indeterminate { store: self.core.target.name.clone(), cause }
    }
}

/// How an attempt ended.
enum Attempt {
    Done(Done),
    Undone(Undone),
    /// Nothing was changed.
    Again(Failure),
}

/// What is stored under the keys of changes, by their places.
#[derive(Default)]
struct Stored {
    rows: HashMap<i32, Row>,
    entries: HashMap<i32, HistoryEntry>,
    /// The time of the server, if there are rows.
    now: Option<SystemTime>,
}

/// The verdict on a change that was not applied.
pub(in super::super) fn judge(
    place: usize,
    change: &Numbered<'_>,
    current: Option<Row>,
    first: Option<HistoryEntry>,
    servers: Option<SystemTime>,
) -> Verdict {
    if let Some(first) = first {
        return store::used_key(place, change.change, Box::new(first));
    }
    let now = change.now.or(servers).unwrap_or(SystemTime::UNIX_EPOCH);
    store::missed(place, change.change, current, now)
}

/// The place and the row of a change that was applied, of `changes` in the order of their places; `None` for a row without a change.
fn applied_row(row: &tokio_postgres::Row, changes: &[Numbered<'_>]) -> Result<Option<(i32, Row)>, Failure> {
    let Some(ord) = value::<Option<i32>>(row, 1, "ord")? else { return Ok(None) };
    let place = changes.binary_search_by_key(&ord, |it| it.ord).ok();
    let change = place.and_then(|place| changes.get(place)).map(|it| it.change);
    if let Some(begun) = change.and_then(|change| change::begun(change, || to_visit(row, 2))) {
        return Ok(Some((ord, begun?)));
    }
    let mut applied = to_row(row, 2)?;
    // The data is not returned to the caller that sent it.
    if let Some(data) = change.and_then(change::sent_data) {
        data.clone_into(&mut applied.data);
    }
    Ok(Some((ord, applied)))
}
