//! The write connection: transactions, the length of the write-ahead log, and the detection of foreign commits.

use super::{Asked, BoxError, CommitWith, SharedWrite};
use crate::{
    clock::Stopwatch,
    metrics, panics,
    store::{
        Buckets, Notice, StoreError, Verdict,
        sqlite::{
            Sql, SqlError,
            connection::{
                error,
                file_identity::Opened,
                patience,
                store_file::StoreFile,
                transaction::{CommitError, Transaction},
            },
            sql::{
                ephemeral,
                group::{self, Savepoints},
                read,
            },
            sql_guard::Guard,
        },
    },
};
use rusqlite::{Connection, ErrorCode};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{broadcast, watch};

/// The pause after a batch while another process writes too. It is longer than the retry interval of a waiting process, which therefore
/// gets the lock next: SQLite's lock is not fair and favours the process that has just released it.
const PAUSE: Duration = Duration::from_micros(250);
/// The number of batches after a foreign commit for which the other process counts as still writing.
const SHARED: u32 = 64;

/// The maximum length of the write-ahead log. SQLite's own checkpoints, every 1,000 pages, reset it only if no reader uses it, and under
/// load there always is one. Past this length the writer waits for the readers and truncates the log.
const LOG_LIMIT: u64 = 128 << 20;
/// How long the writer waits for readers. No process can write in the meantime.
const LOG_PATIENCE: Duration = Duration::from_millis(250);
/// How much more is written before the next wait, after a reader (a backup, say) has blocked it for longer.
const LOG_STEP: u64 = LOG_LIMIT / 4;
/// The number of batches, without a pause between them, after which the own sequence is recorded.
pub(super) const UPKEEP: u32 = 64;

pub(super) struct Committer {
    connection: Connection,
    guard: Guard,
    file: Arc<StoreFile>,
    opened: Opened,
    log: PathBuf,
    max_value_bytes: usize,
    /// The length at which the log is truncated; more than [`LOG_LIMIT`] after an attempt has failed.
    log_limit: u64,
    /// Batches since the last maintenance.
    batches: u32,
    notices: broadcast::Sender<Notice>,
    /// Sent when entries under leases may have been changed.
    entry_changes: watch::Sender<()>,
    /// The number of changes of entries as last read.
    entries: Option<u64>,
    /// SQLite's `data_version` as last read. It changes exactly when another connection commits.
    seen: Option<i64>,
    /// The number of batches for which other processes still count as writing.
    shared: u32,
    /// All history entries up to this sequence are own entries, or were notified.
    own: u64,
    /// The error of the last batch, if it failed.
    failing: Option<String>,
}

impl Committer {
    pub(super) fn new(
        mut connection: Connection,
        file: Arc<StoreFile>,
        notices: broadcast::Sender<Notice>,
        entry_changes: watch::Sender<()>,
        max_value_bytes: usize,
    ) -> rusqlite::Result<Self> {
        let guard = Guard::install(&mut connection)?;
        let mut committer = Self {
            connection,
            guard,
            opened: Opened::of(file.clone()),
            log: file.beside("-wal"),
            max_value_bytes,
            file,
            log_limit: LOG_LIMIT,
            batches: 0,
            notices,
            entry_changes,
            entries: None,
            seen: None,
            shared: 0,
            own: 0,
            failing: None,
        };
        // Before the store is used: foreign commits from now on are notified.
        committer.seen = committer.data_version();
        Ok(committer)
    }

    /// Commits one call without waiting. Returns the call if it would have to wait for another process.
    pub(super) fn commit_now(&mut self, asked: Asked) -> Result<Result<Vec<Verdict>, StoreError>, Asked> {
        let watch = Stopwatch::start();
        let batch = [asked];
        let answer = match patience::wait(Duration::ZERO, || self.decide(&batch)) {
            Err(StoreError::Busy { .. }) => {
                let [asked] = batch;
                return Err(asked);
            }
            answer => answer,
        };
        let answer = self.note(&batch, &watch, answer);
        Ok(answer.map(|verdicts| verdicts.into_iter().flatten().collect()))
    }

    /// Commits the whole batch in one transaction. It is durable when this returns; no reply may be sent before.
    pub(super) fn commit(&mut self, batch: &[Asked]) -> Result<Vec<Vec<Verdict>>, StoreError> {
        let watch = Stopwatch::start();
        let answer = self.decide(batch);
        self.note(batch, &watch, answer)
    }

    fn decide(&self, batch: &[Asked]) -> Result<Vec<Vec<Verdict>>, StoreError> {
        let decided = match self.attempt(batch, Savepoints::WhereNeeded)? {
            // Rare: SQLite refused a change, which may be half applied.
            None => self.attempt(batch, Savepoints::Everywhere)?,
            decided => decided,
        };
        decided.ok_or_else(|| StoreError::Failed {
            store: self.file.display().to_string(),
            cause: "a change was left half made, and was rolled back".to_owned(),
        })
    }

