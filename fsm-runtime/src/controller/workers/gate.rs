//! The gate of a state: the limits that work has to pass before it starts, in addition to the slots of this process. These are a circuit
//! breaker, the slots over all processes, and a rate.

use super::shared_slots::SharedSlots;
use crate::{
    breaker::{Breaker, Permit},
    clock::Clock,
    engine::held_back::Reason,
    membership::LiveNodes,
    store::Key,
    worker::Rate,
};
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware, state::keyed::HashMapStateStore};
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tokio::sync::watch;

/// The key by which the limits of a state count, which the application computes from the data; `None` for all instances together.
pub(super) type LimitKey = Option<Arc<str>>;

/// If there are more keys than this, unused keys are dropped before a new key is added.
const MANY_KEYS: usize = 1_024;

/// The gate of one state.
#[derive(Default)]
pub(super) struct Gate {
    pub(super) rate: Option<StateRate>,
    pub(super) breaker: Option<Breaker>,
    pub(super) shared: Option<SharedSlots>,
}

/// A rate, and its use by each key.
pub(super) struct StateRate {
    rate: Rate,
    clock: Clock,
    live: watch::Receiver<LiveNodes>,
    machine: &'static str,
    limiter: Limiter,
    /// The burst of `limiter`. At least the cost of one start of this process.
    burst: NonZeroU32,
    /// The number of keys at which unused keys are dropped.
    many: usize,
}

type Limiter = RateLimiter<LimitKey, HashMapStateStore<LimitKey>, Elapsed, NoOpMiddleware<Duration>>;

/// The clock of the runtime for `governor`.
#[derive(Clone, Debug)]
struct Elapsed(Clock);

impl governor::clock::Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Why work cannot start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shut {
    /// The time at which work can try again; `None` if that depends on the end of other work.
    pub(super) until: Option<Duration>,
    pub(super) reason: Reason,
}

impl Gate {
    /// Lets the work of `key` in `lane` start: takes a slot over all processes and uses a start of the rate. Returns the breaker's permit.
    pub(super) fn pass(&mut self, lane: &LimitKey, key: &Key, now: Duration) -> Result<Option<Permit>, Shut> {
        let closed = |breaker: &Breaker, wait: Option<Duration>| {
            let until = wait.map(|wait| now.saturating_add(wait));
            Shut { until, reason: Reason::Breaker { name: breaker.name().into(), until } }
        };
        // Before the rate, the breaker is only checked. If a permit for a probe were acquired here and the rate then refused the start,
        // dropping the permit would notify all work that waits for the probe, in a loop.
        if let Some(breaker) = &self.breaker {
            breaker.check_work().map_err(|wait| closed(breaker, wait))?;
        }
        // Before the rate, because a start of the rate cannot be given back.
        if let Some(shared) = &mut self.shared
            && !shared.take(lane, key, now)
        {
            return Err(Shut { until: None, reason: Reason::SharedSlot { limit: shared.limit() } });
        }
        let rate = self.rate.as_mut().map(|rate| rate.start(lane, now)).transpose();
        let passed = match (rate, &self.breaker) {
            (Err(until), _) => Err(Shut { until: Some(until), reason: Reason::Rate { until } }),
            (Ok(_), None) => Ok(None),
            // If another caller has acquired the probe since the check, a start of the rate is lost.
            (Ok(_), Some(breaker)) => breaker.admit_work().map(Some).map_err(|wait| closed(breaker, wait)),
        };
        if let Some(shared) = self.shared.as_mut().filter(|_| passed.is_err()) {
            shared.give_back(lane, key);
        }
        passed
    }
}

impl StateRate {
    /// The rate of a state of `machine`. A rate over all nodes is divided by the `live` nodes.
    pub(super) fn new(rate: Rate, clock: Clock, live: watch::Receiver<LiveNodes>, machine: &'static str) -> Self {
        let cost = rate.cost(live.borrow().of_machine(machine));
        let burst = NonZeroU32::new(rate.largest_burst().max(cost)).unwrap_or(NonZeroU32::MIN);
        let limiter = limiter(rate, burst, &clock);
        Self { rate, clock, live, machine, limiter, burst, many: MANY_KEYS }
    }

    /// Uses a start of `key`, or returns the time of the next one.
    fn start(&mut self, key: &LimitKey, now: Duration) -> Result<(), Duration> {
        // With n nodes, one start uses n starts of the whole rate, so that all nodes together keep the rate.
        let cost = NonZeroU32::new(self.rate.cost(self.live.borrow().of_machine(self.machine)));
        let cost = cost.unwrap_or(NonZeroU32::MIN);
        if cost > self.burst {
            self.burst = cost;
            self.limiter = limiter(self.rate, cost, &self.clock);
        }
        if self.limiter.len() > self.many {
            self.limiter.retain_recent();
            self.many = (2 * self.limiter.len()).max(MANY_KEYS);
        }
        match self.limiter.check_key_n(key, cost) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.earliest_possible()),
            // Not reached: the burst is at least the cost.
            Err(_) => Err(now.saturating_add(self.rate.interval())),
        }
    }
}

