//! The slots for workers: limits for each machine and state, and the order in which waiting instances get a slot. Pure.

use crate::store::Key;
use std::collections::{BTreeMap, HashMap};

/// The slots of all machines.
pub(super) struct SlotTable(HashMap<&'static str, Slots>);

impl SlotTable {
    /// The slots of machines, each given by its name, its limit, and the limits of its states.
    pub(super) fn new(machines: impl Iterator<Item = (&'static str, usize, HashMap<&'static str, usize>)>) -> Self {
        Self(machines.map(|(machine, limit, limits)| (machine, Slots::new(limit, limits))).collect())
    }

    /// As [`Slots::take`].
    pub(super) fn take(&mut self, key: &Key, state: &'static str) -> bool {
        self.0.get_mut(&*key.machine).is_some_and(|slots| slots.take(key, state))
    }

    /// As [`Slots::free`].
    pub(super) fn free(&mut self, key: &Key) {
        if let Some(slots) = self.0.get_mut(&*key.machine) {
            slots.free(key);
        }
    }

    /// As [`Slots::grant_next`].
    pub(super) fn grant_next(&mut self, machine: &str) -> Option<Key> {
        self.0.get_mut(machine)?.grant_next()
    }

    /// As [`Slots::is_waiting`].
    pub(super) fn is_waiting(&self, key: &Key) -> bool {
        self.0.get(&*key.machine).is_some_and(|slots| slots.is_waiting(key))
    }

    /// As [`Slots::retain`], for all machines.
    pub(super) fn retain(&mut self, at_work: impl Fn(&Key) -> bool) {
        self.0.values_mut().for_each(|slots| slots.retain(&at_work));
    }

    pub(super) fn machines(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }
}

/// The slots of one machine: a limit for the machine, and one for each state. Waiting instances get a slot in order. Those whose
/// state is full are skipped until it has room, so that they hold up no other state.
struct Slots {
    limit: usize,
    /// The slots and the queue of each state.
    lanes: HashMap<&'static str, Lane>,
    limits: HashMap<&'static str, usize>,
    taken: HashMap<Key, &'static str>,
    /// The state for which each instance waits, and its place in the whole queue.
    queued: HashMap<Key, (&'static str, u64)>,
    next_place: u64,
}

#[derive(Default)]
struct Lane {
    taken: usize,
    waiting: BTreeMap<u64, Key>,
}

impl Slots {
    fn new(limit: usize, limits: HashMap<&'static str, usize>) -> Self {
        let (taken, queued) = (HashMap::new(), HashMap::new());
        Self { limit, lanes: HashMap::new(), limits, taken, queued, next_place: 0 }
    }

    /// Takes a slot for `key` in `state`, or a place in the queue. Returns whether `key` has a slot.
    ///
    /// Frees its slot or place for another state; call [`grant_next`](Self::grant_next) afterwards.
    fn take(&mut self, key: &Key, state: &'static str) -> bool {
        match (self.taken.get(key), self.queued.get(key)) {
            (Some(taken), _) if *taken == state => return true,
            (_, Some((queued, _))) if *queued == state => return false,
            _ => self.free(key),
        }
        let queue_is_empty = self.lanes.get(state).is_none_or(|lane| lane.waiting.is_empty());
        if queue_is_empty && self.has_room(state) {
            self.grant(key.clone(), state);
            return true;
        }
        self.queued.insert(key.clone(), (state, self.next_place));
        self.lanes.entry(state).or_default().waiting.insert(self.next_place, key.clone());
        self.next_place += 1;
        false
    }

    /// Frees the slot of `key`, or its place in the queue.
    fn free(&mut self, key: &Key) {
        if let Some(state) = self.taken.remove(key) {
            self.lanes.entry(state).or_default().taken -= 1;
        } else if let Some((state, place)) = self.queued.remove(key) {
            self.lanes.entry(state).or_default().waiting.remove(&place);
        }
    }

    /// Frees the slots of instances that are not `at_work`. Waiting instances keep their places.
    fn retain(&mut self, at_work: impl Fn(&Key) -> bool) {
        let idle: Vec<Key> = self.taken.keys().filter(|key| !at_work(key)).cloned().collect();
        for key in idle {
            self.free(&key);
        }
    }

    /// Gives a free slot to the instance that has waited longest, of those whose state has room. Returns it.
    fn grant_next(&mut self) -> Option<Key> {
        let first = |(state, lane): (&&'static str, &Lane)| Some((*lane.waiting.first_key_value()?.0, *state));
        let (place, state) = self.lanes.iter().filter_map(first).filter(|(_, state)| self.has_room(state)).min()?;
        let key = self.lanes.get_mut(state)?.waiting.remove(&place)?;
        self.queued.remove(&key);
        self.grant(key.clone(), state);
        Some(key)
    }

    fn is_waiting(&self, key: &Key) -> bool {
        self.queued.contains_key(key)
    }

    fn grant(&mut self, key: Key, state: &'static str) {
        self.lanes.entry(state).or_default().taken += 1;
        self.taken.insert(key, state);
    }

    fn has_room(&self, state: &str) -> bool {
        let taken = self.lanes.get(state).map_or(0, |lane| lane.taken);
        self.taken.len() < self.limit && self.limits.get(state).is_none_or(|limit| taken < *limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: usize) -> Key {
        Key::new("M", format!("{n:03}"))
    }

    #[test]
    fn c6_with_one_slot_all_run_in_order() {
        let keys: Vec<Key> = (0..100).map(key).collect();
        let mut slots = Slots::new(1, HashMap::new());
        assert!(slots.take(&keys[0], "A"));
        for (n, key) in keys.iter().enumerate().skip(1) {
            let state = if n % 2 == 0 { "A" } else { "B" };
            assert!(!slots.take(key, state));
            assert!(!slots.take(key, state), "two requests have one place in the queue");
        }
        for (n, pair) in keys.windows(2).enumerate() {
            assert_eq!(slots.grant_next(), None);
            slots.free(&pair[0]);
            assert_eq!(slots.grant_next().as_ref(), Some(&pair[1]));
            assert!(slots.take(&pair[1], if n % 2 == 1 { "A" } else { "B" }), "the slot is kept for it");
            assert!(!slots.take(&key(900 + n), "A"), "the queue is kept");
            slots.free(&key(900 + n));
        }
    }

    #[test]
    fn c6_a_full_state_delays_only_itself() {
        let mut slots = Slots::new(3, HashMap::from([("A", 1)]));
        assert!(slots.take(&key(0), "A"));
        assert!(!slots.take(&key(1), "A"));
        assert!(slots.take(&key(2), "B"), "it overtakes one whose state is full");
        assert!(slots.take(&key(3), "B"));
        assert!(!slots.take(&key(4), "B"), "the machine's limit");
        slots.free(&key(2));
        assert_eq!(slots.grant_next(), Some(key(4)));
        slots.free(&key(0));
        assert_eq!(slots.grant_next(), Some(key(1)));
    }

    #[test]
    fn slots_of_one_state_are_unusable_for_another() {
        let mut slots = Slots::new(9, HashMap::from([("A", 1), ("B", 1)]));
        assert!(slots.take(&key(0), "A"));
        assert!(!slots.take(&key(1), "A"));
        assert!(slots.take(&key(0), "B"), "it has moved on");
        assert_eq!(slots.grant_next(), Some(key(1)), "and its former slot is free");
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
            let mut slots = Slots::new(limit, limits.clone());
            let (mut running, mut queue) = (HashMap::<Key, &str>::new(), Vec::<(Key, &str)>::new());
            let room = |running: &HashMap<Key, &str>, state: &str| {
                let of_state = running.values().filter(|of| **of == state).count();
                running.len() < limit && limits.get(state).is_none_or(|limit| of_state < *limit)
            };
            for (n, state, comes) in steps {
                let (key, state) = (key(n), STATES[state]);
                if comes {
                    let has = slots.take(&key, state);
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
                while let Some(next) = slots.grant_next() {
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
