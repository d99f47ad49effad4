//! Owns the limit on running workers, and the order in which waiting instances get their turn. Pure.

use crate::store::Key;
use std::collections::{HashSet, VecDeque};

pub(crate) struct Slots {
    limit: usize,
    taken: HashSet<Key>,
    waiting: VecDeque<Key>,
    queued: HashSet<Key>,
}

impl Slots {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, taken: HashSet::new(), waiting: VecDeque::new(), queued: HashSet::new() }
    }

    /// Whether `key` has a slot now; if not, it has a place in the queue.
    pub(crate) fn take(&mut self, key: &Key) -> bool {
        if self.taken.contains(key) {
            return true;
        }
        if self.taken.len() < self.limit && self.waiting.is_empty() {
            self.taken.insert(key.clone());
            return true;
        }
        if self.queued.insert(key.clone()) {
            self.waiting.push_back(key.clone());
        }
        false
    }

    /// Gives the slot of `key` back. It goes to the one that has waited longest, which is returned to be looked at.
    pub(crate) fn release(&mut self, key: &Key) -> Option<Key> {
        if !self.taken.remove(key) {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.queued.remove(&next);
        self.taken.insert(next.clone());
        Some(next)
    }

    pub(crate) fn is_waiting(&self, key: &Key) -> bool {
        self.queued.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_one_slot_everybody_gets_a_turn_in_order() {
        let keys: Vec<Key> = (0..100).map(|n| Key::new("M", format!("{n:03}"))).collect();
        let mut slots = Slots::new(1);
        assert!(slots.take(&keys[0]));
        for key in &keys[1..] {
            assert!(!slots.take(key));
            assert!(!slots.take(key), "asking twice is one place in the queue");
        }
        for pair in keys.windows(2) {
            assert_eq!(slots.release(&pair[0]).as_ref(), Some(&pair[1]));
            assert!(slots.take(&pair[1]), "the slot is kept for it");
            assert!(!slots.take(&Key::new("M", "late")), "nobody overtakes");
        }
    }

    #[test]
    fn a_slot_that_was_not_taken_is_not_given_back() {
        let mut slots = Slots::new(1);
        let (a, b) = (Key::new("M", "a"), Key::new("M", "b"));
        assert!(slots.take(&a));
        assert!(!slots.take(&b));
        assert_eq!(slots.release(&b), None);
        assert_eq!(slots.release(&a), Some(b));
    }
}