/// The check of a rate alone, for the benchmark `patterns`.
#[allow(missing_debug_implementations, reason = "only the benchmark uses it")]
pub struct RateCheck(StateRate);

impl RateCheck {
    /// Creates the check of a rate without starts.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let live = watch::channel(LiveNodes::default()).1;
        Self(StateRate::new(rate, Clock::system(), live, "benchmark"))
    }

    /// Uses a start of `key`. Returns whether the rate allowed it.
    pub fn start(&mut self, key: &Arc<str>) -> bool {
        let now = self.0.clock.elapsed();
        self.0.start(&Some(key.clone()), now).is_ok()
    }
}

fn limiter(rate: Rate, burst: NonZeroU32, clock: &Clock) -> Limiter {
    // The builder refuses a policy with an interval of zero.
    let interval = rate.interval().max(Duration::from_nanos(1));
    let quota = Quota::with_period(interval).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
    RateLimiter::hashmap_with_clock(quota, Elapsed(clock.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use proptest::prelude::*;
    use std::time::SystemTime;

    fn live(nodes: u32) -> watch::Receiver<LiveNodes> {
        watch::channel(LiveNodes::from_iter([("M".to_owned(), nodes)])).1
    }

    fn key(name: &str) -> Arc<str> {
        name.into()
    }

    #[test]
    fn each_key_has_a_rate_of_its_own() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let rate = Rate::new(1, Duration::from_secs(10)).burst(2);
        let mut rate = StateRate::new(rate, clock.clock(), live(1), "M");
        let now = || clock.clock().elapsed();
        assert_eq!(rate.start(&Some(key("a")), now()), Ok(()));
        assert_eq!(rate.start(&Some(key("a")), now()), Ok(()));
        assert_eq!(rate.start(&Some(key("a")), now()), Err(now() + Duration::from_secs(10)));
        assert_eq!(rate.start(&Some(key("b")), now()), Ok(()));
        clock.advance(Duration::from_secs(10));
        assert_eq!(rate.start(&Some(key("a")), now()), Ok(()));
    }

    #[test]
    fn keys_at_rest_are_dropped() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let mut rate = StateRate::new(Rate::new(1, Duration::from_secs(1)), clock.clock(), live(1), "M");
        for n in 0..5 * MANY_KEYS {
            clock.advance(Duration::from_secs(1));
            rate.start(&Some(key(&n.to_string())), clock.clock().elapsed()).unwrap();
        }
        assert!(rate.limiter.len() <= MANY_KEYS + 1);
    }

    #[test]
    fn c23_a_rate_that_refuses_a_probe_notifies_nobody() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let options = Breaker::options("b").failures_in_a_row(1).open_for(Duration::from_secs(30));
        let breaker = options.clock(clock.clock()).build().unwrap();
        let rate = StateRate::new(Rate::new(1, Duration::from_mins(1)), clock.clock(), live(1), "M");
        let mut gate = Gate { rate: Some(rate), breaker: Some(breaker.clone()), shared: None };
        let job = Key::new("M", "1");
        gate.pass(&None, &job, clock.clock().elapsed()).unwrap().unwrap().failed("503");
        clock.advance(Duration::from_secs(30));
        let changes = breaker.subscribe();
        let now = clock.clock().elapsed();
        let until = now + Duration::from_secs(30);
        assert_eq!(
            gate.pass(&None, &job, now).unwrap_err(),
            Shut { until: Some(until), reason: Reason::Rate { until } }
        );
        assert!(!changes.has_changed().unwrap(), "the work would be tried again at once, without end");
        clock.advance(Duration::from_secs(30));
        assert!(gate.pass(&None, &job, clock.clock().elapsed()).unwrap().is_some(), "the probe");
    }

    proptest! {
        /// In any period, all nodes together start no more than the burst and the rate allow, even if the number of nodes grows. A refused
        /// start is possible at the returned time.
        #[test]
        fn shares_keep_the_rate(nodes in 1_u32..6, burst in 1_u32..10, pauses in prop::collection::vec(0_u64..300, 1..60)) {
            let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
            let rate = Rate::new(10, Duration::from_secs(1)).burst(burst).over_all_nodes();
            let mut shares: Vec<StateRate> =
                (0..nodes).map(|_| StateRate::new(rate, clock.clock(), live(nodes), "M")).collect();
            let (mut starts, mut passed) = (0_u64, 0_u64);
            for pause in pauses {
                clock.advance(Duration::from_millis(pause));
                passed += pause;
                let now = clock.clock().elapsed();
                for share in &mut shares {
                    while share.start(&None, now).is_ok() {
                        starts += 1;
                    }
                    let again = share.start(&None, now).unwrap_err();
                    prop_assert!(again > now);
                }
            }
            // Each node can start at once, even if the burst is smaller than their number.
            prop_assert!(starts <= u64::from(burst.max(nodes)) + passed / 100);
        }
    }
}
