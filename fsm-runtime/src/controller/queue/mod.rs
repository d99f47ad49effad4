//! Owns whose turn it is to be looked at: what somebody told of goes before what a scan found, and does not starve it. Pure.

pub(super) mod delay_queue;
pub(super) mod in_flight;

use self::delay_queue::Schedule;
use crate::store::Key;
use std::time::Duration;

/// With so many found keys no more pages of the scan are taken: a scan waits, and its memory is bounded.
const FULL: usize = 1_000;
/// While both have something due, one look in so many is for what was found. What was found leads to one or two words of
/// its own when it is done, so that this has to be more than three.
const TURNS: u32 = 4;

/// Two schedules that take turns. A key that was looked at is in neither: the look says when the next one is due.
#[derive(Default)]
pub(crate) struct Agenda {
    told: Schedule,
    found: Schedule,
    /// How many looks in a row went to what was told of, though something found was due.
    in_a_row: u32,
}

impl Agenda {
    /// Looks at `key` at `at`, or earlier where that is planned already: somebody told of it.
    pub(crate) fn tell(&mut self, key: Key, at: Duration) {
        self.told.add(key, at);
    }

    /// The same for what a scan found.
    pub(crate) fn find(&mut self, key: Key, at: Duration) {
        if self.told.planned(&key).is_none_or(|planned| planned > at) {
            self.found.add(key, at);
        }
    }

    /// Whether the scan is to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= FULL
    }

    /// When the earliest key is due.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        self.told.next().into_iter().chain(self.found.next()).min()
    }

    /// Takes a key that is due at `now`.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Key> {
        let due = |next: Option<Duration>| next.is_some_and(|at| at <= now);
        let (told, found) = (due(self.told.next()), due(self.found.next()));
        if found && (!told || self.in_a_row + 1 >= TURNS) {
            self.in_a_row = 0;
            let (key, _) = self.found.pop(now)?;
            self.told.remove(&key);
            return Some(key);
        }
        self.in_a_row = if found { self.in_a_row + 1 } else { 0 };
        let (key, _) = self.told.pop(now)?;
        self.found.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::new("M", n.to_string())
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn t3_notified_keys_go_first_and_scanned_keys_get_their_share() {
        let mut agenda = Agenda::default();
        (0..100).for_each(|n| agenda.find(key(n), at(1)));
        (200..212).for_each(|n| agenda.tell(key(n), at(2)));
        let order: Vec<Key> = std::iter::from_fn(|| agenda.pop(at(3))).collect();
        let expected = [200, 201, 202, 0, 203, 204, 205, 1];
        assert_eq!(order[..8], expected.map(key));
        assert_eq!(order.len(), 112);
    }

    #[test]
    fn a_key_is_looked_at_once() {
        let mut agenda = Agenda::default();
        agenda.find(key(1), at(1));
        agenda.tell(key(1), at(2));
        agenda.tell(key(2), at(1));
        agenda.find(key(2), at(1));
        assert_eq!(agenda.next(), Some(at(1)));
        assert_eq!(agenda.pop(at(0)), None);
        assert_eq!([agenda.pop(at(5)), agenda.pop(at(5)), agenda.pop(at(5))], [Some(key(2)), Some(key(1)), None]);
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn t3_a_scan_waits_while_the_queue_is_full() {
        let mut agenda = Agenda::default();
        (0..FULL).for_each(|n| agenda.tell(key(n), at(9)));
        assert!(!agenda.is_full(), "what is told of holds up no scan");
        (0..FULL).for_each(|n| agenda.find(key(n), at(1)));
        assert!(agenda.is_full());
        assert!(agenda.pop(at(1)).is_some());
        assert!(!agenda.is_full());
    }
}
