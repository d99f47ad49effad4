//! Heartbeats and progress of one run, and the pure check of them.

use super::error::ChildFailure;
use crate::sync::Mutex;
use std::{sync::MutexGuard, time::Duration};

/// The heartbeat and stall timeouts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) stall: Option<Duration>,
}

/// On a responsive executor, timers are late by less than this.
const EXECUTOR_STALL: Duration = Duration::from_millis(20);

/// The heartbeats of one run, in the supervisor's clock.
#[derive(Debug)]
pub(crate) struct Liveness(Mutex<Signs>);

#[derive(Clone, Copy, Debug)]
struct Signs {
    beat: Duration,
    progress: Option<u64>,
    progressed: Duration,
    /// The number of calls that wait for a consumer. While waiting, no heartbeat is missed.
    waiting: u32,
}

impl Liveness {
    pub(crate) fn new(now: Duration) -> Self {
        Self(Mutex::new(Signs { beat: now, progress: None, progressed: now, waiting: 0 }))
    }

    pub(crate) fn beat(&self, now: Duration) {
        self.signs().beat = now;
    }

    pub(crate) fn progress(&self, now: Duration, value: u64) {
        let mut signs = self.signs();
        signs.beat = now;
        if signs.progress != Some(value) {
            signs.progress = Some(value);
            signs.progressed = now;
        }
    }

    pub(crate) fn wait(&self) {
        self.signs().waiting += 1;
    }

    /// Ends a wait; timeouts count from now.
    pub(crate) fn resume(&self, now: Duration) {
        let mut signs = self.signs();
        signs.waiting = signs.waiting.saturating_sub(1);
        signs.beat = now;
        signs.progressed = now;
    }

    pub(crate) fn last_beat(&self) -> Duration {
        self.signs().beat
    }

    /// Checks the timeouts at `now`, for a check that was due at `due`.
    pub(crate) fn judge(&self, watch: Watch, due: Duration, now: Duration) -> Verdict {
        judge(watch, *self.signs(), due, now)
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.0.lock()
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// No timeout is exceeded; the time of the next check, if there is one.
    Alive(Option<Duration>),
    Failed(ChildFailure),
}

fn judge(watch: Watch, mut signs: Signs, due: Duration, now: Duration) -> Verdict {
    if signs.waiting > 0 {
        (signs.beat, signs.progressed) = (now, now);
    }
    let late = now.saturating_sub(due);
    let mut next: Option<Duration> = None;
    for (limit, since, failure) in [
        (watch.heartbeat, signs.beat, missed as fn(Duration) -> ChildFailure),
        (watch.stall, signs.progressed, stalled),
    ] {
        let Some(limit) = limit else { continue };
        let quiet = now.saturating_sub(since);
        let again = if quiet < limit {
            since.saturating_add(limit)
        } else if late > EXECUTOR_STALL.max(limit / 8) {
            // The executor was stalled, and the child with it: extend the timeout by the delay, once for each stall.
            now.saturating_add(late.min(limit))
        } else {
            return Verdict::Failed(failure(quiet));
        };
        next = Some(next.map_or(again, |next| next.min(again)));
    }
    Verdict::Alive(next)
}

fn missed(silent: Duration) -> ChildFailure {
    ChildFailure::MissedHeartbeat { silent }
}

fn stalled(still: Duration) -> ChildFailure {
    ChildFailure::Stalled { still }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const WATCH: Watch = Watch { heartbeat: Some(ms(800)), stall: Some(ms(3_000)) };

    #[test]
    fn h6_executor_stall_extends_the_timeout() {
        let liveness = Liveness::new(ms(0));
        assert!(
            matches!(liveness.judge(WATCH, ms(800), ms(900)), Verdict::Failed(ChildFailure::MissedHeartbeat { silent }) if silent == ms(900))
        );
        assert!(matches!(liveness.judge(WATCH, ms(800), ms(901)), Verdict::Alive(Some(at)) if at == ms(1_002)));
        assert!(matches!(liveness.judge(WATCH, ms(1_002), ms(1_002)), Verdict::Failed(_)), "once only");
    }

    #[test]
    fn h1_heartbeat_shorter_than_timer_precision_is_missed() {
        let watch = Watch { heartbeat: Some(ms(2)), stall: None };
        let liveness = Liveness::new(ms(0));
        assert!(matches!(liveness.judge(watch, ms(2), ms(22)), Verdict::Failed(_)));
        assert!(matches!(liveness.judge(watch, ms(2), ms(23)), Verdict::Alive(Some(_))), "that was no inexact timer");
    }

    #[test]
    fn h1_waiting_for_the_consumer_is_not_a_missed_beat() {
        let liveness = Liveness::new(ms(0));
        liveness.wait();
        assert!(matches!(liveness.judge(WATCH, ms(9_000), ms(9_000)), Verdict::Alive(Some(at)) if at == ms(9_800)));
        liveness.resume(ms(9_100));
        assert!(matches!(liveness.judge(WATCH, ms(9_899), ms(9_899)), Verdict::Alive(Some(at)) if at == ms(9_900)));
        assert!(matches!(
            liveness.judge(WATCH, ms(9_900), ms(9_900)),
            Verdict::Failed(ChildFailure::MissedHeartbeat { .. })
        ));
    }

    proptest! {
        /// Checked on time, a child fails exactly when a gap between its beats reaches the limit, never before.
        #[test]
        fn h6_timeouts_fire_exactly_when_due(gaps in prop::collection::vec(1_u64..1_200, 1..50)) {
            let watch = Watch { heartbeat: Some(ms(800)), stall: None };
            let liveness = Liveness::new(ms(0));
            let (mut now, mut due) = (0, 800);
            for gap in gaps {
                let beat = now + gap;
                while due < beat {
                    match liveness.judge(watch, ms(due), ms(due)) {
                        Verdict::Alive(Some(next)) => {
                            prop_assert!(next > ms(due), "it comes to an end");
                            due = u64::try_from(next.as_millis())?;
                        }
                        Verdict::Alive(None) => prop_assert!(false, "it is watched"),
                        Verdict::Failed(_) => {
                            prop_assert!(gap > 800);
                            prop_assert_eq!(due, now + 800, "at once");
                            return Ok(());
                        }
                    }
                }
                prop_assert!(gap <= 800);
                liveness.beat(ms(beat));
                now = beat;
            }
        }
    }
}
