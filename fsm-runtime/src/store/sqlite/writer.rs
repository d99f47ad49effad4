//! Owns the writer: one thread with one connection, which commits together what is waiting (group commit).

use super::{
    BUSY_TIMEOUT, Sql,
    apply::{self, Savepoints},
    error, read, schema,
};
use crate::{
    clock::Stopwatch,
    measure,
    store::{Change, Group, StoreError, Verdict},
};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{
    collections::VecDeque,
    error::Error,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot};

/// Jobs that may wait before callers are held back.
const QUEUE: usize = 4_096;
/// Groups that share one transaction at most: past this, latency grows and throughput does not.
const BATCH: usize = 256;
/// Other jobs that are served before a batch is committed.
const OTHERS: usize = 8;
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
/// Foreign changes that a slow follower may leave unheard before it has to read our own entries too.
const UNHEARD: usize = 64;

/// A job, and its place in the queue; urgent ones need none.
type Queued = (Job, Option<OwnedSemaphorePermit>);
/// Jobs that do not queue behind the others.
type Urgent = Arc<Mutex<VecDeque<Job>>>;

enum Job {
    Commit(Commit),
    CommitWith(CommitWith),
    /// Anything else that needs the writer's connection; it answers its caller itself.
    Run(Box<dyn FnOnce(&Connection) + Send>),
}

struct Commit {
    groups: Vec<Group>,
    now: SystemTime,
    reply: oneshot::Sender<Result<Vec<Verdict>, StoreError>>,
}

/// The caller's own SQL, to run after a group's changes.
pub(crate) type Statements = Box<dyn FnOnce(&Sql<'_>) -> Result<(), BoxError> + Send>;
type BoxError = Box<dyn Error + Send + Sync>;

struct CommitWith {
    group: Group,
    statements: Statements,
    now: SystemTime,
    reply: oneshot::Sender<Result<Result<Verdict, BoxError>, StoreError>>,
}

pub(super) struct Writer {
    file: Arc<Path>,
    /// None once the writer is told to end.
    jobs: Option<mpsc::Sender<Queued>>,
    urgent: Urgent,
    places: Arc<Semaphore>,
    foreign: broadcast::Sender<u64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, file: Arc<Path>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let foreign = broadcast::Sender::new(UNHEARD);
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        let urgent = Urgent::default();
        let mut state = State {
            connection,
            file: file.clone(),
            log: log.into(),
            log_limit: LOG_LIMIT,
            urgent: urgent.clone(),
            batches: 0,
            foreign: foreign.clone(),
            seen: None,
            shared: 0,
            own: 0,
        };
        // Before anybody has the store: what others commit from now on is told.
        state.seen = state.data_version();
        let thread = std::thread::Builder::new().name("fsm-writer".into()).spawn(move || state.run(&queue))?;
        Ok(Self {
            file,
            jobs: Some(jobs),
            urgent,
            places: Arc::new(Semaphore::new(QUEUE)),
            foreign,
            thread: Some(thread),
        })
    }

    /// Cancel safe: dropped before its place in the queue is taken, nothing happens; after it, the groups are decided
    /// as if the caller still listened.
    pub(super) async fn commit(&self, groups: Vec<Group>, now: SystemTime) -> Result<Vec<Verdict>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let gives_back = groups.iter().flat_map(|group| &group.changes).all(|c| matches!(c, Change::Release(_)));
        let job = Job::Commit(Commit { groups, now, reply });
        if gives_back {
            self.enqueue_first(job)?;
        } else {
            self.enqueue(job).await?;
        }
        answer.await.unwrap_or_else(|_| Err(error::indeterminate(&self.file, &"the writer ended")))
    }

    /// Cancel safe, as [`commit`](Self::commit).
    pub(super) async fn commit_with(
        &self,
        group: Group,
        statements: Statements,
        now: SystemTime,
    ) -> Result<Result<Verdict, BoxError>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::CommitWith(CommitWith { group, statements, now, reply })).await?;
        answer.await.unwrap_or_else(|_| Err(error::indeterminate(&self.file, &"the writer ended")))
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = self.answering(job);
        self.enqueue(job).await?;
        answer.await.unwrap_or_else(|_| Err(error::closed(&self.file)))
    }

    /// The same, before everything that waits.
    pub(super) async fn run_first<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = self.answering(job);
        self.enqueue_first(job)?;
        answer.await.unwrap_or_else(|_| Err(error::closed(&self.file)))
    }

    fn answering<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> (Job, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let file = self.file.clone();
        let job = move |connection: &Connection| {
            // A caller that has gone does not want the answer.
            let _ = reply.send(job(connection).map_err(|e| error::running(&file, &e)));
        };
        (Job::Run(Box::new(job)), answer)
    }

    async fn enqueue(&self, job: Job) -> Result<(), StoreError> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| error::closed(&self.file))?;
        self.send((job, Some(place)))
    }

    fn enqueue_first(&self, job: Job) -> Result<(), StoreError> {
        self.urgent.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        // Wakes the writer, should it be idle.
        self.send((Job::Run(Box::new(|_| {})), None))
    }

    fn send(&self, queued: Queued) -> Result<(), StoreError> {
        let closed = || error::closed(&self.file);
        self.jobs.as_ref().ok_or_else(closed)?.send(queued).map_err(|_| closed())
    }

    pub(super) fn foreign_changes(&self) -> broadcast::Receiver<u64> {
        self.foreign.subscribe()
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that the file is closed when the last handle is gone.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(store = %self.file.display(), "the writer thread panicked");
        }
    }
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
    fn run(mut self, queue: &mpsc::Receiver<Queued>) {
        loop {
            match queue.recv_timeout(FOREIGN_POLL) {
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
    fn serve(&mut self, first: Queued, queue: &mpsc::Receiver<Queued>) {
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
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).map_err(failed)?;
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
            let transaction =
                Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).map_err(failed)?;
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
