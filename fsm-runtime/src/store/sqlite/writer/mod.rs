//! Group commit: one connection, and one thread that commits waiting groups in one transaction. This module has the callers' side
//! and the queue.

mod adaptive_wait;
mod committer;
mod file_watch;
mod inline_commit;
mod pace;
mod shared;
#[cfg(test)]
mod tests;
mod thread;

use super::{
    OpenError, Sqlite, SqliteOptions,
    connection::{error, file_identity::Opened, store_file::StoreFile, transaction::in_transaction},
};
use crate::store::{Change, Group, Notice, Statements, StoreError, Verdict, replies};
use crate::sync::Mutex;
use committer::Committer;
use file_watch::FileWatch;
use inline_commit::Turns;
use pace::Pace;
use rusqlite::Connection;
use shared::SharedWrite;
use std::{
    collections::VecDeque,
    error::Error,
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::SystemTime,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot, watch};

/// The capacity of the queue; callers wait when it is full.
const QUEUE: usize = 4_096;
/// The capacity of the channel of notices. A follower that falls behind reads own entries too.
const UNHEARD: usize = 64;

/// A job and its permit of the queue. Urgent jobs need none.
type Queued = (Job, Option<OwnedSemaphorePermit>);
/// Jobs that are served before the others.
type Urgent = Arc<Mutex<VecDeque<Job>>>;

enum Job {
    Commit(Commit),
    CommitWith(CommitWith),
    /// A write that shares its transaction with others of its kind.
    Write(Box<dyn SharedWrite>),
    /// Other work on the writer's connection. It sends its own reply.
    Run(Box<dyn FnOnce(&Connection) + Send>),
    /// A signal that there is an urgent job.
    Look,
    /// A signal that the log was written, by this process or another one.
    Written,
}

/// The groups of one call.
struct Asked {
    groups: Vec<Group>,
    now: SystemTime,
}

struct Commit {
    asked: Asked,
    reply: replies::Sender<Result<Vec<Verdict>, StoreError>>,
}

type BoxError = Box<dyn Error + Send + Sync>;

struct CommitWith {
    group: Group,
    statements: Statements<Sqlite>,
    now: SystemTime,
    reply: oneshot::Sender<Result<Result<Verdict, BoxError>, StoreError>>,
}

