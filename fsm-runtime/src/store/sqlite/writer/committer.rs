//! Owns the connection that writes, and what whoever commits with it has to know of the file: transactions, the length of the log, what
//! others have committed.

use super::{Asked, CommitWith};
use crate::{
    clock::Stopwatch,
    metrics, panics,
    store::{
        StoreError, Verdict,
        sqlite::{
            Sql, SqlError,
            connection::{
                error,
                file_identity::Opened,
                schema,
                store_file::StoreFile,
                transaction::{CommitError, Transaction},
            },
            sql::{
                group::{self, Savepoints},
                read,
            },
        },
    },
};
use rusqlite::{Connection, ErrorCode};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::sync::broadcast;

/// How long the writer leaves the file alone after a batch while another process writes to it too: longer than a nap of the one that
/// waits, which therefore comes next. SQLite gives its lock to whoever asks first, and that is the one who has just let go of it.
const PAUSE: Duration = Duration::from_micros(250);
/// For how many batches after another's commit that one is taken to be still writing.
const SHARED: u32 = 64;

/// How large the write-ahead log may grow. SQLite's own checkpoints, every 1,000 pages, start it over only when no reader is
/// in the way, and under load there always is one: past this the writer waits for them and empties it.
const LOG_LIMIT: u64 = 128 << 20;
/// How long it waits for them; nobody can write meanwhile.
const LOG_PATIENCE: Duration = Duration::from_millis(250);
/// How much more is written after a reader was in the way for longer (a backup is, for one), before the next wait.
const LOG_STEP: u64 = LOG_LIMIT / 4;
/// After how many batches, without a pause between them, it is looked at how far the history is our own.
pub(super) const UPKEEP: u32 = 64;

pub(super) struct Committer {
    connection: Connection,
    file: Arc<StoreFile>,
    opened: Opened,
    log: PathBuf,
    max_value_bytes: usize,
    /// How large the log may be before it is emptied by force; more than [`LOG_LIMIT`] after that has failed.
    log_limit: u64,
    /// Since the last upkeep.
    batches: u32,
    foreign: broadcast::Sender<u64>,
    /// SQLite's `data_version` as last read: it moves when, and only when, another connection has committed.
    seen: Option<i64>,
    /// For how many more batches others are taken to be writing as well.
    engine: u32,
    /// All history entries up to this sequence are our own, or were told of.
    own: u64,
    /// What the last batch failed with, if it did.
    failing: Option<String>,
}

impl Committer {
    pub(super) fn new(
        connection: Connection,
        file: Arc<StoreFile>,
        foreign: broadcast::Sender<u64>,
        max_value_bytes: usize,
    ) -> Self {
        let mut committer = Self {
            connection,
            opened: Opened::of(file.clone()),
            log: file.beside("-wal"),
            max_value_bytes,
            file,
            log_limit: LOG_LIMIT,
            batches: 0,
            foreign,
            seen: None,
            engine: 0,
            own: 0,
            failing: None,
        };
        // Before anybody has the store: what others commit from now on is told.
        committer.seen = committer.data_version();
        committer
    }

    /// A transaction for one call, at once: given back is one that would have to wait for another process.
    pub(super) fn commit_now(&mut self, asked: Asked) -> Result<Result<Vec<Verdict>, StoreError>, Asked> {
        let watch = Stopwatch::start();
        let batch = [asked];
        let answer = match self.with_patience(Duration::ZERO, |committer| committer.decide(&batch)) {
            Ok(Err(StoreError::Busy { .. })) => {
                let [asked] = batch;
                return Err(asked);
            }
            Ok(answer) => answer,
            Err(error) => Err(error::running(&self.file, &error)),
        };
        let answer = self.note(&batch, &watch, answer);
        Ok(answer.map(|verdicts| verdicts.into_iter().flatten().collect()))
    }

    /// One transaction for the whole batch; nobody is to get an answer before it is durable, which it is when this returns.
    pub(super) fn commit(&mut self, batch: &[Asked]) -> Result<Vec<Vec<Verdict>>, StoreError> {
        let watch = Stopwatch::start();
        let answer = self.decide(batch);
        self.note(batch, &watch, answer)
    }

    fn decide(&self, batch: &[Asked]) -> Result<Vec<Vec<Verdict>>, StoreError> {
        let decided = match self.attempt(batch, Savepoints::WhereNeeded)? {
            // Rare: SQLite refused a change, half of which may be made.
            None => self.attempt(batch, Savepoints::Everywhere)?,
            decided => decided,
        };
        decided.ok_or_else(|| StoreError::Failed {
            store: self.file.display().to_string(),
            cause: "a change was left half made, and was rolled back".to_owned(),
        })
    }

