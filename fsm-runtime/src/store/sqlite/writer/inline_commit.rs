//! Owns whose turn it is to commit: the thread's, or, where the store was opened so, that of a lone caller in its own thread.

use super::committer::Committer;
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

/// Of so many commits in place, a caller looks about for others before one. To look each time costs a lone caller some 5 % of
/// its rate, and wakes another thread of the executor; not to look costs those who have come together that many transactions of their own.
const LOOK: usize = 8;

pub(super) struct Turns {
    committer: Mutex<Committer>,
    in_place: bool,
    /// Callers who are within a commit, whoever makes it.
    callers: AtomicUsize,
    /// Commits in place since a caller has last met others.
    alone: AtomicUsize,
    /// The thread has something to do: no caller is to go before it, or one that never pauses would keep it waiting for ever.
    wanted: AtomicBool,
}

/// A caller within a commit, for as long as this lives.
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

    /// The thread's turn, after that of a caller who commits just now. None once one of them has panicked: what the connection
    /// was left with, nobody knows.
    pub(super) fn next(&self) -> Option<MutexGuard<'_, Committer>> {
        self.wanted.store(true, SeqCst);
        let committer = self.committer.lock();
        self.wanted.store(false, SeqCst);
        committer.inspect_err(|_| tracing::error!("a commit in its caller's thread panicked: the writer ends")).ok()
    }

    /// The thread's, unless a caller commits just now.
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
    /// This caller's turn: where callers may commit in place, this one is alone, and the thread has nothing to do. None, for one, while
    /// another process writes too, since to wait for that one would hold up the executor's thread.
    ///
    /// Cancel safe: it has no effect.
    pub(super) async fn turn(&self) -> Option<MutexGuard<'t, Committer>> {
        let Turns { committer, in_place, callers, alone, wanted } = self.0;
        if !in_place {
            return None;
        }
        if alone.load(SeqCst).is_multiple_of(LOOK) {
            // Whoever else is about to commit, in the same task or in another one of this thread, gets to say so: what can share a
            // transaction does.
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
