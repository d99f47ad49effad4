//! The slots for workers: the limits of each machine and state, and the order in which waiting instances get a slot. An instance that waits
//! for a rate, a circuit breaker or a slot over all processes waits in the same queue, so it takes no slot and uses no attempt.

use super::{
    gate::{Gate, LimitKey, Shut},
    shared_slots::{Call, Loss, SharedSlots},
    slot_entries::Answered,
};
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
    /// The number of slots in this process; `None` if only the machine has a limit.
    pub(super) slots: Option<usize>,
    pub(super) gate: Gate,
}

/// Whether an instance has a slot.
pub(super) enum Taken {
    Slot,
    /// The instance has a place in the queue. The value shows what it waits for.
    Queued(Arc<HeldBack>),
}

impl SlotTable {
    /// The slots of `machines`, each with its name, its limit, and the limits of its states.
    pub(super) fn new(
        machines: impl Iterator<Item = (&'static str, usize, HashMap<&'static str, StateLimits>)>,
    ) -> Self {
        Self(machines.map(|(machine, limit, limits)| (machine, Slots::new(limit, limits))).collect())
    }

    /// See [`Slots::take`].
    pub(super) fn take(&mut self, key: &Key, state: &'static str, limit_key: LimitKey, now: Duration) -> Option<Taken> {
        Some(self.0.get_mut(&*key.machine)?.take(key, state, limit_key, now))
    }

    /// See [`Slots::take_permit`].
    pub(super) fn take_permit(&mut self, key: &Key) -> Option<Permit> {
        self.0.get_mut(&*key.machine)?.take_permit(key)
    }

    /// See [`Slots::free`].
    pub(super) fn free(&mut self, key: &Key, now: Duration) {
        if let Some(slots) = self.0.get_mut(&*key.machine) {
            slots.free(key, now);
        }
    }

    /// See [`Slots::grant_next`].
    pub(super) fn grant_next(&mut self, machine: &str, now: Duration) -> Option<Key> {
        self.0.get_mut(machine)?.grant_next(now)
    }

    /// See [`Slots::is_waiting`].
    pub(super) fn is_waiting(&self, key: &Key) -> bool {
        self.0.get(&*key.machine).is_some_and(|slots| slots.is_waiting(key))
    }

    /// See [`Slots::retain`], for all machines.
    pub(super) fn retain(&mut self, at_work: impl Fn(&Key) -> bool, now: Duration) {
        self.0.values_mut().for_each(|slots| slots.retain(&at_work, now));
    }

    /// The earliest time at which a shut lane has to be tried again.
    pub(super) fn next_opening(&self) -> Option<Duration> {
        self.0.values().filter_map(Slots::next_opening).min()
    }

    /// See [`Slots::reopen`], for all machines.
    pub(super) fn reopen(&mut self, until: Duration) {
        self.0.values_mut().for_each(|slots| slots.reopen(until));
    }

    /// See [`Slots::has_lost_slot`].
    pub(super) fn has_lost_slot(&self, key: &Key, now: Duration) -> bool {
        self.0.get(&*key.machine).is_some_and(|slots| slots.has_lost_slot(key, now))
    }

    /// The slots over all processes.
    fn shared(&mut self) -> impl Iterator<Item = &mut SharedSlots> {
        let machines = self.0.values_mut().filter(|slots| slots.shares);
        machines.flat_map(|slots| slots.states.values_mut()).filter_map(|slots| slots.limits.gate.shared.as_mut())
    }

    /// Whether any state has slots over all processes.
    pub(super) fn has_shared(&self) -> bool {
        self.0.values().any(|slots| slots.shares)
    }

    /// The calls of the store to make, and the number of queues in which entries wait for changes.
    pub(super) fn take_calls(&mut self) -> (Vec<Call>, u32) {
        let (mut calls, mut waiting) = (Vec::new(), 0);
        for shared in self.shared() {
            calls.extend(shared.take_calls());
            waiting += shared.waiting();
        }
        (calls, waiting)
    }

