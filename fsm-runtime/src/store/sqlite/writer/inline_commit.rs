//! Access to the committer: for the writer thread, and for uncontended callers that commit on their own thread.

use super::committer::Committer;
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

/// A caller yields to other tasks before every `LOOK`-th inline commit, so that concurrent callers can join a batch. Yielding each time
/// costs a lone caller 5 % of its rate; not yielding at all costs 64 callers about 10 % of theirs, and doubles their 99th percentile.
const LOOK: usize = 8;

pub(super) struct Turns {
    committer: Mutex<Committer>,
    in_place: bool,
    /// The number of callers within a commit.
    callers: AtomicUsize,
    /// Inline commits since the last contention.
    alone: AtomicUsize,
    /// The thread has a job. Callers do not commit before it: one that never pauses would starve it.
    wanted: AtomicBool,
}

/// A caller within a commit, until this is dropped.
pub(super) struct Caller<'t>(&'t Turns);

impl Turns {
    pub(super) fn new(committer: Committer, in_place: bool) -> Self {
        Self {
            committer: Mutex::new(committer),
            in_place,
            callers: AtomicUsize::new(0),
            alone: AtomicUsize::new(0),
            wanted: AtomicBool::new(false),
        }
    }

    /// For the thread: waits for a caller that commits. `None` after a panic under the lock, since the state of the connection is
    /// unknown then.
    pub(super) fn next(&self) -> Option<MutexGuard<'_, Committer>> {
        self.wanted.store(true, SeqCst);
        let committer = self.committer.lock();
        self.wanted.store(false, SeqCst);
        committer.inspect_err(|_| tracing::error!("a commit on the caller's thread panicked; the writer stops")).ok()
    }

    /// For the thread when it is idle: `None` while a caller commits.
    pub(super) fn idle(&self) -> Option<MutexGuard<'_, Committer>> {
        self.committer.try_lock().ok()
    }

    #[cfg(test)]
    pub(super) fn wanted(&self) -> &AtomicBool {
        &self.wanted
    }

    pub(super) fn enter(&self) -> Caller<'_> {
        self.callers.fetch_add(1, SeqCst);
        Caller(self)
    }
}

impl<'t> Caller<'t> {
    /// `None` if the caller has to queue: callers may not commit in place, others are within a commit, the thread has a job, or another
    /// process writes too, for which a caller must not wait.
    ///
    /// Cancel safe: it has no effect.
    pub(super) async fn turn(&self) -> Option<MutexGuard<'t, Committer>> {
        let Turns { committer, in_place, callers, alone, wanted } = self.0;
        if !in_place {
            return None;
        }
        if alone.load(SeqCst).is_multiple_of(LOOK) {
            tokio::task::yield_now().await;
        }
        if callers.load(SeqCst) > 1 {
            alone.store(0, SeqCst);
            return None;
        }
        if wanted.load(SeqCst) {
            return None;
        }
        let committer = committer.try_lock().ok().filter(|committer| committer.needs_no_thread())?;
        alone.fetch_add(1, SeqCst);
        Some(committer)
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, SeqCst);
    }
}
