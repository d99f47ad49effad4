//! Locks and leaders.

use super::{
    Coordination, CoordinationError,
    entry::{Entry, NewEntry, Waited},
    error::{check_name, check_ttl},
};
use crate::{
    error_kind::ErrorKind,
    store::{Ephemeral, Position},
};
use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::OwnedMutexGuard;

const KIND: &str = "lock";
/// The longest pause before a retry after an error of the store.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Locks over all processes of a store. Returned by [`Runtime::locks`](crate::Runtime::locks).
///
/// A lock has one holder at a time. Waiting callers of one process acquire it in the order of their requests, and processes acquire it in
/// the order in which they joined the queue. If a process ends without a release, its lock is free when the lease expires, at most `ttl`
/// later.
///
/// **A lock alone does not protect data.** If a holder stalls or its process is suspended, it can continue after its lease has expired and
/// another holder has the lock. Use [`LockGuard::fence`] if this matters: make the protected system reject a fence that is smaller than
/// the greatest one it has seen. In SQL:
///
/// ```sql
/// UPDATE report SET body = :body, fence = :fence WHERE id = :id AND fence <= :fence  -- no row: another holder was later
/// ```
///
#[cfg_attr(feature = "sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use fsm_runtime::prelude::*;
/// use std::time::Duration;
///
/// let runtime = Runtime::builder(Sqlite::in_memory()?).start().await?;
/// let ttl = Duration::from_secs(15);
/// let lock = runtime.locks().acquire("nightly", ttl).await?;
/// assert!(runtime.locks().try_acquire("nightly", ttl).await.is_err());
/// // … the work, under `lock.fence()` …
/// lock.release().await?;
/// assert!(runtime.locks().try_acquire("nightly", ttl).await.is_ok());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Locks(pub(crate) Arc<Coordination>);

/// A lock that is held. Dropping the guard releases the lock without waiting; [`release`](Self::release) waits for the release.
#[must_use = "the lock is released when this is dropped"]
pub struct LockGuard {
    name: String,
    entry: Entry,
    _queue: OwnedMutexGuard<()>,
}

/// The term of a leader, from acquiring the lock until losing or releasing it. Passed to the function of [`Locks::lead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    fence: u64,
}

impl Leader {
    /// Returns the fence, which is greater than the fences of all earlier leaders.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }
}

/// The holder of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockHolder {
    /// A description of the process, for people.
    pub holder: String,
    /// The fence of the holder.
    pub fence: u64,
    /// When the holder requested the lock.
    pub since: SystemTime,
    /// When the lease expires, unless it is renewed.
    pub until: SystemTime,
}

/// Why a lock was not acquired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another caller holds the lock, or waits for it.
    #[error("lock `{name}` is held{}", by.as_ref().map(|by| format!(" by {}", by.holder)).unwrap_or_default())]
    Held {
        /// The name of the lock.
        name: String,
        /// The holder; `None` if it is another caller of this process.
        by: Option<LockHolder>,
    },
    /// The timeout elapsed.
    #[error("lock `{name}` was not free within {waited:?}")]
    Timeout {
        /// The name of the lock.
        name: String,
        /// The timeout.
        waited: Duration,
    },
    /// The request was not made, or failed in the store.
    #[error(transparent)]
    Failed(#[from] CoordinationError),
}

impl LockError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Held { .. } => ErrorKind::Conflict,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Failed(error) => error.kind(),
        }
    }

    /// Whether the same request can succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Held { .. } | Self::Timeout { .. } => true,
            Self::Failed(error) => error.is_retryable(),
        }
    }
}

impl Locks {
    /// Waits until the lock is free, and acquires it. The lease has the length `ttl`, and is renewed every third of `ttl`.
    ///
    /// # Errors
    /// [`LockError::Failed`], with [`CoordinationError::ShuttingDown`] if the runtime shuts down in the meantime.
    ///
    /// # Cancel safety
    /// If the future is dropped, the place in the queue is given up.
    pub async fn acquire(&self, name: impl Into<String>, ttl: Duration) -> Result<LockGuard, LockError> {
        let name = name.into();
        check(&name, ttl)?;
        let queue = self.0.queue(KIND, &name);
        let queue = tokio::select! {
            queue = queue.lock_owned() => queue,
            () = self.0.engine.closing.cancelled() => return Err(CoordinationError::ShuttingDown.into()),
        };
        loop {
            let entry = self.enter(&name, ttl).await?;
            match entry.wait(|_| Ok::<_, LockError>(())).await? {
                Waited::First => return Ok(LockGuard { name, entry, _queue: queue }),
                // The lease expired: try again from the end of the queue.
                Waited::Gone => {}
                Waited::ShuttingDown => return Err(CoordinationError::ShuttingDown.into()),
            }
        }
    }

    /// Like [`acquire`](Self::acquire), but waits at most for `timeout`.
    ///
    /// # Errors
    /// [`LockError::Timeout`]; [`LockError::Failed`].
    ///
    /// # Cancel safety
    /// The same as for [`acquire`](Self::acquire).
    pub async fn acquire_within(
        &self,
        name: impl Into<String>,
        ttl: Duration,
        timeout: Duration,
    ) -> Result<LockGuard, LockError> {
        let name = name.into();
        let acquired = self.0.engine.clock.timeout(timeout, self.acquire(name.clone(), ttl)).await;
        acquired.unwrap_or(Err(LockError::Timeout { name, waited: timeout }))
    }