    /// See [`SharedSlots::is_looking`], for any state.
    pub(super) fn is_looking(&mut self, now: Duration) -> bool {
        self.shared().any(|shared| shared.is_looking(now))
    }

    /// The time of the next [`tick`](Self::tick).
    pub(super) fn next_tick(&mut self) -> Option<Duration> {
        self.shared().filter_map(SharedSlots::next).min()
    }

    /// See [`SharedSlots::tick`], for all states. Returns the slots that are lost.
    pub(super) fn tick(&mut self, now: Duration) -> Vec<Loss> {
        self.0.values_mut().filter(|slots| slots.shares).flat_map(|slots| slots.tick(now)).collect()
    }

    /// See [`SharedSlots::answered`]. Returns the slot that is lost, if any.
    pub(super) fn answered(&mut self, answered: Answered, now: Duration) -> Option<Loss> {
        let Answered { queue, answer } = answered;
        let slots = self.0.get_mut(queue.machine)?.states.get_mut(queue.state)?;
        let (loss, free) = slots.limits.gate.shared.as_mut()?.answered(&queue.lane, answer, now);
        if free {
            slots.reopen_lane(&queue.lane);
        }
        loss
    }

    /// See [`SharedSlots::changed`], for all states.
    pub(super) fn entries_changed(&mut self, now: Duration) {
        self.shared().for_each(|shared| shared.changed(now));
    }

    /// See [`SharedSlots::close`].
    pub(super) fn close(&mut self) {
        self.shared().for_each(SharedSlots::close);
    }

    /// See [`SharedSlots::recover`].
    pub(super) fn recover(&mut self, now: Duration) {
        self.shared().for_each(|shared| shared.recover(now));
    }

    pub(super) fn machines(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }
}

/// The slots of one machine, with a limit for the machine and one for each state. Waiting instances get slots in order. Instances whose
/// state is full or whose lane is shut are skipped, so that they do not delay others.
struct Slots {
    limit: usize,
    states: HashMap<&'static str, StateSlots>,
    /// Whether any state has slots over all processes.
    shares: bool,
    taken: HashMap<Key, TakenSlot>,
    /// The places of the waiting instances.
    queued: HashMap<Key, Place>,
    next_place: u64,
}

struct TakenSlot {
    state: &'static str,
    lane: LimitKey,
    /// The permit of the state's breaker, until the worker starts.
    permit: Option<Permit>,
}

#[derive(Clone)]
struct Place {
    state: &'static str,
    lane: LimitKey,
    /// The number of the place in the queue of the machine.
    number: u64,
}

/// The slots of one state, and its waiting instances, in one lane for each limit key.
#[derive(Default)]
struct StateSlots {
    limits: StateLimits,
    taken: usize,
    /// The lanes in which instances wait. Each lane is either in `open`, under the number of its first place, or in `shut`.
    lanes: HashMap<LimitKey, Lane>,
    open: BTreeMap<u64, LimitKey>,
    shut: BTreeSet<(Duration, LimitKey)>,
}

struct Lane {
    waiting: BTreeMap<u64, Key>,
    /// The time at which the lane is tried again, if the gate was shut.
    shut: Option<Duration>,
    /// Whether the lane was shut because no slot over all processes is free.
    wants_shared: bool,
    held_back: Arc<HeldBack>,
}

impl Slots {
    fn new(limit: usize, limits: HashMap<&'static str, StateLimits>) -> Self {
        let shares = limits.values().any(|limits| limits.gate.shared.is_some());
        let states =
            limits.into_iter().map(|(state, limits)| (state, StateSlots { limits, ..StateSlots::default() })).collect();
        Self { limit, states, shares, taken: HashMap::new(), queued: HashMap::new(), next_place: 0 }
    }

