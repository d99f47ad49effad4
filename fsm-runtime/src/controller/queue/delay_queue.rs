//! A delay queue with one entry for each key; the earliest time wins. Pure.

use crate::store::Key;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::Duration,
};

/// The capacity that is kept while the queue is empty.
const SMALL: usize = 256;

/// Keys with the monotonic time at which each is due.
#[derive(Default)]
pub(crate) struct DelayQueue {
    due: HashMap<Key, Duration>,
    /// May hold entries that are no longer in `due`, which are skipped.
    queue: BinaryHeap<Reverse<(Duration, Key)>>,
}

impl DelayQueue {
    /// Adds `key` at `at`, or keeps its entry where that is earlier.
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

    /// The time of `key`.
    pub(crate) fn get(&self, key: &Key) -> Option<Duration> {
        self.due.get(key).copied()
    }

    /// The time of the earliest key.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        while let Some(Reverse((at, key))) = self.queue.peek() {
            if self.due.get(key) == Some(at) {
                return Some(*at);
            }
            self.queue.pop();
        }
        // Free the memory of a burst.
        self.queue.shrink_to(SMALL);
        self.due.shrink_to(SMALL);
        None
    }

    /// Takes the earliest key if it is due at `now`, with its time.
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
        let mut queue = DelayQueue::default();
        queue.add(key("a"), at(5));
        queue.add(key("a"), at(3));
        queue.add(key("a"), at(9));
        assert_eq!(queue.next(), Some(at(3)));
        assert_eq!(queue.pop(at(2)), None);
        assert_eq!(queue.pop(at(3)), Some((key("a"), at(3))));
        assert_eq!(queue.pop(at(10)), None, "one entry, not three");
    }

    #[test]
    fn a_key_can_be_scheduled_again_after_its_look() {
        let mut queue = DelayQueue::default();
        queue.add(key("a"), at(1));
        assert_eq!(queue.pop(at(1)), Some((key("a"), at(1))));
        queue.add(key("a"), at(2));
        assert_eq!(queue.pop(at(2)), Some((key("a"), at(2))));
    }

    #[test]
    fn a_removed_key_is_not_due() {
        let mut queue = DelayQueue::default();
        queue.add(key("a"), at(1));
        queue.add(key("b"), at(2));
        queue.remove(&key("a"));
        assert_eq!(queue.pop(at(3)), Some((key("b"), at(2))));
        assert_eq!(queue.pop(at(3)), None);
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
            let mut queue = DelayQueue::default();
            let mut model: BTreeMap<Key, Duration> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Add(id, seconds) => {
                        let (key, at) = (key(&id.to_string()), at(seconds));
                        queue.add(key.clone(), at);
                        model.entry(key).and_modify(|planned| *planned = at.min(*planned)).or_insert(at);
                    }
                    Op::Remove(id) => {
                        queue.remove(&key(&id.to_string()));
                        model.remove(&key(&id.to_string()));
                    }
                    Op::Pop(now) => {
                        let earliest = model.iter().map(|(key, at)| (*at, key.clone())).min();
                        let due = earliest.filter(|(planned, _)| *planned <= at(now));
                        if let Some((_, key)) = &due {
                            model.remove(key);
                        }
                        prop_assert_eq!(queue.pop(at(now)), due.map(|(at, key)| (key, at)));
                    }
                }
                prop_assert_eq!(queue.next(), model.values().min().copied());
            }
            // Every entry comes once, the earliest first.
            let mut left = Vec::new();
            while let Some((key, at)) = queue.pop(Duration::MAX) {
                left.push((at, key));
            }
            prop_assert!(left.is_sorted());
            prop_assert_eq!(left.into_iter().map(|(at, key)| (key, at)).collect::<BTreeMap<_, _>>(), model);
        }
    }
}
