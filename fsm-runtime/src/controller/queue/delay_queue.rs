//! Owns when each instance is looked at next: one entry for each key, the earliest time wins. Pure.

use crate::store::Key;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::Duration,
};

/// How many keys it keeps room for though it is empty.
const SMALL: usize = 256;

/// Times are those of the monotonic clock.
#[derive(Default)]
pub(crate) struct Schedule {
    due: HashMap<Key, Duration>,
    /// What left `due` or was brought forward since is still in here, and is skipped.
    queue: BinaryHeap<Reverse<(Duration, Key)>>,
}

impl Schedule {
    /// Looks at `key` at `at`, or earlier where that is planned already.
    pub(crate) fn add(&mut self, key: Key, at: Duration) {
        match self.due.get_mut(&key) {
            Some(planned) if *planned <= at => return,
            Some(planned) => *planned = at,
            None => drop(self.due.insert(key.clone(), at)),
        }
        self.queue.push(Reverse((at, key)));
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.due.remove(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }

    /// For when `key` is planned.
    pub(crate) fn planned(&self, key: &Key) -> Option<Duration> {
        self.due.get(key).copied()
    }

    /// When the earliest key is due.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        while let Some(Reverse((at, key))) = self.queue.peek() {
            if self.due.get(key) == Some(at) {
                return Some(*at);
            }
            self.queue.pop();
        }
        // What a burst of many keys needed is given back.
        self.queue.shrink_to(SMALL);
        self.due.shrink_to(SMALL);
        None
    }

    /// Takes the earliest key, if it is due at `now`, with the time for which it was planned.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<(Key, Duration)> {
        if self.next()? > now {
            return None;
        }
        let Reverse((at, key)) = self.queue.pop()?;
        self.due.remove(&key);
        Some((key, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn key(id: &str) -> Key {
        Key::new("M", id)
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_earliest_time_of_a_key_wins() {
        let mut schedule = Schedule::default();
        schedule.add(key("a"), at(5));
        schedule.add(key("a"), at(3));
        schedule.add(key("a"), at(9));
        assert_eq!(schedule.next(), Some(at(3)));
        assert_eq!(schedule.pop(at(2)), None);
        assert_eq!(schedule.pop(at(3)), Some((key("a"), at(3))));
        assert_eq!(schedule.pop(at(10)), None, "it was one look, not three");
    }

    #[test]
    fn a_key_can_be_scheduled_again_after_its_look() {
        let mut schedule = Schedule::default();
        schedule.add(key("a"), at(1));
        assert_eq!(schedule.pop(at(1)), Some((key("a"), at(1))));
        schedule.add(key("a"), at(2));
        assert_eq!(schedule.pop(at(2)), Some((key("a"), at(2))));
    }

    #[test]
    fn a_removed_key_is_not_looked_at() {
        let mut schedule = Schedule::default();
        schedule.add(key("a"), at(1));
        schedule.add(key("b"), at(2));
        schedule.remove(&key("a"));
        assert_eq!(schedule.pop(at(3)), Some((key("b"), at(2))));
        assert_eq!(schedule.pop(at(3)), None);
    }

    #[derive(Clone, Debug)]
    enum Op {
        Add(u8, u64),
        Remove(u8),
        Pop(u64),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            4 => (0..12_u8, 0..20_u64).prop_map(|(key, at)| Op::Add(key, at)),
            1 => (0..12_u8).prop_map(Op::Remove),
            3 => (0..20_u64).prop_map(Op::Pop),
        ];
        proptest::collection::vec(op, 0..200)
    }

    proptest! {
        #[test]
        fn c13_the_schedule_behaves_like_a_plain_map(ops in ops()) {
            let mut schedule = Schedule::default();
            let mut model: BTreeMap<Key, Duration> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Add(id, seconds) => {
                        let (key, at) = (key(&id.to_string()), at(seconds));
                        schedule.add(key.clone(), at);
                        model.entry(key).and_modify(|planned| *planned = at.min(*planned)).or_insert(at);
                    }
                    Op::Remove(id) => {
                        schedule.remove(&key(&id.to_string()));
                        model.remove(&key(&id.to_string()));
                    }
                    Op::Pop(now) => {
                        let earliest = model.iter().map(|(key, at)| (*at, key.clone())).min();
                        let due = earliest.filter(|(planned, _)| *planned <= at(now));
                        if let Some((_, key)) = &due {
                            model.remove(key);
                        }
                        prop_assert_eq!(schedule.pop(at(now)), due.map(|(at, key)| (key, at)));
                    }
                }
                prop_assert_eq!(schedule.next(), model.values().min().copied());
            }
            // Everything that is left comes, once, and earliest first.
            let mut left = Vec::new();
            while let Some((key, at)) = schedule.pop(Duration::MAX) {
                left.push((at, key));
            }
            prop_assert!(left.is_sorted());
            prop_assert_eq!(left.into_iter().map(|(at, key)| (key, at)).collect::<BTreeMap<_, _>>(), model);
        }
    }
}