    /// Takes a slot for `key` in `state`, or a place in the queue.
    ///
    /// If `key` has a slot or a place in another state, frees it; call [`grant_next`](Self::grant_next) afterwards.
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
        self.free(key, now);
        let room = self.room();
        let slots = self.states.entry(state).or_default();
        let room = room.min(slots.room());
        let mut shut = None;
        if room > 0 && slots.open.is_empty() && !slots.lanes.contains_key(&lane) {
            match slots.limits.gate.pass(&lane, key, now) {
                Ok(permit) => {
                    slots.taken += 1;
                    self.taken.insert(key.clone(), TakenSlot { state, lane, permit });
                    return Taken::Slot;
                }
                Err(why) => shut = Some(why),
            }
        }
        let number = self.next_place;
        self.next_place += 1;
        let held_back = slots.wait(number, key, &lane);
        match shut {
            Some(why) => slots.shut(&lane, why, room, now),
            None => slots.want_shared(&lane, room, now),
        }
        self.queued.insert(key.clone(), Place { state, lane, number });
        Taken::Queued(held_back)
    }

    /// Takes the breaker's permit with which `key` got its slot, for its worker.
    fn take_permit(&mut self, key: &Key) -> Option<Permit> {
        self.taken.get_mut(key)?.permit.take()
    }

    /// Frees the slot of `key` or its place in the queue.
    fn free(&mut self, key: &Key, now: Duration) {
        if let Some(TakenSlot { state, lane, .. }) = self.taken.remove(key) {
            let slots = self.states.entry(state).or_default();
            slots.taken -= 1;
            if let Some(shared) = &mut slots.limits.gate.shared
                && shared.free(&lane, key, now)
            {
                slots.reopen_lane(&lane);
            }
        } else if let Some(Place { state, lane, number }) = self.queued.remove(key) {
            self.states.entry(state).or_default().leave(number, &lane, now);
        }
    }

    /// Frees the slots of instances that are not `at_work`. Waiting instances keep their places.
    fn retain(&mut self, at_work: impl Fn(&Key) -> bool, now: Duration) {
        let idle: Vec<Key> = self.taken.keys().filter(|key| !at_work(key)).cloned().collect();
        for key in idle {
            self.free(&key, now);
        }
    }

    /// Whether `key` has a slot of this process, but has lost the slot over all processes that its state requires.
    fn has_lost_slot(&self, key: &Key, now: Duration) -> bool {
        let Some(TakenSlot { state, lane, .. }) = self.taken.get(key) else { return false };
        let shared = self.states.get(state).and_then(|slots| slots.limits.gate.shared.as_ref());
        shared.is_some_and(|shared| !shared.has(lane, key, now))
    }

    /// The number of slots that are neither taken nor reserved. A slot is reserved for each entry of which it is not known yet whether it
    /// has a slot over all processes.
    fn room(&mut self) -> usize {
        let states = self.states.values_mut().filter(|_| self.shares);
        let reserved: usize =
            states.filter_map(|slots| slots.limits.gate.shared.as_mut()).map(SharedSlots::unsettled).sum();
        self.limit.saturating_sub(self.taken.len() + reserved)
    }

    /// See [`SharedSlots::tick`], for all states. Returns the slots that are lost.
    fn tick(&mut self, now: Duration) -> Vec<Loss> {
        let mut losses = Vec::new();
        for slots in self.states.values_mut() {
            let Some(shared) = &mut slots.limits.gate.shared else { continue };
            let elapsed = shared.tick(now);
            losses.extend(elapsed.losses);
            elapsed.left.iter().for_each(|lane| slots.reopen_lane(lane));
        }
        losses
    }

    /// Gives a free slot to the instance that has waited longest among those whose state has room and whose gate is open. Returns the
    /// instance.
    fn grant_next(&mut self, now: Duration) -> Option<Key> {
        while let Some((number, state, room)) = self.first_open() {
            let slots = self.states.get_mut(state)?;
            let lane = slots.open.get(&number)?.clone();
            let key = slots.lanes.get(&lane)?.waiting.get(&number)?.clone();
            match slots.limits.gate.pass(&lane, &key, now) {
                Err(why) => slots.shut(&lane, why, room, now),
                Ok(permit) => {
                    slots.leave(number, &lane, now);
                    slots.taken += 1;
                    self.queued.remove(&key);
                    self.taken.insert(key.clone(), TakenSlot { state, lane, permit });
                    return Some(key);
                }
            }
        }
        for StateSlots { limits, lanes, .. } in self.states.values_mut().filter(|_| self.shares) {
            if let Some(shared) = &mut limits.gate.shared {
                shared.give_back_unused(|lane| lanes.contains_key(lane), now);
            }
        }
        None
    }

    /// The open lane to try next: the number of its first place, its state, and the number of slots that it can use. Lanes with a free slot
    /// over all processes come first, then the lane that has waited longest.
    fn first_open(&mut self) -> Option<(u64, &'static str, usize)> {
        if self.shares && self.taken.len() < self.limit {
            let free = |(state, slots): (&&'static str, &StateSlots)| Some((slots.first_free()?, *state));
            if let Some((number, state)) = self.states.iter().filter_map(free).min() {
                return Some((number, state, 1));
            }
        }
        let room = self.room();
        let first = |(state, slots): (&&'static str, &mut StateSlots)| {
            let number = *slots.open.first_key_value()?.0;
            Some((number, *state, room.min(slots.room()))).filter(|(.., room)| *room > 0)
        };
        self.states.iter_mut().filter_map(first).min()
    }

    fn is_waiting(&self, key: &Key) -> bool {
        self.queued.contains_key(key)
    }

    fn next_opening(&self) -> Option<Duration> {
        let first = |slots: &StateSlots| slots.shut.first().map(|(until, _)| *until);
        self.states.values().filter_map(first).min().filter(|until| *until < Duration::MAX)
    }

    /// Opens the lanes that are shut until `until` or earlier, so that they are tried again.
    fn reopen(&mut self, until: Duration) {
        self.states.values_mut().for_each(|slots| slots.reopen(until));
    }
}