    /// Acquires the lock if it is free and no other caller is waiting for it.
    ///
    /// # Errors
    /// [`LockError::Held`]; [`LockError::Failed`].
    ///
    /// # Cancel safety
    /// The same as for [`acquire`](Self::acquire).
    pub async fn try_acquire(&self, name: impl Into<String>, ttl: Duration) -> Result<LockGuard, LockError> {
        let name = name.into();
        check(&name, ttl)?;
        let Ok(queue) = self.0.queue(KIND, &name).try_lock_owned() else {
            return Err(LockError::Held { name, by: None });
        };
        if let Some(by) = self.holder(&name).await? {
            return Err(LockError::Held { name, by: Some(by) });
        }
        let entry = self.enter(&name, ttl).await?;
        match entry.position().await? {
            Position::First => Ok(LockGuard { name, entry, _queue: queue }),
            // Another process has added its entry first.
            Position::Behind(_) | Position::Gone => {
                entry.remove().await?;
                let by = self.holder(&name).await?;
                Err(LockError::Held { name, by })
            }
        }
    }

    /// Runs `lead` while this process holds the lock `name`, for work that one process does at a time, such as a scheduler or a poller.
    ///
    /// Waits until this process is the leader, then runs the future of `lead` and returns its output. If the lock is lost, the future is
    /// dropped before the lease expires, and this method waits to lead again. If the process is suspended until the lease has expired, the
    /// future is dropped before it is polled again.
    ///
    /// ```no_run
    /// # use fsm_runtime::{Runtime, coordination::LockError};
    /// # use std::time::Duration;
    /// # async fn example(runtime: Runtime) -> Result<(), LockError> {
    /// let ticks = |_leader| async {
    ///     loop {
    ///         // … what is due …
    ///         tokio::time::sleep(Duration::from_secs(60)).await;
    ///     }
    /// };
    /// runtime.locks().lead("cron", Duration::from_secs(15), ticks).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`LockError::Failed`] if the request is not valid, or the runtime shuts down. Retryable errors of the store are retried.
    ///
    /// # Cancel safety
    /// If the future is dropped, the future of `lead` is dropped, too, and the lock is released.
    pub async fn lead<F: Future>(
        &self,
        name: impl Into<String>,
        ttl: Duration,
        mut lead: impl FnMut(Leader) -> F,
    ) -> Result<F::Output, LockError> {
        let name = name.into();
        let engine = &self.0.engine;
        loop {
            let lock = match self.acquire(name.clone(), ttl).await {
                Ok(lock) => lock,
                Err(error) if error.is_retryable() => {
                    tracing::warn!(lock = name, %error, "the leader's lock could not be acquired; retrying");
                    tokio::select! {
                        () = engine.closing.cancelled() => {}
                        () = engine.clock.sleep((ttl / 3).min(LONGEST_PAUSE)) => {}
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            tracing::info!(lock = name, fence = lock.fence(), "leading");
            tokio::select! {
                biased;
                () = lock.lost() => tracing::warn!(lock = name, "the leader has lost its lock"),
                () = engine.closing.cancelled() => {
                    // Released before the return, so that another process leads at once even if this one ends now.
                    lock.entry.leave().await;
                    return Err(CoordinationError::ShuttingDown.into());
                }
                output = lead(Leader { fence: lock.fence() }) => {
                    lock.entry.leave().await;
                    return Ok(output);
                }
            }
        }
    }

    /// Returns the holder of a lock; `None` if the lock is free.
    ///
    /// # Errors
    /// [`CoordinationError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn holder(&self, name: &str) -> Result<Option<LockHolder>, CoordinationError> {
        check_name("name", name)?;
        let engine = &self.0.engine;
        let first = self.0.entries()?.entries(KIND, Some(name.to_owned()), None, 1, engine.now());
        Ok(engine.asked("entries", first).await?.pop().map(LockHolder::of))
    }

    async fn enter(&self, name: &str, ttl: Duration) -> Result<Entry, CoordinationError> {
        Entry::enter(&self.0, NewEntry { kind: KIND, name: name.to_owned(), value: None, ttl }).await
    }
}

fn check(name: &str, ttl: Duration) -> Result<(), CoordinationError> {
    check_name("name", name).and_then(|()| check_ttl("ttl", ttl))
}

impl LockHolder {
    fn of(entry: Ephemeral) -> Self {
        let Ephemeral { holder, sequence, since, until, .. } = entry;
        Self { holder, fence: sequence, since, until }
    }
}

impl LockGuard {
    /// Returns the name of the lock.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the fence, which is greater than the fences of all earlier holders. Fences of locks and of claims come from one sequence.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.entry.sequence
    }

    /// Returns whether the lock is lost because its lease was not renewed in time. Checks the monotonic clock, so the answer is right even
    /// if the process was suspended.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.entry.lease.is_lost()
    }

    /// Completes when the lock is lost, which is before its lease expires by the monotonic clock of this process.
    ///
    /// Each poll checks the clock. In a `select!` with `biased;` in which this future comes before the work, the work is not polled again
    /// after the lock is lost, even if the process was suspended.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.entry.lease.lost()
    }

    /// Releases the lock, and waits until it is released.
    ///
    /// # Errors
    /// [`CoordinationError::Store`]. The lock is then free when its lease expires.
    ///
    /// # Cancel safety
    /// If the future is dropped, the lock may not be released. It is then free when its lease expires.
    pub async fn release(self) -> Result<(), CoordinationError> {
        self.entry.remove().await
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").field("name", &self.name).field("fence", &self.fence()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locks")
    }
}