    /// Updates the state after a batch.
    fn note<T>(&mut self, batch: &[Asked], watch: &Stopwatch, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        let answer = answer.map_err(|e| error::with_holder(&self.file, e));
        self.batches += 1;
        let groups = batch.iter().map(|asked| asked.groups.len()).sum();
        match &answer {
            Ok(_) => {
                metrics::batch(groups, watch.elapsed());
                if self.failing.take().is_some() {
                    tracing::info!(store = %self.file.display(), "commits succeed again");
                }
            }
            Err(error) => self.log_failure(error, groups),
        }
        answer
    }

    /// Logs an error once while it repeats.
    fn log_failure(&mut self, error: &StoreError, changes: usize) {
        let (store, text) = (self.file.display(), error.to_string());
        if self.failing.as_ref() == Some(&text) {
            tracing::debug!(%store, %error, changes, "commit failed again");
        } else {
            tracing::error!(%store, %error, changes, "commit failed (identical failures are not logged)");
            self.failing = Some(text);
        }
    }

    /// `None` if it was rolled back because a change was half applied.
    fn attempt(&self, batch: &[Asked], savepoints: Savepoints) -> Result<Option<Vec<Vec<Verdict>>>, StoreError> {
        let failed = |e: rusqlite::Error| error::running(&self.file, &e);
        self.opened.check()?;
        let transaction = Transaction::begin(&self.connection).map_err(failed)?;
        let mut verdicts = Vec::with_capacity(batch.len());
        for asked in batch {
            let each = asked.groups.iter().map(|group| match group.too_large(self.max_value_bytes) {
                Some(verdict) => Ok(Some(verdict)),
                None => group::group(&transaction, group, asked.now, savepoints),
            });
            match each.collect::<rusqlite::Result<Option<Vec<_>>>>().map_err(failed)? {
                Some(each) => verdicts.push(each),
                None => return Ok(None),
            }
        }
        transaction.commit().map_err(|e| error::committing(&self.file, &e))?;
        Ok(Some(verdicts))
    }

    /// Commits one group with the caller's statements, in a transaction of its own: they may be slow or fail.
    pub(super) fn commit_with(&mut self, commit: CommitWith) {
        let CommitWith { group, statements, now, reply } = commit;
        let failed = |e: rusqlite::Error| error::running(&self.file, &e);
        self.batches += 1;
        let answer = (|| {
            self.opened.check()?;
            if let Some(verdict) = group.too_large(self.max_value_bytes) {
                return Ok(Ok(verdict));
            }
            let transaction = Transaction::begin(&self.connection).map_err(failed)?;
            let mut failure = None;
            let statements = |connection: &Connection| {
                let sql = Sql::new(connection, &self.guard);
                let done = catch_unwind(AssertUnwindSafe(|| statements(&sql)))
                    .unwrap_or_else(|panic| Err(format!("the statements panicked: {}", panics::text(&*panic)).into()));
                let done = done.and_then(|()| Ok::<_, BoxError>(sql.finish()?));
                failure = sql.into_failure();
                done
            };
            let answer = group::group_with(&transaction, &group, now, statements).map_err(failed)?;
            match (failure, &answer) {
                (Some(failure), Err(_)) => return Err(failed(failure)),
                // Dropping the transaction undoes what the statements have not undone.
                (None, Err(_)) => return Ok(answer),
                (_, Ok(_)) => {}
            }
            match transaction.commit() {
                Ok(()) => Ok(answer),
                // Only the caller's own tables have deferred constraints.
                Err(CommitError::RolledBack(refused))
                    if refused.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
                {
                    Ok(Err(SqlError::Refused(refused.to_string()).into()))
                }
                Err(error) => Err(error::committing(&self.file, &error)),
            }
        })();
        // The receiver may be gone.
        let _ = reply.send(answer.map_err(|e| error::with_holder(&self.file, e)));
    }

    /// Takes `writes`, and commits them in one transaction, without those that fail.
    pub(super) fn write(&mut self, writes: &mut Vec<Box<dyn SharedWrite>>) {
        if writes.is_empty() {
            return;
        }
        self.batches += 1;
        let mut waiting = VecDeque::from(std::mem::take(writes));
        let mut written = Vec::with_capacity(waiting.len());
        let committed = self.write_all(&mut waiting, &mut written).map_err(|e| error::with_holder(&self.file, e));
        for write in written.into_iter().chain(waiting) {
            write.answer(committed.clone());
        }
    }