impl StateSlots {
    /// The number of slots that are neither taken nor reserved.
    fn room(&mut self) -> usize {
        let Some(limit) = self.limits.slots else { return usize::MAX };
        let reserved = self.limits.gate.shared.as_mut().map_or(0, SharedSlots::unsettled);
        limit.saturating_sub(self.taken + reserved)
    }

    /// The number of the first place of an open lane that has a free slot over all processes, if the state has room.
    fn first_free(&self) -> Option<u64> {
        let shared = self.limits.gate.shared.as_ref().filter(|_| self.limits.slots.is_none_or(|it| self.taken < it))?;
        let is_open = |lane: &LimitKey| self.lanes.get(lane).is_some_and(|lane| lane.shut.is_none());
        let lane = shared.free_lane(is_open)?;
        self.lanes.get(&lane)?.waiting.keys().next().copied()
    }

    /// Adds an instance at the end of its lane.
    fn wait(&mut self, number: u64, key: &Key, lane: &LimitKey) -> Arc<HeldBack> {
        let entry = self.lanes.entry(lane.clone()).or_insert_with(|| {
            self.open.insert(number, lane.clone());
            Lane { waiting: BTreeMap::new(), shut: None, wants_shared: false, held_back: Arc::default() }
        });
        entry.waiting.insert(number, key.clone());
        entry.held_back.clone()
    }

    /// Requests slots over all processes for the instances that wait for them in `lane`, at most `room`.
    fn want_shared(&mut self, lane: &LimitKey, room: usize, now: Duration) {
        if let Some(shared) = &mut self.limits.gate.shared
            && let Some(entry) = self.lanes.get(lane).filter(|entry| entry.wants_shared)
        {
            shared.want(lane, entry.waiting.len().min(room), now);
        }
    }

    /// Removes an instance from its lane.
    fn leave(&mut self, number: u64, lane: &LimitKey, now: Duration) {
        let Some(entry) = self.lanes.get_mut(lane) else { return };
        if entry.waiting.remove(&number).is_none() {
            return;
        }
        if let Some(shared) = &mut self.limits.gate.shared {
            shared.want_at_most(lane, entry.waiting.len(), now);
        }
        let next = entry.waiting.first_key_value().map(|(number, _)| *number);
        match (self.open.remove(&number), next, entry.shut) {
            (Some(_), Some(next), _) => drop(self.open.insert(next, lane.clone())),
            (None, None, Some(until)) => drop(self.shut.remove(&(until, lane.clone()))),
            _ => {}
        }
        if next.is_none() {
            self.lanes.remove(lane);
        }
    }

