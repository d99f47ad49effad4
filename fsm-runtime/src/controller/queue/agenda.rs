//! The order of looks: notified keys take priority over those found by a scan, without starving them. Pure.

use super::delay_queue::DelayQueue;
use crate::store::Key;
use std::time::Duration;

/// With so many found keys no more pages of the scan are accepted, which bounds the memory of a scan.
const FULL: usize = 1_000;
/// While both kinds are due, every `TURNS`-th look is for a found key. A found key leads to one or two notifications of its own,
/// so this must be greater than three.
const TURNS: u32 = 4;

/// Two delay queues that take turns. A key that was looked at is in neither: the look decides about the next one.
#[derive(Default)]
pub(crate) struct Agenda {
    notified: DelayQueue,
    found: DelayQueue,
    /// The number of looks in a row at notified keys while a found key was due.
    in_a_row: u32,
}

impl Agenda {
    /// Schedules a notified key at `at`, or earlier where it is scheduled already.
    pub(crate) fn notify(&mut self, key: Key, at: Duration) {
        self.notified.add(key, at);
    }

    /// Schedules a key that a scan has found, unless it is scheduled earlier.
    pub(crate) fn add_found(&mut self, key: Key, at: Duration) {
        if self.notified.get(&key).is_none_or(|planned| planned > at) {
            self.found.add(key, at);
        }
    }

    /// Whether no more found keys are accepted.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= FULL
    }

    /// The time of the earliest key.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        self.notified.next().into_iter().chain(self.found.next()).min()
    }

    /// Takes a key that is due at `now`.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Key> {
        let due = |next: Option<Duration>| next.is_some_and(|at| at <= now);
        let (notified, found) = (due(self.notified.next()), due(self.found.next()));
        if found && (!notified || self.in_a_row + 1 >= TURNS) {
            self.in_a_row = 0;
            let (key, _) = self.found.pop(now)?;
            self.notified.remove(&key);
            return Some(key);
        }
        self.in_a_row = if found { self.in_a_row + 1 } else { 0 };
        let (key, _) = self.notified.pop(now)?;
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
        (0..100).for_each(|n| agenda.add_found(key(n), at(1)));
        (200..212).for_each(|n| agenda.notify(key(n), at(2)));
        let order: Vec<Key> = std::iter::from_fn(|| agenda.pop(at(3))).collect();
        let expected = [200, 201, 202, 0, 203, 204, 205, 1];
        assert_eq!(order[..8], expected.map(key));
        assert_eq!(order.len(), 112);
    }

    #[test]
    fn a_key_is_looked_at_once() {
        let mut agenda = Agenda::default();
        agenda.add_found(key(1), at(1));
        agenda.notify(key(1), at(2));
        agenda.notify(key(2), at(1));
        agenda.add_found(key(2), at(1));
        assert_eq!(agenda.next(), Some(at(1)));
        assert_eq!(agenda.pop(at(0)), None);
        assert_eq!([agenda.pop(at(5)), agenda.pop(at(5)), agenda.pop(at(5))], [Some(key(2)), Some(key(1)), None]);
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn t3_a_scan_waits_while_the_queue_is_full() {
        let mut agenda = Agenda::default();
        (0..FULL).for_each(|n| agenda.notify(key(n), at(9)));
        assert!(!agenda.is_full(), "notified keys do not hold up the scan");
        (0..FULL).for_each(|n| agenda.add_found(key(n), at(1)));
        assert!(agenda.is_full());
        assert!(agenda.pop(at(1)).is_some());
        assert!(!agenda.is_full());
    }
}
