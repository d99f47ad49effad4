//! Owns the writer's thread: what it serves in which order, what shares a transaction, and what it does for the file in between.

use super::{Commit, CommitWith, Job, Queued, Urgent, waiting::Waiting};
use crate::{
    clock::Stopwatch,
    measure,
    store::{
        StoreError, Verdict,
        sqlite::{
            BUSY_TIMEOUT, Sql,
            apply::{self, Savepoints},
            error, read, schema,
            transaction::Transaction,
        },
    },
};
use rusqlite::Connection;
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::broadcast;

/// Groups that share one transaction at most: past this, latency grows and throughput does not.
const BATCH: usize = 256;
/// Other jobs that are served before a batch is committed.
pub(super) const OTHERS: usize = 8;
/// How often an idle writer looks whether another process has committed (1.9 µs a look).
const FOREIGN_POLL: Duration = Duration::from_millis(5);

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
const UPKEEP: u32 = 64;
/// Starts the thread; it ends when all that give it jobs are gone.
pub(super) fn start(
    connection: Connection,
    file: Arc<Path>,
    queue: Receiver<Queued>,
    urgent: Urgent,
    foreign: broadcast::Sender<u64>,
) -> io::Result<JoinHandle<()>> {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let mut state = State {
        connection,
        file,
        log: log.into(),
        urgent,
        log_limit: LOG_LIMIT,
        batches: 0,
        foreign,
        seen: None,
        shared: 0,
        own: 0,
    };
    // Before anybody has the store: what others commit from now on is told.
    state.seen = state.data_version();
    std::thread::Builder::new().name("fsm-writer".into()).spawn(move || state.run(&queue))
}

/// What the thread has to itself.
struct State {
    connection: Connection,
    file: Arc<Path>,
    log: PathBuf,
    /// How large the log may be before it is emptied by force; more than [`LOG_LIMIT`] after that has failed.
    log_limit: u64,
    urgent: Urgent,
    /// Since the last upkeep.
    batches: u32,
    foreign: broadcast::Sender<u64>,
    /// SQLite's `data_version` as last read: it moves when, and only when, another connection has committed.
    seen: Option<i64>,
    /// For how many more batches others are taken to be writing as well.
    shared: u32,
    /// All history entries up to this sequence are our own, or were told of.
    own: u64,
}

impl State {
    fn run(mut self, queue: &Receiver<Queued>) {
        let mut waiting = Waiting::new();
        loop {
            match waiting.next(queue, FOREIGN_POLL) {
                Ok(first) => {
                    self.serve(first, queue);
                    self.batches += 1;
                    self.keep_the_log_short();
                    self.let_others_write();
                }
                Err(RecvTimeoutError::Timeout) if self.batches > 0 => self.batches = UPKEEP,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look_for_foreign_changes();
            if self.batches >= UPKEEP {
                self.batches = 0;
                self.note_what_is_own();
            }
        }
    }

    /// Serves `first` and what waits behind it, commits together.
    fn serve(&mut self, first: Queued, queue: &Receiver<Queued>) {
        let mut batch = Vec::new();
        let mut groups = 0;
        // Other jobs may sync the disk each: they must not keep the batch waiting for long.
        let mut others = 0;
        let mut first = Some(first);
        loop {
            let more = groups < BATCH && others < OTHERS;
            let next = self.urgent().or_else(|| first.take()).or_else(|| more.then(|| queue.try_recv().ok()).flatten());
            let Some((job, _place)) = next else { break };
            match job {
                Job::Commit(commit) => {
                    groups += commit.groups.len();
                    batch.push(commit);
                }
                Job::CommitWith(commit) => {
                    others += 1;
                    self.commit_with(commit);
                }
                Job::Run(job) => {
                    others += 1;
                    job(&self.connection);
                }
                Job::Look => {}
            }
        }
        if batch.is_empty() {
            return;
        }
        let watch = Stopwatch::start();
        match self.commit(&batch) {
            Ok(verdicts) => {
                measure::batch(groups, watch.elapsed());
                for (commit, verdicts) in batch.into_iter().zip(verdicts) {
                    // A caller that has gone does not want the answer; the change stands.
                    let _ = commit.reply.send(Ok(verdicts));
                }
            }
            Err(error) => {
                tracing::error!(store = %self.file.display(), %error, changes = groups, "commit failed");
                for commit in batch {
                    let _ = commit.reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// Looked for before each job, since the word of it may have come with one that was taken before.
    fn urgent(&self) -> Option<Queued> {
        self.urgent.lock().unwrap_or_else(PoisonError::into_inner).pop_front().map(|job| (job, None))
    }

    /// One transaction for the whole batch; nobody gets an answer before it is durable.
    fn commit(&mut self, batch: &[Commit]) -> Result<Vec<Vec<Verdict>>, StoreError> {
        match self.attempt(batch, Savepoints::WhereNeeded)? {
            Some(verdicts) => Ok(verdicts),
            // Rare: SQLite refused a change, half of which may be made.
            None => self.attempt(batch, Savepoints::Everywhere)?.ok_or_else(|| StoreError::Failed {
                store: self.file.display().to_string(),
                cause: "a change was left half made, and was rolled back".to_owned(),
            }),
        }
    }

    /// `None` where it was rolled back because a change was left half made.
    fn attempt(&self, batch: &[Commit], savepoints: Savepoints) -> Result<Option<Vec<Vec<Verdict>>>, StoreError> {
        let failed = |e: rusqlite::Error| error::running(&self.file, &e);
        let transaction = Transaction::begin(&self.connection).map_err(failed)?;
        let mut verdicts = Vec::with_capacity(batch.len());
        for commit in batch {
            let each = commit.groups.iter().map(|group| apply::group(&transaction, group, commit.now, savepoints));
            match each.collect::<rusqlite::Result<Option<Vec<_>>>>().map_err(failed)? {
                Some(each) => verdicts.push(each),
                None => return Ok(None),
            }
        }
        transaction.commit().map_err(|e| error::uncommitted(&self.file, &e))?;
        Ok(Some(verdicts))
    }

    /// A transaction of its own: foreign code runs in it, which may take its time, or fail.
    fn commit_with(&self, commit: CommitWith) {
        let CommitWith { group, statements, now, reply } = commit;
        let failed = |e: rusqlite::Error| error::running(&self.file, &e);
        let answer = (|| {
            let transaction = Transaction::begin(&self.connection).map_err(failed)?;
            let statements = |sql: &Sql<'_>| {
                catch_unwind(AssertUnwindSafe(|| statements(sql)))
                    .unwrap_or_else(|_| Err("the statements panicked".into()))
            };
            let answer = apply::group_with(&transaction, &group, now, statements).map_err(failed)?;
            transaction.commit().map_err(|e| error::uncommitted(&self.file, &e))?;
            Ok(answer)
        })();
        // A caller that has gone does not want the answer.
        let _ = reply.send(answer);
    }

    fn let_others_write(&mut self) {
        if self.shared > 0 {
            self.shared -= 1;
            std::thread::sleep(PAUSE);
        }
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
        self.connection.busy_handler(Some(schema::naps(LOG_PATIENCE)))?;
        let emptied =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0));
        self.connection.busy_handler(Some(schema::naps(BUSY_TIMEOUT)))?;
        emptied
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

    fn look_for_foreign_changes(&mut self) {
        let now = self.data_version();
        if now.is_some() && now != self.seen {
            self.seen = now;
            self.shared = SHARED;
            // Nobody may be following.
            let _ = self.foreign.send(self.own);
        }
    }
}