pub(super) struct Writer {
    file: Arc<StoreFile>,
    opened: Opened,
    turns: Arc<Turns>,
    /// `None` once the writer is closed.
    jobs: Option<mpsc::Sender<Queued>>,
    urgent: Urgent,
    places: Arc<Semaphore>,
    notices: broadcast::Sender<Notice>,
    entry_changes: watch::Sender<()>,
    thread: Option<JoinHandle<()>>,
    /// `None` if the file cannot be watched.
    watch: Option<FileWatch>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        file: Arc<StoreFile>,
        options: &SqliteOptions,
    ) -> Result<Self, OpenError> {
        let (jobs, queue) = mpsc::channel();
        let notices = broadcast::Sender::new(UNHEARD);
        let urgent = Urgent::default();
        let entry_changes = watch::Sender::new(());
        let (sender, bytes) = (entry_changes.clone(), options.max_value_bytes);
        let committer = Committer::new(connection, file.clone(), notices.clone(), sender, bytes)
            .map_err(|e| error::opening(&file, &e))?;
        let turns = Arc::new(Turns::new(committer, options.commit_in_place));
        let in_memory = &**file == Path::new(":memory:");
        let hint = jobs.clone();
        let watch = FileWatch::start(&file.beside("-wal"), move || {
            // The writer has ended.
            let _ = hint.send((Job::Written, None));
        });
        let watch = watch.inspect_err(|error| {
            tracing::debug!(store = %file.display(), %error, "the write-ahead log cannot be watched; polling for changes of other processes");
        });
        let pace = if in_memory { Pace::alone() } else { Pace::of_file(watch.is_ok()) };
        let thread = thread::start(turns.clone(), queue, urgent.clone(), pace, file.busy_timeout)
            .map_err(|e| error::starting(&file, &e))?;
        Ok(Self {
            opened: Opened::of(file.clone()),
            file,
            turns,
            jobs: Some(jobs),
            urgent,
            places: Arc::new(Semaphore::new(QUEUE)),
            notices,
            entry_changes,
            thread: Some(thread),
            watch: watch.ok(),
        })
    }

    /// Cancel safe: dropped before the groups are queued, nothing happens; after that, they are committed all the same.
    pub(super) async fn commit(&self, groups: Vec<Group>, now: SystemTime) -> Result<Vec<Verdict>, StoreError> {
        let mut asked = Asked { groups, now };
        let caller = self.turns.enter();
        if let Some(mut committer) = caller.turn().await {
            match committer.commit_now(asked) {
                Ok(answer) => return answer,
                Err(busy) => asked = busy,
            }
        }
        let gives_back = asked.groups.iter().flat_map(|group| &group.changes).all(|c| matches!(c, Change::Release(_)));
        let (reply, answer) = oneshot::channel();
        let job = Job::Commit(Commit { asked, reply });
        if gives_back {
            self.enqueue_first(job)?;
        } else {
            self.enqueue(job).await?;
        }
        match answer.await {
            Ok(reply) => reply.receive(),
            Err(_) => Err(error::indeterminate(&self.file, &"the writer ended")),
        }
    }

    /// Cancel safe, as [`commit`](Self::commit).
    pub(super) async fn commit_with(
        &self,
        group: Group,
        statements: Statements<Sqlite>,
        now: SystemTime,
    ) -> Result<Result<Verdict, BoxError>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::CommitWith(CommitWith { group, statements, now, reply })).await?;
        answer.await.unwrap_or_else(|_| Err(error::indeterminate(&self.file, &"the writer ended")))
    }

    /// Runs `job`, which only reads, on the writer's connection.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, &StoreFile) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = self.answering(job);
        self.enqueue(job).await?;
        answer.await.unwrap_or_else(|_| Err(error::closed(&self.file)))
    }

    /// Runs `work` in a transaction of its own.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = self.answering(|connection, file| in_transaction(connection, file, work));
        self.enqueue(job).await?;
        self.answered(answer).await
    }

    /// Runs `work`, which is short, in a transaction that it shares with other such work: they wait for the disk together. If it fails, it
    /// changes nothing, and the others do not notice.
    pub(super) async fn write_shared<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (write, answer) = shared::write(work);
        self.enqueue(Job::Write(write)).await?;
        self.answered(answer).await
    }

    /// Like [`write_shared`](Self::write_shared), but before all waiting jobs.
    pub(super) async fn write_shared_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (write, answer) = shared::write(work);
        self.enqueue_first(Job::Write(write))?;
        self.answered(answer).await
    }

    /// Like [`write`](Self::write), but before all waiting jobs.
    pub(super) async fn write_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = self.answering(|connection, file| in_transaction(connection, file, work));
        self.enqueue_first(job)?;
        self.answered(answer).await
    }

    async fn answered<T>(&self, answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
        answer.await.unwrap_or_else(|_| Err(error::indeterminate(&self.file, &"the writer ended")))
    }

    fn answering<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, &StoreFile) -> Result<T, StoreError> + Send + 'static,
    ) -> (Job, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let (file, opened) = (self.file.clone(), self.opened.clone());
        let job = move |connection: &Connection| {
            let answer = opened.check().and_then(|()| job(connection, &file)).map_err(|e| error::with_holder(&file, e));
            // The receiver may be gone.
            let _ = reply.send(answer);
        };
        (Job::Run(Box::new(job)), answer)
    }

    async fn enqueue(&self, job: Job) -> Result<(), StoreError> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| error::closed(&self.file))?;
        self.send((job, Some(place)))
    }

    fn enqueue_first(&self, job: Job) -> Result<(), StoreError> {
        self.urgent.lock().push_back(job);
        // Wakes the writer if it is idle.
        self.send((Job::Look, None))
    }

    fn send(&self, queued: Queued) -> Result<(), StoreError> {
        let closed = || error::closed(&self.file);
        self.jobs.as_ref().ok_or_else(closed)?.send(queued).map_err(|_| closed())
    }

    pub(super) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Entries under leases were changed through this object of the store.
    pub(super) fn entries_changed(&self) {
        self.entry_changes.send_replace(());
    }

    pub(super) fn entry_changes(&self) -> watch::Receiver<()> {
        self.entry_changes.subscribe()
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that the file is closed when the last handle is dropped.
    fn drop(&mut self) {
        self.jobs = None;
        // It holds a sender of jobs.
        self.watch = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(store = %self.file.display(), "the writer thread panicked");
        }
    }
}
