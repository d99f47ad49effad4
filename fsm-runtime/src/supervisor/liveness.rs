//! Owns the signs of life of one run: its beats, its progress, and the verdict on them, which is pure.

use super::error::Failure;
use crate::sync::Mutex;
use std::{sync::MutexGuard, time::Duration};

/// How long a child may be silent, and stand still.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) stall: Option<Duration>,
}

/// Timers are late by less than this on an executor that answers.
const HELD_UP: Duration = Duration::from_millis(20);

/// What one run has shown of itself. All times are of the supervisor's clock.
#[derive(Debug)]
pub(crate) struct Pulse(Mutex<Signs>);

#[derive(Clone, Copy, Debug)]
struct Signs {
    beat: Duration,
    progress: Option<u64>,
    progressed: Duration,
    /// How many of its calls wait for a consumer: who waits for somebody else is not silent.
    waiting: u32,
}

impl Pulse {
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

    /// The wait is over, and from now on silence counts again.
    pub(crate) fn resume(&self, now: Duration) {
        let mut signs = self.signs();
        signs.waiting = signs.waiting.saturating_sub(1);
        signs.beat = now;
        signs.progressed = now;
    }

    pub(crate) fn last_beat(&self) -> Duration {
        self.signs().beat
    }

    /// The verdict at `now` of a check that was due at `due`.
    pub(crate) fn judge(&self, watch: Watch, due: Duration, now: Duration) -> Verdict {
        judge(watch, *self.signs(), due, now)
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.0.lock()
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// All is well, or nothing is watched; when to look again.
    Alive(Option<Duration>),
    Failed(Failure),
}

fn judge(watch: Watch, mut signs: Signs, due: Duration, now: Duration) -> Verdict {
    if signs.waiting > 0 {
        (signs.beat, signs.progressed) = (now, now);
    }
    let late = now.saturating_sub(due);
    let mut next: Option<Duration> = None;
    for (limit, since, failure) in
        [(watch.heartbeat, signs.beat, missed as fn(Duration) -> Failure), (watch.stall, signs.progressed, stalled)]
    {
        let Some(limit) = limit else { continue };
        let quiet = now.saturating_sub(since);
        let again = if quiet < limit {
            since.saturating_add(limit)
        } else if late > HELD_UP.max(limit / 8) {
            // The executor was held up, the child with it: it gets back what was taken from it, once for each hold-up.
            now.saturating_add(late.min(limit))
        } else {
            return Verdict::Failed(failure(quiet));
        };
        next = Some(next.map_or(again, |next| next.min(again)));
    }
    Verdict::Alive(next)
}

fn missed(silent: Duration) -> Failure {
    Failure::MissedHeartbeat { silent }
}

fn stalled(still: Duration) -> Failure {
    Failure::Stalled { still }
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
    fn h6_who_was_held_up_with_the_executor_gets_the_time_back() {
        let pulse = Pulse::new(ms(0));
        assert!(
            matches!(pulse.judge(WATCH, ms(800), ms(900)), Verdict::Failed(Failure::MissedHeartbeat { silent }) if silent == ms(900))
        );
        assert!(matches!(pulse.judge(WATCH, ms(800), ms(901)), Verdict::Alive(Some(at)) if at == ms(1_002)));
        assert!(matches!(pulse.judge(WATCH, ms(1_002), ms(1_002)), Verdict::Failed(_)), "once only");
    }

    #[test]
    fn h1_a_heartbeat_as_short_as_a_timer_is_inexact_is_missed_all_the_same() {
        let watch = Watch { heartbeat: Some(ms(2)), stall: None };
        let pulse = Pulse::new(ms(0));
        assert!(matches!(pulse.judge(watch, ms(2), ms(22)), Verdict::Failed(_)));
        assert!(matches!(pulse.judge(watch, ms(2), ms(23)), Verdict::Alive(Some(_))), "that was no inexact timer");
    }

    #[test]
    fn h1_who_waits_for_its_consumer_is_not_silent() {
        let pulse = Pulse::new(ms(0));
        pulse.wait();
        assert!(matches!(pulse.judge(WATCH, ms(9_000), ms(9_000)), Verdict::Alive(Some(at)) if at == ms(9_800)));
        pulse.resume(ms(9_100));
        assert!(matches!(pulse.judge(WATCH, ms(9_899), ms(9_899)), Verdict::Alive(Some(at)) if at == ms(9_900)));
        assert!(matches!(pulse.judge(WATCH, ms(9_900), ms(9_900)), Verdict::Failed(Failure::MissedHeartbeat { .. })));
    }

    proptest! {
        /// Checked on time, a child fails exactly when a gap between its beats reaches the limit, never before.
        #[test]
        fn h6_no_timeout_fires_early_and_none_is_missed(gaps in prop::collection::vec(1_u64..1_200, 1..50)) {
            let watch = Watch { heartbeat: Some(ms(800)), stall: None };
            let pulse = Pulse::new(ms(0));
            let (mut now, mut due) = (0, 800);
            for gap in gaps {
                let beat = now + gap;
                while due < beat {
                    match pulse.judge(watch, ms(due), ms(due)) {
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
                pulse.beat(ms(beat));
                now = beat;
            }
        }
    }
}
