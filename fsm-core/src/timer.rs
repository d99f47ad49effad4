//! The timers of a machine that is not stored, and what a delay can be.

use core::time::Duration;

/// A timer of a machine's present state, as the generated `Any::timers` returns it.
///
/// The runtime of `fsm-runtime` runs the timers of its instances. Code without it starts them itself: it fires `event` once `after` has
/// passed, unless the machine has left the state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timer<E> {
    /// The event that it fires, with its payload.
    pub event: E,
    /// The time from entry into the state until it fires. Of a timer that fires at a time, the time that is left; zero if it has passed.
    pub after: Duration,
}

impl<E> Timer<E> {
    /// A timer that fires `event` once `after` has passed.
    pub const fn new(event: E, after: Duration) -> Self {
        Self { event, after }
    }
}

/// The duration of a timer, a constant, which is checked when it is compiled.
///
/// # Panics
/// If it is zero, which is a compile error: only the initial value of a constant calls this.
#[must_use]
pub const fn not_zero(delay: Duration) -> Duration {
    assert!(!delay.is_zero(), "the duration of a timer cannot be zero: write at least 1 ms");
    delay
}

/// What the closure of an `#[after(…)]` returns.
#[diagnostic::on_unimplemented(
    message = "the delay of a timer is a `Duration`, not `{Self}`",
    label = "this closure has to return a `Duration`",
    note = "return a `core::time::Duration`, or an `Option<Duration>`: with `None`, the timer does not run",
    note = "a timer that fires at a time is written `#[at(|state| state.until, event)]`"
)]
pub trait Delay {
    /// The delay; `None` if the timer does not run.
    fn __delay(self) -> Option<Duration>;
}

impl Delay for Duration {
    fn __delay(self) -> Option<Duration> {
        Some(self)
    }
}

impl Delay for Option<Duration> {
    fn __delay(self) -> Option<Duration> {
        self
    }
}
