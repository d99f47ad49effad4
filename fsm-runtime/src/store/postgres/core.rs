//! What the handles of a store share: the connections, and the thread that drives them.

use super::{
    OpenError, PostgresOptions,
    connect::{Role, Target},
    failure::Failure,
    session::Session,
    statement::{Statement, Texts},
};
use crate::store::StoreError;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tokio_postgres::Row;

/// How long a call whose time is over tries to connect.
const LEAST_TRY: Duration = Duration::from_secs(5);
/// How often a long read is tried at least.
const LONG_READS: u32 = 3;
/// Connections that read.
const READERS: usize = 2;

/// The connections of a store.
pub(super) struct Core {
    pub(super) target: Arc<Target>,
    pub(super) texts: Arc<Texts>,
    pub(super) options: PostgresOptions,
    readers: [Session; READERS],
    next: AtomicUsize,
    /// Leases have a connection of their own, so that a renewal waits for nothing else.
    pub(super) lease: Session,
    pub(super) settled: super::history::Settled,
    /// Whether the last number of the history that was given out before this process began is known.
    pub(super) given: tokio::sync::OnceCell<()>,
    pub(super) notices: super::notices::Notices,
}

impl Core {
    pub(super) fn new(target: Arc<Target>, texts: Arc<Texts>, options: PostgresOptions) -> Self {
        let session = |role| Session::new(&target, &texts, role);
        let (readers, lease) = (std::array::from_fn(|_| session(Role::Reader)), session(Role::Lease));
        Self {
            readers,
            lease,
            next: AtomicUsize::new(0),
            settled: super::history::Settled::default(),
            given: tokio::sync::OnceCell::new(),
            notices: super::notices::Notices::new(),
            target,
            texts,
            options,
        }
    }

    /// The caller's time, where the store uses it; `None` for the server's.
    pub(super) fn callers(&self, now: SystemTime) -> Option<SystemTime> {
        (self.options.time == super::Time::Callers).then(|| super::columns::time(now))
    }

    /// How long a call that began at `began` may wait for a connection.
    pub(super) fn time_left(&self, began: Instant) -> Duration {
        self.options.timeout.saturating_sub(began.elapsed()).max(LEAST_TRY)
    }

    pub(super) fn error(&self, failure: Failure, waited: Duration) -> StoreError {
        failure.into_error(&self.target.name, waited)
    }

    /// The rows of a query, or of a statement that may be repeated. It is tried again while the server cannot be reached.
    pub(super) async fn read(&self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % READERS;
        self.run_on(&self.readers[next], &statement, true).await
    }

    /// The rows of a query that reads whole tables, on a connection of its own, without a limit of time.
    pub(super) async fn read_all(&self, statement: &Statement<'_>) -> Result<Vec<Row>, StoreError> {
        let session = Session::new(&self.target, &self.texts, Role::Reader);
        let (began, mut attempts) = (Instant::now(), 0_u32);
        loop {
            attempts += 1;
            let read = async { session.connected().await?.query_without_limit(statement).await };
            let failure = match read.await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            // A long read whose connection broke is tried again, too.
            if !failure.can_pass() || attempts >= LONG_READS && began.elapsed() >= self.options.timeout {
                return Err(self.error(failure, began.elapsed()));
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..50))).await;
        }
    }

    /// The rows of a statement that must not be repeated where its answer is lost.
    pub(super) async fn once(&self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        self.run_on(&self.readers[0], &statement, false).await
    }

    pub(super) async fn run_on(
        &self,
        session: &Session,
        statement: &Statement<'_>,
        repeatable: bool,
    ) -> Result<Vec<Row>, StoreError> {
        self.run_within(Duration::MAX, session, statement, repeatable).await
    }

    /// Runs a statement. A connection that does not answer within `limit` is replaced, and the next one has twice the limit,
    /// so that a slow server is reached, too.
    pub(super) async fn run_within(
        &self,
        mut limit: Duration,
        session: &Session,
        statement: &Statement<'_>,
        repeatable: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let began = Instant::now();
        loop {
            let failure = match session.connected_within(limit.min(self.time_left(began))).await {
                Ok(connected) => {
                    let answer = tokio::time::timeout(limit, connected.query_alone(statement)).await;
                    let failure = match answer.unwrap_or_else(|_| Err(Failure::no_answer(limit))) {
                        Ok(rows) => return Ok(rows),
                        Err(failure) => failure,
                    };
                    if failure.breaks_connection() {
                        session.give_up(&connected).await;
                        if !repeatable {
                            let (store, cause) = (self.target.name.clone(), failure.text);
                            return Err(StoreError::Indeterminate { store, cause });
                        }
                    }
                    failure
                }
                Err(failure) => failure,
            };
            if !failure.can_pass() || began.elapsed() >= self.options.timeout {
                return Err(self.error(failure, began.elapsed()));
            }
            limit = limit.saturating_mul(2);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..50))).await;
        }
    }
}

/// The thread that drives the connections, with a runtime of its own: renewals and commits go on while the caller's executor is
/// blocked. It ends when this is dropped.
pub(super) struct Driver {
    runtime: tokio::runtime::Handle,
    /// The thread ends when it is dropped.
    _open: tokio::sync::oneshot::Sender<()>,
}

impl Driver {
    pub(super) fn start() -> Result<Self, OpenError> {
        let failed = |error: std::io::Error| OpenError::Unusable {
            store: "the store".to_owned(),
            cause: format!("its thread could not be started: {error}"),
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (open, closed) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("fsm-postgres".into()).spawn(move || {
            // An error: the sender was dropped.
            let _ = runtime.block_on(closed);
        });
        thread.map_err(failed)?;
        Ok(Self { runtime: handle, _open: open })
    }

    /// Runs `work` on the thread to its end; `None` if it panicked, or the store was closed.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.runtime.spawn(work).await.ok()
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }
}
