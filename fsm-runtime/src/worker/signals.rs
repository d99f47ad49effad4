//! The signals between a running worker and its controller: cancellation, draining, heartbeats, and how far the attempt is.

use super::Limits;
use crate::{
    clock::Clock,
    supervisor::liveness::{Liveness, Verdict, Watch},
};
use std::{
    fmt,
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The signals of a running worker, for code that runs outside its task, such as in `spawn_blocking`.
///
/// Returned by [`RawTask::signals`](crate::RawTask::signals). Clones share the same signals.
#[derive(Clone)]
pub struct Signals(Arc<Inner>);

struct Inner {
    clock: Clock,
    began: Duration,
    cancelled: CancellationToken,
    draining: CancellationToken,
    pulse: Liveness,
    overdue: OnceLock<Overdue>,
    stage: AtomicU8,
}

/// Why an attempt failed while its worker was still running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    Heartbeat { silent: Duration },
    Timeout { took: Duration },
}

impl Overdue {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Heartbeat { .. } => "missed_heartbeat",
            Self::Timeout { .. } => "timeout",
        }
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heartbeat { silent } => write!(f, "missed heartbeat: no beat for {silent:.1?}"),
            Self::Timeout { took } => write!(f, "attempt timed out after {took:.1?}"),
        }
    }
}

/// How far an attempt is. Either the worker returns or the controller aborts it; the first of the two decides the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The worker runs.
    Working,
    /// The worker has returned, and its result is being stored.
    Returned,
    /// The worker was aborted. What it still returns is dropped.
    Abandoned,
    /// The worker was aborted and still runs, because it blocks its thread.
    Leaked,
}

const STAGES: [Stage; 4] = [Stage::Working, Stage::Returned, Stage::Abandoned, Stage::Leaked];

impl Signals {
    pub(crate) fn new(clock: Clock, draining: CancellationToken) -> Self {
        let began = clock.elapsed();
        Self(Arc::new(Inner {
            clock,
            began,
            cancelled: CancellationToken::new(),
            draining,
            pulse: Liveness::new(began),
            overdue: OnceLock::new(),
            stage: AtomicU8::new(Stage::Working as u8),
        }))
    }

    /// Records a heartbeat; see [`Policy::heartbeat`](crate::Policy::heartbeat). In memory only, and cheap enough to be called in a
    /// tight loop.
    pub fn heartbeat(&self) {
        self.0.pulse.beat(self.0.clock.elapsed());
    }

    /// Completes when the worker is cancelled; see [`RawTask::cancelled`](crate::RawTask::cancelled).
    ///
    /// # Cancel safety
    /// Has no effects.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.cancelled.clone().cancelled_owned()
    }

    /// Whether the worker is cancelled. Blocking code checks this regularly, and returns once it is `true`.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    /// Completes when the process begins to shut down; see [`RawTask::draining`](crate::RawTask::draining).
    ///
    /// # Cancel safety
    /// Has no effects.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.draining.clone().cancelled_owned()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The token behind [`cancelled`](Self::cancelled).
    pub(crate) fn cancellation(&self) -> &CancellationToken {
        &self.0.cancelled
    }

    pub(crate) fn cancel(&self) {
        self.0.cancelled.cancel();
    }

    /// Cancels the worker because its attempt has failed.
    pub(crate) fn fail(&self, overdue: Overdue) {
        // The first reason stands.
        let _ = self.0.overdue.set(overdue);
        self.cancel();
    }

    /// Why the attempt failed, if it did.
    pub(crate) fn overdue(&self) -> Option<Overdue> {
        self.0.overdue.get().copied()
    }

    /// When the worker began.
    pub(crate) fn began(&self) -> Duration {
        self.0.began
    }

    /// How long the worker has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.clock.elapsed().saturating_sub(self.0.began)
    }

    /// The time of the last heartbeat; the start, before the first one.
    pub(crate) fn last_beat(&self) -> Duration {
        self.0.pulse.last_beat()
    }

    /// The verdict at `now` of a check that was due at `due`: the time of the next check, if any, or why the attempt failed.
    pub(crate) fn judge(&self, limits: &Limits, due: Duration, now: Duration) -> Result<Option<Duration>, Overdue> {
        let took = now.saturating_sub(self.0.began);
        if limits.attempt_timeout.is_some_and(|timeout| took >= timeout) {
            return Err(Overdue::Timeout { took });
        }
        let deadline = limits.attempt_timeout.map(|timeout| self.0.began.saturating_add(timeout));
        let watch = Watch { heartbeat: limits.heartbeat, stall: None };
        match self.0.pulse.judge(watch, due, now) {
            Verdict::Alive(next) => Ok(next.into_iter().chain(deadline).min()),
            Verdict::Failed(_) => Err(Overdue::Heartbeat { silent: now.saturating_sub(self.last_beat()) }),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        STAGES[usize::from(self.0.stage.load(Ordering::Acquire))]
    }

    /// Records that the worker has returned. Returns whether its result counts: not after an abort.
    pub(crate) fn returned(&self) -> bool {
        self.advance(Stage::Working, Stage::Returned)
    }

    /// Records that the worker is aborted. Returns `false` if it has returned before.
    pub(crate) fn abandon(&self) -> bool {
        self.advance(Stage::Working, Stage::Abandoned)
    }

    /// Records that the worker still runs after its abort.
    pub(crate) fn leaked(&self) -> bool {
        self.advance(Stage::Abandoned, Stage::Leaked)
    }

    fn advance(&self, from: Stage, to: Stage) -> bool {
        self.0.stage.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").field("cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::time::SystemTime;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn h1_the_earlier_of_beat_and_timeout_is_checked_next() {
        let manual = ManualClock::new(SystemTime::UNIX_EPOCH);
        let signals = Signals::new(manual.clock(), CancellationToken::new());
        let limits = Limits { heartbeat: Some(secs(10)), attempt_timeout: Some(secs(25)), ..Limits::default() };
        assert_eq!(signals.judge(&limits, secs(0), secs(0)), Ok(Some(secs(10))));
        manual.advance(secs(9));
        signals.heartbeat();
        assert_eq!(signals.judge(&limits, secs(10), secs(10)), Ok(Some(secs(19))));
        assert_eq!(signals.judge(&limits, secs(19), secs(19)), Err(Overdue::Heartbeat { silent: secs(10) }));
        manual.advance(secs(9));
        signals.heartbeat();
        assert_eq!(signals.judge(&limits, secs(19), secs(19)), Ok(Some(secs(25))));
        assert_eq!(signals.judge(&limits, secs(25), secs(25)), Err(Overdue::Timeout { took: secs(25) }));
        assert_eq!(signals.judge(&Limits::default(), secs(0), secs(9_999)), Ok(None));
    }

    #[test]
    fn h3_the_first_of_return_and_abort_decides() {
        let signals = || Signals::new(Clock::system(), CancellationToken::new());
        let returned = signals();
        assert!(returned.returned());
        assert!(!returned.abandon() && !returned.leaked());
        assert_eq!(returned.stage(), Stage::Returned);
        let abandoned = signals();
        assert!(!abandoned.leaked());
        assert!(abandoned.abandon() && !abandoned.returned());
        assert_eq!(abandoned.stage(), Stage::Abandoned);
        assert!(abandoned.leaked() && !abandoned.returned());
        assert_eq!(abandoned.stage(), Stage::Leaked);
    }
}