    /// Moves what was written to `written`, and answers what fails by itself. After an error, nothing was changed.
    fn write_all(
        &self,
        waiting: &mut VecDeque<Box<dyn SharedWrite>>,
        written: &mut Vec<Box<dyn SharedWrite>>,
    ) -> Result<(), StoreError> {
        let failed = |e: rusqlite::Error| error::running(&self.file, &e);
        self.opened.check()?;
        let transaction = Transaction::begin(&self.connection).map_err(failed)?;
        let execute = |sql| transaction.prepare_cached(sql).and_then(|mut sql| sql.execute([])).map_err(failed);
        while let Some(write) = waiting.front_mut() {
            execute("SAVEPOINT fsm_write")?;
            match write.run(&transaction) {
                Ok(()) => written.extend(waiting.pop_front()),
                // Some errors undo the whole transaction.
                Err(error) if transaction.is_autocommit() => return Err(failed(error)),
                Err(error) => {
                    execute("ROLLBACK TO fsm_write")?;
                    if let Some(write) = waiting.pop_front() {
                        write.answer(Err(failed(error)));
                    }
                }
            }
            execute("RELEASE fsm_write")?;
        }
        transaction.commit().map_err(|e| error::committing(&self.file, &e))
    }

    pub(super) fn run(&mut self, job: impl FnOnce(&Connection)) {
        self.batches += 1;
        job(&self.connection);
    }

    /// Whether the next commit needs neither a wait for other processes nor maintenance, which are the thread's work.
    pub(super) fn needs_no_thread(&self) -> bool {
        self.shared == 0 && self.batches < UPKEEP
    }

    pub(super) fn let_others_write(&mut self) {
        if self.shared > 0 {
            self.shared -= 1;
            std::thread::sleep(PAUSE);
        }
    }

    /// Maintains the file after each batch, and when the store is idle. Returns whether another connection has committed.
    pub(super) fn look_after_the_file(&mut self, idle: bool) -> bool {
        if self.batches > 0 {
            self.keep_the_log_short();
        }
        let changed = self.look_for_foreign_changes();
        if self.batches >= UPKEEP || idle && self.batches > 0 {
            self.batches = 0;
            self.record_own_sequence();
        }
        changed
    }

    fn keep_the_log_short(&mut self) {
        // A missing log is empty.
        let length = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        if length <= LOG_LIMIT {
            self.log_limit = LOG_LIMIT;
        }
        if length <= self.log_limit {
            return;
        }
        match self.empty_the_log() {
            Ok(true) => self.log_limit = LOG_LIMIT,
            Ok(false) => {
                self.log_limit = length + LOG_STEP;
                tracing::warn!(
                    store = %self.file.display(), bytes = length,
                    "the write-ahead log grows: a reader or a checkpoint of another process prevents its truncation"
                );
            }
            Err(error) => {
                self.log_limit = length + LOG_STEP;
                tracing::warn!(store = %self.file.display(), bytes = length, %error, "the write-ahead log could not be truncated");
            }
        }
    }

    /// Truncates the log; `false` if a reader blocked it for too long.
    fn empty_the_log(&self) -> rusqlite::Result<bool> {
        patience::wait(LOG_PATIENCE, || {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            self.connection.query_row(checkpoint, [], |row| Ok(row.get::<_, i64>(0)? == 0))
        })
    }

    fn data_version(&self) -> Option<i64> {
        // On an error, the next check reads it.
        self.connection.prepare_cached("PRAGMA data_version").ok()?.query_row([], |row| row.get(0)).ok()
    }

    /// Records the newest own sequence, so that followers of foreign changes skip own entries.
    fn record_own_sequence(&mut self) {
        // Read before `data_version`: if that has not changed, no other connection had committed by then.
        let Ok(last) = read::last_sequence(&self.connection) else { return };
        if self.seen.is_some() && self.data_version() == self.seen {
            self.own = last;
        }
    }

    /// Whether another connection has committed since the last check.
    pub(super) fn look_for_foreign_changes(&mut self) -> bool {
        let now = self.data_version();
        let changed = now.is_some() && now != self.seen;
        if changed {
            self.seen = now;
            self.shared = SHARED;
            // There may be no receiver.
            let _ = self.notices.send(Notice::new(Buckets::ALL, self.own));
            self.look_for_changes_of_entries();
        }
        changed
    }

    /// After a foreign commit. Most are of instances, and those that wait for entries do not look at each of them.
    fn look_for_changes_of_entries(&mut self) {
        if self.entry_changes.receiver_count() == 0 {
            self.entries = None;
            return;
        }
        // On an error they look.
        let entries = ephemeral::changes(&self.connection).ok();
        if entries.is_none() || entries != self.entries {
            self.entry_changes.send_replace(());
        }
        self.entries = entries;
    }
}
