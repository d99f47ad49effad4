//! Owns the limits on running workers of one machine, and the order in which waiting instances get their turn. Pure.

use crate::store::Key;
use std::collections::{BTreeMap, HashMap};

/// A limit for the machine and one for each state. Who waits is served in order, but for those whose own state is full: they
/// are passed over until it has room again, so that they hold up nobody but themselves.
pub(crate) struct Slots {
    limit: usize,
    /// One for each state; those without a limit of their own have the machine's.
    lanes: HashMap<&'static str, Lane>,
    limits: HashMap<&'static str, usize>,
    taken: HashMap<Key, &'static str>,
    /// In which lane each waits, and its place in the whole queue.
    queued: HashMap<Key, (&'static str, u64)>,
    next_place: u64,
}

#[derive(Default)]
struct Lane {
    taken: usize,
    waiting: BTreeMap<u64, Key>,
}

impl Slots {
    pub(crate) fn new(limit: usize, limits: HashMap<&'static str, usize>) -> Self {
        let (taken, queued) = (HashMap::new(), HashMap::new());
        Self { limit, lanes: HashMap::new(), limits, taken, queued, next_place: 0 }
    }

    /// Whether `key`, which stands in `state`, has a slot now; if not, it has a place in the queue.
    ///
    /// One that had a slot or a place for another state gives that back; so call [`admit`](Self::admit) afterwards.
    pub(crate) fn take(&mut self, key: &Key, state: &'static str) -> bool {
        match (self.taken.get(key), self.queued.get(key)) {
            (Some(taken), _) if *taken == state => return true,
            (_, Some((queued, _))) if *queued == state => return false,
            _ => self.leave(key),
        }
        let nobody_waits = self.lanes.get(state).is_none_or(|lane| lane.waiting.is_empty());
        if nobody_waits && self.has_room(state) {
            self.grant(key.clone(), state);
            return true;
        }
        self.queued.insert(key.clone(), (state, self.next_place));
        self.lanes.entry(state).or_default().waiting.insert(self.next_place, key.clone());
        self.next_place += 1;
        false
    }

    /// Gives back the slot of `key`, or its place in the queue.
    pub(crate) fn leave(&mut self, key: &Key) {
        if let Some(state) = self.taken.remove(key) {
            self.lanes.entry(state).or_default().taken -= 1;
        } else if let Some((state, place)) = self.queued.remove(key) {
            self.lanes.entry(state).or_default().waiting.remove(&place);
        }
    }

    /// Gives back the slots of those that are not `at_work`; who waits keeps its place.
    pub(crate) fn keep(&mut self, at_work: impl Fn(&Key) -> bool) {
        let idle: Vec<Key> = self.taken.keys().filter(|key| !at_work(key)).cloned().collect();
        for key in idle {
            self.leave(&key);
        }
    }

    /// Gives a free slot to the one that has waited longest of those whose state has room, which is returned to be looked at.
    pub(crate) fn admit(&mut self) -> Option<Key> {
        let first = |(state, lane): (&&'static str, &Lane)| Some((*lane.waiting.first_key_value()?.0, *state));
        let (place, state) = self.lanes.iter().filter_map(first).filter(|(_, state)| self.has_room(state)).min()?;
        let key = self.lanes.get_mut(state)?.waiting.remove(&place)?;
        self.queued.remove(&key);
        self.grant(key.clone(), state);
        Some(key)
    }

    pub(crate) fn is_waiting(&self, key: &Key) -> bool {
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
            assert!(!slots.take(key, state), "asking twice is one place in the queue");
        }
        for (n, pair) in keys.windows(2).enumerate() {
            assert_eq!(slots.admit(), None);
            slots.leave(&pair[0]);
            assert_eq!(slots.admit().as_ref(), Some(&pair[1]));
            assert!(slots.take(&pair[1], if n % 2 == 1 { "A" } else { "B" }), "the slot is kept for it");
            assert!(!slots.take(&key(900 + n), "A"), "nobody overtakes");
            slots.leave(&key(900 + n));
        }
    }

    #[test]
    fn c6_a_full_state_delays_only_itself() {
        let mut slots = Slots::new(3, HashMap::from([("A", 1)]));
        assert!(slots.take(&key(0), "A"));
        assert!(!slots.take(&key(1), "A"));
        assert!(slots.take(&key(2), "B"), "it overtakes one that could not run anyway");
        assert!(slots.take(&key(3), "B"));
        assert!(!slots.take(&key(4), "B"), "the machine's limit");
        slots.leave(&key(2));
        assert_eq!(slots.admit(), Some(key(4)));
        slots.leave(&key(0));
        assert_eq!(slots.admit(), Some(key(1)));
    }

    #[test]
    fn slots_of_one_state_are_unusable_for_another() {
        let mut slots = Slots::new(9, HashMap::from([("A", 1), ("B", 1)]));
        assert!(slots.take(&key(0), "A"));
        assert!(!slots.take(&key(1), "A"));
        assert!(slots.take(&key(0), "B"), "it has moved on");
        assert_eq!(slots.admit(), Some(key(1)), "and what it had is free");
    }

    const STATES: [&str; 3] = ["A", "B", "C"];

    proptest! {
        /// Against a queue that is searched from its front: no limit is ever exceeded, nobody who could run waits, and those
        /// of one state are served in the order in which they came.
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
                    // What has a slot at once is what the queue's own order gives.
                    if has && running.get(&key) != Some(&state) {
                        let place = queue.iter().position(|(queued, _)| *queued == key).unwrap();
                        prop_assert!(queue[..place].iter().all(|(_, of)| *of != state), "it overtook its own state");
                        prop_assert!(room(&running, state), "a limit is exceeded");
                        queue.remove(place);
                        running.insert(key, state);
                    }
                } else {
                    slots.leave(&key);
                    running.remove(&key);
                    queue.retain(|(queued, _)| *queued != key);
                }
                while let Some(next) = slots.admit() {
                    let place = queue.iter().position(|(_, state)| room(&running, state));
                    let (expected, state) = queue.remove(place.expect("nobody who could run waits"));
                    prop_assert_eq!(&next, &expected);
                    running.insert(next, state);
                }
                prop_assert!(queue.iter().all(|(_, state)| !room(&running, state)), "somebody waits who could run");
                for (queued, _) in &queue {
                    prop_assert!(slots.is_waiting(queued));
                }
            }
        }
    }
}
