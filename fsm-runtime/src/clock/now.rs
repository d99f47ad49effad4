//! The time of a transition, for the functions of a declaration.

use super::Clock;
use std::{cell::RefCell, time::SystemTime};

/// The clock of the transition that runs on this thread, and its time once it was read.
struct Scope {
    clock: Clock,
    time: Option<SystemTime>,
}

thread_local! {
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// The time of the transition, for a guard or another function that a declaration names.
///
/// In a transition of a record, by id, by a timer or by a worker, it is the time of the runtime's clock, the same for each function of
/// one transition. A test of a deadline advances its [`ManualClock`](super::ManualClock). Elsewhere it is the time of the operating
/// system's clock; [`Clock::scope`] sets another one for a typed machine without a runtime.
///
/// ```
/// use fsm_runtime::{clock, prelude::*};
/// # use serde::{Deserialize, Serialize};
/// use std::time::{Duration, SystemTime};
///
/// #[derive(StateMachine)]
/// #[fsm(initial = Offered, durable, derive(Serialize, Deserialize))]
/// enum Offer {
///     #[on(accept => Accepted, guard = is_valid else "the offer has ended")]
///     Offered { until: SystemTime },
///     #[state(end)]
///     Accepted,
/// }
///
/// fn is_valid(offer: &offer::Offered, _: &offer::event::Accept) -> bool {
///     clock::now() < offer.until
/// }
///
/// # fn main() {
/// let manual = clock::ManualClock::new(SystemTime::UNIX_EPOCH);
/// let until = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
/// let offer = offer::Machine::new(offer::Offered { until });
/// manual.clock().scope(|| assert!(offer.would_accept(&offer::event::Accept).is_ok()));
/// manual.advance(Duration::from_secs(60));
/// manual.clock().scope(|| assert!(offer.would_accept(&offer::event::Accept).is_err()));
/// # }
/// ```
#[must_use]
pub fn now() -> SystemTime {
    SCOPE.with_borrow_mut(|scope| match scope {
        Some(Scope { clock, time }) => *time.get_or_insert_with(|| clock.now()),
        None => Clock::system().now(),
    })
}

impl Clock {
    /// Calls `f`, in which [`now`] returns the time of this clock, read once. A runtime does this around each transition.
    pub fn scope<T>(&self, f: impl FnOnce() -> T) -> T {
        let _outer = Outer(SCOPE.replace(Some(Scope { clock: self.clone(), time: None })));
        f()
    }
}

/// Restores the scope around this one, also after a panic.
struct Outer(Option<Scope>);

impl Drop for Outer {
    fn drop(&mut self) {
        SCOPE.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::{super::ManualClock, now};
    use std::time::{Duration, SystemTime};

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn one_scope_has_one_time() {
        let manual = ManualClock::new(SystemTime::UNIX_EPOCH);
        manual.clock().scope(|| {
            let first = now();
            manual.advance(MINUTE);
            assert_eq!((first, now()), (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH));
        });
        assert_eq!(manual.clock().scope(now), SystemTime::UNIX_EPOCH + MINUTE);
    }

    #[test]
    fn a_scope_ends_with_its_function_or_panic() {
        let (outer, inner) =
            (ManualClock::new(SystemTime::UNIX_EPOCH), ManualClock::new(SystemTime::UNIX_EPOCH + MINUTE));
        outer.clock().scope(|| {
            assert_eq!(inner.clock().scope(now), SystemTime::UNIX_EPOCH + MINUTE);
            assert_eq!(now(), SystemTime::UNIX_EPOCH);
            let panicked = std::panic::catch_unwind(|| inner.clock().scope(|| panic!("in a guard")));
            assert!(panicked.is_err());
            assert_eq!(now(), SystemTime::UNIX_EPOCH);
        });
        assert!(now() > SystemTime::UNIX_EPOCH + MINUTE, "the system's clock");
    }
}