    /// Records that the gate is shut for an open lane. If the lane waits for slots over all processes, requests at most `room` of them.
    fn shut(&mut self, lane: &LimitKey, why: Shut, room: usize, now: Duration) {
        let Some(entry) = self.lanes.get_mut(lane) else { return };
        let until = why.until.unwrap_or(Duration::MAX);
        if let Some(first) = entry.waiting.keys().next() {
            self.open.remove(first);
        }
        entry.shut = Some(until);
        entry.wants_shared = matches!(why.reason, Reason::SharedSlot { .. });
        entry.held_back.set(why.reason);
        self.shut.insert((until, lane.clone()));
        if entry.wants_shared {
            self.want_shared(lane, room, now);
        } else if let Some(shared) = &mut self.limits.gate.shared {
            shared.leave(lane, now);
        }
    }

    /// Opens `lane`, so that it is tried again.
    fn reopen_lane(&mut self, lane: &LimitKey) {
        let Some(entry) = self.lanes.get_mut(lane) else { return };
        let Some(at) = entry.shut.take() else { return };
        self.shut.remove(&(at, lane.clone()));
        entry.wants_shared = false;
        entry.held_back.set(Reason::Slot);
        if let Some(first) = entry.waiting.keys().next() {
            self.open.insert(*first, lane.clone());
        }
    }

    fn reopen(&mut self, until: Duration) {
        while let Some((at, lane)) = self.shut.pop_first() {
            if at > until {
                self.shut.insert((at, lane));
                return;
            }
            if let Some(entry) = self.lanes.get_mut(&lane) {
                entry.shut = None;
                entry.wants_shared = false;
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
        /// Whether `key` has a slot in `state`, which has no gate. Takes one if possible.
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
            slots.free(&pair[0], NOW);
            assert_eq!(slots.grant().as_ref(), Some(&pair[1]));
            assert!(slots.has(&pair[1], if n % 2 == 1 { "A" } else { "B" }), "the slot is kept for it");
            assert!(!slots.has(&key(900 + n), "A"), "the queue is kept");
            slots.free(&key(900 + n), NOW);
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
        slots.free(&key(2), NOW);
        assert_eq!(slots.grant(), Some(key(4)));
        slots.free(&key(0), NOW);
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
        let gate = Gate { rate: Some(rate), ..Gate::default() };
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
        slots.free(&key(2), NOW);
        assert_eq!(slots.next_opening(), None, "nothing waits");
    }

    #[test]
    fn c22_a_breaker_admits_one_probe_for_all_states() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let breaker = Breaker::options("b").failures_in_a_row(1).clock(clock.clock()).build().unwrap();
        let gate = || Gate { breaker: Some(breaker.clone()), ..Gate::default() };
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
        slots.free(&key(1), NOW);
        slots.reopen(Duration::MAX);
        assert_eq!(slots.grant_next(now), Some(key(2)), "the probe was not made, so the next one is");
        slots.take_permit(&key(2)).unwrap().succeeded();
        slots.reopen(Duration::MAX);
        assert_eq!(slots.grant_next(now), Some(key(3)));
    }

    const STATES: [&str; 3] = ["A", "B", "C"];

    proptest! {
        /// Compares the slots with a queue that is searched from its front: no limit is exceeded, no instance waits that could run, and the
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
                    // An instance that gets a slot at once is the next one in the order of the queue.
                    if has && running.get(&key) != Some(&state) {
                        let place = queue.iter().position(|(queued, _)| *queued == key).unwrap();
                        prop_assert!(queue[..place].iter().all(|(_, of)| *of != state), "it overtook its own state");
                        prop_assert!(room(&running, state), "a limit is exceeded");
                        queue.remove(place);
                        running.insert(key, state);
                    }
                } else {
                    slots.free(&key, NOW);
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
