//! Owns what passes between a worker and its controller while it runs: the order to end, beats, and who has the last word on
//! the attempt.

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

/// A worker's line to its controller, apart from its task: for code that runs elsewhere, in `spawn_blocking` or a thread of its
/// own. From [`RawTask::signals`](crate::RawTask::signals); clones are the same line.
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

/// How an attempt failed while its worker was still at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    Heartbeat { silent: Duration },
    Deadline { at_work: Duration },
}

impl Overdue {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Heartbeat { .. } => "missed_heartbeat",
            Self::Deadline { .. } => "deadline",
        }
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heartbeat { silent } => write!(f, "missed heartbeat: no beat for {silent:.1?}"),
            Self::Deadline { at_work } => write!(f, "deadline exceeded: at work for {at_work:.1?}"),
        }
    }
}

/// Who has the last word on an attempt: the worker that returned, or the controller that gave it up. Whoever is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The user's code runs.
    Working,
    /// It has returned; what it said is being stored.
    Returned,
    /// It was aborted: whatever it still says counts no more.
    Abandoned,
    /// It was, and still runs, because it blocks its thread.
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

    /// Shows that the worker is alive; see [`Policy::heartbeat`](crate::Policy::heartbeat). In memory, and cheap enough for every
    /// turn of a loop.
    pub fn heartbeat(&self) {
        self.0.pulse.beat(self.0.clock.elapsed());
    }

    /// Ends when the result is not wanted any more; see [`RawTask::cancelled`](crate::RawTask::cancelled). Cancel safe.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.cancelled.clone().cancelled_owned()
    }

    /// Whether [`cancelled`](Self::cancelled) has ended. Code that blocks asks this now and then, and returns.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    /// Ends when the process wants to stop; see [`RawTask::draining`](crate::RawTask::draining). Cancel safe.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.draining.clone().cancelled_owned()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Tells the worker to end.
    pub(crate) fn cancel(&self) {
        self.0.cancelled.cancel();
    }

    /// Tells the worker to end, because its attempt has failed.
    pub(crate) fn fail(&self, overdue: Overdue) {
        // It fails once: the first reason stands.
        let _ = self.0.overdue.set(overdue);
        self.cancel();
    }

    /// How the attempt failed, if it did.
    pub(crate) fn overdue(&self) -> Option<Overdue> {
        self.0.overdue.get().copied()
    }

    /// When the worker began.
    pub(crate) fn began(&self) -> Duration {
        self.0.began
    }

    /// How long ago the worker began.
    pub(crate) fn at_work(&self) -> Duration {
        self.0.clock.elapsed().saturating_sub(self.0.began)
    }

    /// When it beat last, or began.
    pub(crate) fn last_beat(&self) -> Duration {
        self.0.pulse.last_beat()
    }

    /// The verdict at `now` of a check that was due at `due`: when to check next, if ever, or how the attempt failed.
    pub(crate) fn judge(&self, limits: &Limits, due: Duration, now: Duration) -> Result<Option<Duration>, Overdue> {
        let at_work = now.saturating_sub(self.0.began);
        if limits.deadline.is_some_and(|deadline| at_work >= deadline) {
            return Err(Overdue::Deadline { at_work });
        }
        let deadline = limits.deadline.map(|deadline| self.0.began.saturating_add(deadline));
        let watch = Watch { heartbeat: limits.heartbeat, stall: None };
        match self.0.pulse.judge(watch, due, now) {
            Verdict::Alive(next) => Ok(next.into_iter().chain(deadline).min()),
            Verdict::Failed(_) => Err(Overdue::Heartbeat { silent: now.saturating_sub(self.last_beat()) }),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        STAGES[usize::from(self.0.stage.load(Ordering::Acquire))]
    }

    /// The worker has returned. Whether that counts: not if it had been given up.
    pub(crate) fn returned(&self) -> bool {
        self.advance(Stage::Working, Stage::Returned)
    }

    /// The worker is given up. Whether it was not too late for that: it may have returned.
    pub(crate) fn abandon(&self) -> bool {
        self.advance(Stage::Working, Stage::Abandoned)
    }

    /// It still runs, though it was given up.
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
        let limits = Limits { heartbeat: Some(secs(10)), deadline: Some(secs(25)), ..Limits::default() };
        assert_eq!(signals.judge(&limits, secs(0), secs(0)), Ok(Some(secs(10))));
        manual.advance(secs(9));
        signals.heartbeat();
        assert_eq!(signals.judge(&limits, secs(10), secs(10)), Ok(Some(secs(19))));
        assert_eq!(signals.judge(&limits, secs(19), secs(19)), Err(Overdue::Heartbeat { silent: secs(10) }));
        manual.advance(secs(9));
        signals.heartbeat();
        assert_eq!(signals.judge(&limits, secs(19), secs(19)), Ok(Some(secs(25))));
        assert_eq!(signals.judge(&limits, secs(25), secs(25)), Err(Overdue::Deadline { at_work: secs(25) }));
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