    /// What is known of a batch when it is over.
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
            Err(error) => self.say_failed(error, groups),
        }
        answer
    }

    /// Once for as long as it fails alike, however many batches do.
    fn say_failed(&mut self, error: &StoreError, changes: usize) {
        let (store, said) = (self.file.display(), error.to_string());
        if self.failing.as_ref() == Some(&said) {
            tracing::debug!(%store, %error, changes, "commit failed again");
        } else {
            tracing::error!(%store, %error, changes, "commit failed; not said again while it fails alike");
            self.failing = Some(said);
        }
    }

    /// `None` where it was rolled back because a change was left half made.
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

    /// A transaction of its own: foreign code runs in it, which may take its time, or fail.
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
            let statements = |sql: &Sql<'_>| {
                catch_unwind(AssertUnwindSafe(|| statements(sql)))
                    .unwrap_or_else(|panic| Err(format!("the statements panicked: {}", panics::text(&*panic)).into()))
            };
            let answer = group::group_with(&transaction, &group, now, statements).map_err(failed)?;
            match transaction.commit() {
                Ok(()) => Ok(answer),
                // A constraint that is checked at the end is one of the caller's own tables.
                Err(CommitError::RolledBack(refused))
                    if refused.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
                {
                    Ok(Err(SqlError::Refused(refused.to_string()).into()))
                }
                Err(error) => Err(error::committing(&self.file, &error)),
            }
        })();
        // A caller that has gone does not want the answer.
        let _ = reply.send(answer.map_err(|e| error::with_holder(&self.file, e)));
    }

    pub(super) fn run(&mut self, job: impl FnOnce(&Connection)) {
        self.batches += 1;
        job(&self.connection);
    }

    /// Whether the next commit can do without what the thread does besides: it waits for others, and looks after the file.
    pub(super) fn needs_no_thread(&self) -> bool {
        self.engine == 0 && self.batches < UPKEEP
    }

    pub(super) fn let_others_write(&mut self) {
        if self.engine > 0 {
            self.engine -= 1;
            std::thread::sleep(PAUSE);
        }
    }

    /// What is done for the file after each batch, and whenever nobody has asked for anything for a while (`idle`).
    /// Whether another connection has committed.
    pub(super) fn look_after_the_file(&mut self, idle: bool) -> bool {
        if self.batches > 0 {
            self.keep_the_log_short();
        }
        let changed = self.look_for_foreign_changes();
        if self.batches >= UPKEEP || idle && self.batches > 0 {
            self.batches = 0;
            self.note_what_is_own();
        }
        changed
    }

    fn keep_the_log_short(&mut self) {
        // Without a log there is nothing in it.
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
                    "the write-ahead log grows: a reader, or another process's checkpoint, is in the way of emptying it"
                );
            }
            Err(error) => {
                self.log_limit = length + LOG_STEP;
                tracing::warn!(store = %self.file.display(), bytes = length, %error, "the write-ahead log could not be emptied");
            }
        }
    }

    /// `false` where somebody was in the way for too long.
    fn empty_the_log(&mut self) -> rusqlite::Result<bool> {
        self.with_patience(LOG_PATIENCE, |committer| {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            committer.connection.query_row(checkpoint, [], |row| Ok(row.get::<_, i64>(0)? == 0))
        })?
    }

    /// `work` on a connection that waits for others this long, instead of the store's busy timeout.
    fn with_patience<T>(&mut self, patience: Duration, work: impl FnOnce(&Self) -> T) -> rusqlite::Result<T> {
        self.connection.busy_handler(Some(schema::naps(patience)))?;
        let done = work(self);
        if let Err(error) = self.connection.busy_handler(Some(schema::naps(self.file.busy_timeout))) {
            // What was done is done.
            tracing::error!(store = %self.file.display(), %error, "the store waits for other processes no longer than {patience:?}");
        }
        Ok(done)
    }

    fn data_version(&self) -> Option<i64> {
        // What cannot be read now is read at the next look.
        self.connection.prepare_cached("PRAGMA data_version").ok()?.query_row([], |row| row.get(0)).ok()
    }

    /// So that who follows foreign changes need not read ours.
    fn note_what_is_own(&mut self) {
        // Before `data_version`: when that has not moved, nobody else had committed by the time of the first.
        let Ok(newest) = read::newest(&self.connection) else { return };
        if self.seen.is_some() && self.data_version() == self.seen {
            self.own = newest;
        }
    }

    /// Whether there are any since the last look.
    pub(super) fn look_for_foreign_changes(&mut self) -> bool {
        let now = self.data_version();
        let changed = now.is_some() && now != self.seen;
        if changed {
            self.seen = now;
            self.engine = SHARED;
            // Nobody may be following.
            let _ = self.foreign.send(self.own);
        }
        changed
    }
}
