//! The slots for workers: limits for each machine and state, and the order in which waiting instances get a slot. Waiting for a rate
//! or a circuit breaker is waiting for a slot, too, so that it costs neither a slot nor an attempt.

use super::gate::{Gate, LimitKey, Shut};
use crate::{
    breaker::Permit,
    engine::held_back::{HeldBack, Reason},
    store::Key,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

/// The slots of all machines.
pub(super) struct SlotTable(HashMap<&'static str, Slots>);

/// The limits of one state.
#[derive(Default)]
pub(super) struct StateLimits {
    /// The most slots.
    pub(super) slots: Option<usize>,
    pub(super) gate: Gate,
}

/// Whether an instance has a slot.
pub(super) enum Taken {
    Slot,
    /// It has a place in the queue; this shows what it waits for.
    Queued(Arc<HeldBack>),
}

impl SlotTable {
    /// The slots of machines, each given by its name, its limit, and the limits of its states.
    pub(super) fn new(
        machines: impl Iterator<Item = (&'static str, usize, HashMap<&'static str, StateLimits>)>,
    ) -> Self {
        Self(machines.map(|(machine, limit, limits)| (machine, Slots::new(limit, limits))).collect())
    }

    /// As [`Slots::take`].
    pub(super) fn take(&mut self, key: &Key, state: &'static str, limit_key: LimitKey, now: Duration) -> Option<Taken> {
        Some(self.0.get_mut(&*key.machine)?.take(key, state, limit_key, now))
    }

    /// As [`Slots::take_permit`].
    pub(super) fn take_permit(&mut self, key: &Key) -> Option<Permit> {
        self.0.get_mut(&*key.machine)?.take_permit(key)
    }

    /// As [`Slots::free`].
    pub(super) fn free(&mut self, key: &Key) {
        if let Some(slots) = self.0.get_mut(&*key.machine) {
            slots.free(key);
        }
    }

    /// As [`Slots::grant_next`].
    pub(super) fn grant_next(&mut self, machine: &str, now: Duration) -> Option<Key> {
        self.0.get_mut(machine)?.grant_next(now)
    }

    /// As [`Slots::is_waiting`].
    pub(super) fn is_waiting(&self, key: &Key) -> bool {
        self.0.get(&*key.machine).is_some_and(|slots| slots.is_waiting(key))
    }

    /// As [`Slots::retain`], for all machines.
    pub(super) fn retain(&mut self, at_work: impl Fn(&Key) -> bool) {
        self.0.values_mut().for_each(|slots| slots.retain(&at_work));
    }

    /// The earliest time at which a shut lane is to be tried again.
    pub(super) fn next_opening(&self) -> Option<Duration> {
        self.0.values().filter_map(Slots::next_opening).min()
    }

    /// As [`Slots::reopen`], for all machines.
    pub(super) fn reopen(&mut self, until: Duration) {
        self.0.values_mut().for_each(|slots| slots.reopen(until));
    }

    pub(super) fn machines(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }
}

/// The slots of one machine: a limit for the machine, and one for each state. Waiting instances get a slot in order. Those whose
/// state is full, or whose lane is shut, are skipped, so that they hold up no others.
struct Slots {
    limit: usize,
    states: HashMap<&'static str, StateSlots>,
    taken: HashMap<Key, TakenSlot>,
    /// The place of each waiting instance.
    queued: HashMap<Key, Place>,
    next_place: u64,
}

struct TakenSlot {
    state: &'static str,
    /// The permit of the state's breaker, until the worker starts.
    permit: Option<Permit>,
}

#[derive(Clone)]
struct Place {
    state: &'static str,
    lane: LimitKey,
    /// The place in the queue of the whole machine.
    number: u64,
}

/// The slots of one state, and its queue in lanes: one for each limit key.
#[derive(Default)]
struct StateSlots {
    limits: StateLimits,
    taken: usize,
    /// The lanes in which instances wait. Each is either in `open`, under its first place, or in `shut`.
    lanes: HashMap<LimitKey, Lane>,
    open: BTreeMap<u64, LimitKey>,
    shut: BTreeSet<(Duration, LimitKey)>,
}

struct Lane {
    waiting: BTreeMap<u64, Key>,
    /// When to try again, if the gate was shut.
    shut: Option<Duration>,
    held_back: Arc<HeldBack>,
}

impl Slots {
    fn new(limit: usize, limits: HashMap<&'static str, StateLimits>) -> Self {
        let states =
            limits.into_iter().map(|(state, limits)| (state, StateSlots { limits, ..StateSlots::default() })).collect();
        Self { limit, states, taken: HashMap::new(), queued: HashMap::new(), next_place: 0 }
    }

    /// Takes a slot for `key` in `state`, or a place in the queue.
    ///
    /// Frees its slot or place for another state; call [`grant_next`](Self::grant_next) afterwards.
    fn take(&mut self, key: &Key, state: &'static str, lane: LimitKey, now: Duration) -> Taken {
        if self.taken.get(key).is_some_and(|taken| taken.state == state) {
            return Taken::Slot;
        }
        if let Some(place) = self.queued.get(key)
            && place.state == state
            && let Some(lane) = self.states.get(state).and_then(|slots| slots.lanes.get(&place.lane))
        {
            return Taken::Queued(lane.held_back.clone());
        }
        self.free(key);
        let room = self.taken.len() < self.limit;
        let slots = self.states.entry(state).or_default();
        let mut shut = None;
        if room && slots.has_room() && slots.open.is_empty() && !slots.lanes.contains_key(&lane) {
            match slots.limits.gate.pass(&lane, now) {
                Ok(permit) => {
                    slots.taken += 1;
                    self.taken.insert(key.clone(), TakenSlot { state, permit });
                    return Taken::Slot;
                }
                Err(why) => shut = Some(why),
            }
        }
        let number = self.next_place;
        self.next_place += 1;
        let held_back = slots.wait(number, key, &lane, shut);
        self.queued.insert(key.clone(), Place { state, lane, number });
        Taken::Queued(held_back)
    }

    /// The permit of the breaker with which `key` got its slot, for its worker.
    fn take_permit(&mut self, key: &Key) -> Option<Permit> {
        self.taken.get_mut(key)?.permit.take()
    }

    /// Frees the slot of `key`, or its place in the queue.
    fn free(&mut self, key: &Key) {
        if let Some(TakenSlot { state, .. }) = self.taken.remove(key) {
            self.states.entry(state).or_default().taken -= 1;
        } else if let Some(Place { state, lane, number }) = self.queued.remove(key) {
            self.states.entry(state).or_default().leave(number, &lane);
        }
    }

    /// Frees the slots of instances that are not `at_work`. Waiting instances keep their places.
    fn retain(&mut self, at_work: impl Fn(&Key) -> bool) {
        let idle: Vec<Key> = self.taken.keys().filter(|key| !at_work(key)).cloned().collect();
        for key in idle {
            self.free(&key);
        }
    }

    /// Gives a free slot to the instance that has waited longest, of those whose state has room and whose gate lets them pass. Returns it.
    fn grant_next(&mut self, now: Duration) -> Option<Key> {
        while self.taken.len() < self.limit {
            let first = |(state, slots): (&&'static str, &StateSlots)| {
                let first = slots.open.first_key_value().filter(|_| slots.has_room());
                first.map(|(number, _)| (*number, *state))
            };
            let (number, state) = self.states.iter().filter_map(first).min()?;
            let slots = self.states.get_mut(state)?;
            let lane = slots.open.get(&number)?.clone();
            match slots.limits.gate.pass(&lane, now) {
                Err(why) => slots.shut(&lane, why),
                Ok(permit) => {
                    let key = slots.leave(number, &lane)?;
                    slots.taken += 1;
                    self.queued.remove(&key);
                    self.taken.insert(key.clone(), TakenSlot { state, permit });
                    return Some(key);
                }
            }
        }
        None
    }

    fn is_waiting(&self, key: &Key) -> bool {
        self.queued.contains_key(key)
    }

    fn next_opening(&self) -> Option<Duration> {
        let first = |slots: &StateSlots| slots.shut.first().map(|(until, _)| *until);
        self.states.values().filter_map(first).min().filter(|until| *until < Duration::MAX)
    }

    /// Makes the lanes that are shut until `until` or earlier be tried again.
    fn reopen(&mut self, until: Duration) {
        self.states.values_mut().for_each(|slots| slots.reopen(until));
    }
}

impl StateSlots {
    fn has_room(&self) -> bool {
        self.limits.slots.is_none_or(|limit| self.taken < limit)
    }

    /// Adds an instance at the end of its lane.
    fn wait(&mut self, number: u64, key: &Key, lane: &LimitKey, shut: Option<Shut>) -> Arc<HeldBack> {
        let entry = self.lanes.entry(lane.clone()).or_insert_with(|| {
            self.open.insert(number, lane.clone());
            Lane { waiting: BTreeMap::new(), shut: None, held_back: Arc::default() }
        });
        entry.waiting.insert(number, key.clone());
        let held_back = entry.held_back.clone();
        if let Some(why) = shut {
            self.shut(lane, why);
        }
        held_back
    }

    /// Removes an instance from its lane. Returns it.
    fn leave(&mut self, number: u64, lane: &LimitKey) -> Option<Key> {
        let entry = self.lanes.get_mut(lane)?;
        let key = entry.waiting.remove(&number)?;
        let next = entry.waiting.first_key_value().map(|(number, _)| *number);
        match (self.open.remove(&number), next, entry.shut) {
            (Some(_), Some(next), _) => drop(self.open.insert(next, lane.clone())),
            (None, None, Some(until)) => drop(self.shut.remove(&(until, lane.clone()))),
            _ => {}
        }
        if next.is_none() {
            self.lanes.remove(lane);
        }
        Some(key)
    }

    /// Records that the gate is shut for an open lane.
    fn shut(&mut self, lane: &LimitKey, why: Shut) {
        let Some(entry) = self.lanes.get_mut(lane) else { return };
        let until = why.until.unwrap_or(Duration::MAX);
        if let Some(first) = entry.waiting.keys().next() {
            self.open.remove(first);
        }
        entry.shut = Some(until);
        entry.held_back.set(why.reason);
        self.shut.insert((until, lane.clone()));
    }

    fn reopen(&mut self, until: Duration) {
        while let Some((at, lane)) = self.shut.pop_first() {
            if at > until {
                self.shut.insert((at, lane));
                return;
            }
            if let Some(entry) = self.lanes.get_mut(&lane) {
                entry.shut = None;
                entry.held_back.set(Reason::Slot);
                if let Some(first) = entry.waiting.keys().next() {
                    self.open.insert(*first, lane);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        breaker::Breaker, clock::ManualClock, controller::workers::gate::StateRate, engine::held_back::WaitsFor,
        membership::LiveNodes, worker::Rate,
    };
    use proptest::prelude::*;
    use std::time::SystemTime;
    use tokio::sync::watch;

    const NOW: Duration = Duration::from_secs(1);

    fn key(n: usize) -> Key {
        Key::new("M", format!("{n:03}"))
    }

    fn slots(limit: usize, limits: &[(&'static str, usize)]) -> Slots {
        let limits =
            limits.iter().map(|(state, limit)| (*state, StateLimits { slots: Some(*limit), ..StateLimits::default() }));
        Slots::new(limit, limits.collect())
    }

    impl Slots {
        /// Whether `key` has a slot in `state`, which has no gate.
        fn has(&mut self, key: &Key, state: &'static str) -> bool {
            matches!(self.take(key, state, None, NOW), Taken::Slot)
        }

        fn grant(&mut self) -> Option<Key> {
            self.grant_next(NOW)
        }
    }

    #[test]
    fn c6_with_one_slot_all_run_in_order() {
        let keys: Vec<Key> = (0..100).map(key).collect();
        let mut slots = slots(1, &[]);
        assert!(slots.has(&keys[0], "A"));
        for (n, key) in keys.iter().enumerate().skip(1) {
            let state = if n % 2 == 0 { "A" } else { "B" };
            assert!(!slots.has(key, state));
            assert!(!slots.has(key, state), "two requests have one place in the queue");
        }
        for (n, pair) in keys.windows(2).enumerate() {
            assert_eq!(slots.grant(), None);
            slots.free(&pair[0]);
            assert_eq!(slots.grant().as_ref(), Some(&pair[1]));
            assert!(slots.has(&pair[1], if n % 2 == 1 { "A" } else { "B" }), "the slot is kept for it");
            assert!(!slots.has(&key(900 + n), "A"), "the queue is kept");
            slots.free(&key(900 + n));
        }
    }

    #[test]
    fn c6_a_full_state_delays_only_itself() {
        let mut slots = slots(3, &[("A", 1)]);
        assert!(slots.has(&key(0), "A"));
        assert!(!slots.has(&key(1), "A"));
        assert!(slots.has(&key(2), "B"), "it overtakes one whose state is full");
        assert!(slots.has(&key(3), "B"));
        assert!(!slots.has(&key(4), "B"), "the machine's limit");
        slots.free(&key(2));
        assert_eq!(slots.grant(), Some(key(4)));
        slots.free(&key(0));
        assert_eq!(slots.grant(), Some(key(1)));
    }

    #[test]
    fn slots_of_one_state_are_unusable_for_another() {
        let mut slots = slots(9, &[("A", 1), ("B", 1)]);
        assert!(slots.has(&key(0), "A"));
        assert!(!slots.has(&key(1), "A"));
        assert!(slots.has(&key(0), "B"), "it has moved on");
        assert_eq!(slots.grant(), Some(key(1)), "and its former slot is free");
    }

    /// Slots of a state with one start in 10 s for each limit key.
    fn limited(clock: &ManualClock) -> Slots {
        let rate = StateRate::new(
            Rate::new(1, Duration::from_secs(10)),
            clock.clock(),
            watch::channel(LiveNodes::default()).1,
            "M",
        );
        let gate = Gate { rate: Some(rate), breaker: None };
        Slots::new(9, HashMap::from([("A", StateLimits { slots: None, gate })]))
    }

    fn account(name: &str) -> Arc<str> {
        name.into()
    }

    #[test]
    fn c22_a_shut_lane_holds_up_no_other() {
        let (clock, seconds) = (ManualClock::new(SystemTime::UNIX_EPOCH), Duration::from_secs);
        let mut slots = limited(&clock);
        let begin = clock.clock().elapsed();
        assert!(matches!(slots.take(&key(0), "A", Some(account("x")), begin), Taken::Slot));
        let Taken::Queued(waits) = slots.take(&key(1), "A", Some(account("x")), begin) else {
            panic!("its account has used its start")
        };
        assert_eq!(waits.show(begin), WaitsFor::Rate { left: seconds(10) });
        assert!(matches!(slots.take(&key(2), "A", Some(account("x")), begin), Taken::Queued(_)));
        assert!(matches!(slots.take(&key(3), "A", Some(account("y")), begin), Taken::Slot), "another account");
        assert!(slots.has(&key(4), "B"), "another state");
        assert_eq!(slots.taken.len(), 3, "waiting takes no slot");
        assert_eq!(slots.next_opening(), Some(begin + seconds(10)));

        clock.advance(seconds(9));
        slots.reopen(clock.clock().elapsed());
        assert_eq!(slots.grant_next(clock.clock().elapsed()), None);
        clock.advance(seconds(1));
        let now = clock.clock().elapsed();
        slots.reopen(now);
        assert_eq!(slots.grant_next(now), Some(key(1)), "in order");
        assert_eq!(slots.grant_next(now), None);
        assert_eq!(slots.next_opening(), Some(now + seconds(10)));
        slots.free(&key(2));
        assert_eq!(slots.next_opening(), None, "nothing waits");
    }

    #[test]
    fn c22_a_breaker_admits_one_probe_for_all_states() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let breaker = Breaker::options("b").failures_in_a_row(1).clock(clock.clock()).build().unwrap();
        let gate = || Gate { rate: None, breaker: Some(breaker.clone()) };
        let limits = ["A", "B"].map(|state| (state, StateLimits { slots: None, gate: gate() }));
        let mut slots = Slots::new(9, HashMap::from(limits));
        let begin = clock.clock().elapsed();
        assert!(matches!(slots.take(&key(0), "A", None, begin), Taken::Slot));
        slots.take_permit(&key(0)).unwrap().failed("503");
        for (n, state) in [(1, "A"), (2, "B"), (3, "A")] {
            assert!(matches!(slots.take(&key(n), state, None, begin), Taken::Queued(_)));
        }
        clock.advance(Duration::from_secs(30));
        let now = clock.clock().elapsed();
        slots.reopen(now);
        assert_eq!(slots.grant_next(now), Some(key(1)));
        assert_eq!(slots.grant_next(now), None, "its probe is in flight");
        slots.free(&key(1));
        slots.reopen(Duration::MAX);
        assert_eq!(slots.grant_next(now), Some(key(2)), "the probe was not made, so the next one is");
        slots.take_permit(&key(2)).unwrap().succeeded();
        slots.reopen(Duration::MAX);
        assert_eq!(slots.grant_next(now), Some(key(3)));
    }

    const STATES: [&str; 3] = ["A", "B", "C"];

    proptest! {
        /// Compared with a queue that is searched from its front: no limit is exceeded, no instance waits that could run, and the
        /// instances of one state keep their order.
        #[test]
        fn c6_limits_fairness_and_order_hold(
            limit in 1_usize..5,
            limits in prop::collection::hash_map(prop::sample::select(&STATES[..]), 1_usize..4, 0..3),
            steps in prop::collection::vec((0_usize..12, 0_usize..3, prop::bool::ANY), 1..120),
        ) {
            let mut slots = slots(limit, &limits.iter().map(|(state, limit)| (*state, *limit)).collect::<Vec<_>>());
            let (mut running, mut queue) = (HashMap::<Key, &str>::new(), Vec::<(Key, &str)>::new());
            let room = |running: &HashMap<Key, &str>, state: &str| {
                let of_state = running.values().filter(|of| **of == state).count();
                running.len() < limit && limits.get(state).is_none_or(|limit| of_state < *limit)
            };
            for (n, state, comes) in steps {
                let (key, state) = (key(n), STATES[state]);
                if comes {
                    let has = slots.has(&key, state);
                    if running.get(&key) != Some(&state) {
                        running.remove(&key);
                        if !queue.contains(&(key.clone(), state)) {
                            queue.retain(|(queued, _)| *queued != key);
                            queue.push((key.clone(), state));
                        }
                    }
                    // A slot at once is what the order of the queue gives.
                    if has && running.get(&key) != Some(&state) {
                        let place = queue.iter().position(|(queued, _)| *queued == key).unwrap();
                        prop_assert!(queue[..place].iter().all(|(_, of)| *of != state), "it overtook its own state");
                        prop_assert!(room(&running, state), "a limit is exceeded");
                        queue.remove(place);
                        running.insert(key, state);
                    }
                } else {
                    slots.free(&key);
                    running.remove(&key);
                    queue.retain(|(queued, _)| *queued != key);
                }
                while let Some(next) = slots.grant() {
                    let place = queue.iter().position(|(_, state)| room(&running, state));
                    let (expected, state) = queue.remove(place.expect("no instance waits that could run"));
                    prop_assert_eq!(&next, &expected);
                    running.insert(next, state);
                }
                prop_assert!(queue.iter().all(|(_, state)| !room(&running, state)), "an instance waits that could run");
                for (queued, _) in &queue {
                    prop_assert!(slots.is_waiting(queued));
                }
            }
        }
    }
}
