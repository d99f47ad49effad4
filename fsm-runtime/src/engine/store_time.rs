//! The store's time. A store for several hosts has a clock of its own, and due times are counted by it.

use crate::{clock::Clock, sync::Mutex};
use std::time::{Duration, SystemTime};

/// The store's time as it was last answered.
#[derive(Default)]
pub(crate) struct StoreTime(Mutex<Option<Anchor>>);

#[derive(Clone, Copy)]
struct Anchor {
    /// The store's time.
    store: SystemTime,
    /// The monotonic time at which it was answered.
    elapsed: Duration,
}

impl StoreTime {
    /// Monotonic time since the last answer, after the store's time in it. Steps of this host's wall clock have no effect. For a store
    /// that counts by the caller's clock, that clock.
    pub(super) fn now(&self, clock: &Clock) -> SystemTime {
        let anchor = *self.0.lock();
        let Some(Anchor { store, elapsed }) = anchor else { return clock.now() };
        store.checked_add(clock.elapsed().saturating_sub(elapsed)).unwrap_or(store)
    }

    /// Takes the store's time from an answer to a call that was given the wall clock's time `asked`. The store has read its clock before
    /// the answer arrived, so this clock is never ahead of it.
    pub(super) fn set(&self, clock: &Clock, asked: SystemTime, answered: SystemTime) {
        let anchor = Anchor { store: answered, elapsed: clock.elapsed() };
        *self.0.lock() = (asked != answered).then_some(anchor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn the_store_is_ahead_by_what_it_answered() {
        let second = Duration::from_secs(1);
        let (start, ahead) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + 3_600 * second);
        let (manual, time) = (ManualClock::new(start), StoreTime::default());
        let clock = manual.clock();
        assert_eq!(time.now(&clock), start);
        time.set(&clock, start, ahead);
        manual.advance(second);
        assert_eq!(time.now(&clock), ahead + second);
        manual.set_wall_clock(start + 99 * second);
        assert_eq!(time.now(&clock), ahead + second, "the wall clock of this host has no effect");
        let asked = clock.now();
        time.set(&clock, asked, asked);
        assert_eq!(time.now(&clock), asked, "the store counts by the caller's clock");
        manual.set_wall_clock(start);
        assert_eq!(time.now(&clock), start);
    }
}
