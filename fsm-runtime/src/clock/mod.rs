//! The clock of a runtime, a manual clock for tests, and the time of a transition.

mod now;

pub use now::now;

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::watch;

/// Longer than any delay, and short enough to be added to any time that a store holds.
pub(crate) const FOREVER: Duration = Duration::from_hours(100_000 * 366 * 24);

/// Why a setting longer than [`FOREVER`] is not valid.
pub(crate) const TOO_LONG: &str = "longer than 100,000 years; leave out a limit that is never reached";

/// Where a runtime takes its time from.
///
/// [`Clock::system`] uses the operating system's clocks and tokio's timers. The clock of a [`ManualClock`] advances only when
/// a test advances it. Tokio's paused time is not enough for such tests, because it does not stop the wall clock and does not
/// wait for the store's writer thread.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System { start: Instant },
    Manual(Arc<watch::Sender<Times>>),
}

/// The times of a manual clock.
#[derive(Clone, Copy, Debug)]
struct Times {
    wall: SystemTime,
    elapsed: Duration,
    /// Whether a runtime advances the clock when it is idle.
    automatic: bool,
}

impl Clock {
    /// Returns the operating system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System { start: Instant::now() })
    }

    /// Returns the wall clock time, truncated to microseconds, the precision of a store.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Kind::System { .. } => whole_micros(SystemTime::now()),
            Kind::Manual(times) => whole_micros(times.borrow().wall),
        }
    }

    /// Returns the monotonic time since the clock was created. Timeouts are measured by it.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Kind::System { start } => start.elapsed(),
            Kind::Manual(times) => times.borrow().elapsed,
        }
    }

    /// Completes after `duration`, which counts from the call.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        // Read here, and not at the first poll.
        let deadline = self.elapsed().saturating_add(duration);
        let clock = self.0.clone();
        async move {
            match clock {
                Kind::System { start } => match start.checked_add(deadline) {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    // Later than an `Instant` can represent.
                    None => std::future::pending().await,
                },
                Kind::Manual(times) => {
                    // `times` holds the sender, so the wait cannot fail.
                    let _ = times.subscribe().wait_for(|times| times.elapsed >= deadline).await;
                }
            }
        }
    }

    /// The manual clock behind this one, if it advances by itself.
    pub(crate) fn automatic(&self) -> Option<ManualClock> {
        match &self.0 {
            Kind::Manual(times) if times.borrow().automatic => Some(ManualClock(times.clone())),
            _ => None,
        }
    }

    /// Returns the output of `future`, or `None` if it does not complete within `duration`.
    ///
    /// # Cancel safety
    /// If the future is dropped, `future` is dropped too.
    pub async fn timeout<T>(&self, duration: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.sleep(duration) => None,
        }
    }
}

/// How long something took by the system's own clock: for metrics, and for how a writer waits. Do not base decisions about instances on it.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) struct Stopwatch(Instant);

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::System { .. } => "Clock(system)",
            Kind::Manual(_) => "Clock(manual)",
        })
    }
}

/// A clock that a test advances. All clones, and each [`Clock`] that it returns, show the same time.
///
/// [`Runtime::run_for`](crate::Runtime::run_for) advances it from one due time to the next, so that a test need not compute them.
///
/// ```
/// use fsm_runtime::clock::ManualClock;
/// use std::time::{Duration, SystemTime};
///
/// let manual = ManualClock::new(SystemTime::UNIX_EPOCH);
/// let clock = manual.clock();
/// manual.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<watch::Sender<Times>>);

impl ManualClock {
    /// Creates a clock whose wall clock shows `start`.
    #[must_use]
    pub fn new(start: SystemTime) -> Self {
        Self(Arc::new(watch::Sender::new(Times { wall: start, elapsed: Duration::ZERO, automatic: false })))
    }

    /// Makes the clock advance by itself: whenever nothing of the runtime's registered machines is due or running, to the time of the
    /// next due work or timer, until nothing is scheduled any more. A test then only waits for a result, and days take no real time.
    ///
    /// Timeouts are measured by the clock, also that of [`wait_for`](crate::Machines::wait_for): pass one that is longer than the
    /// time until the result. Time passes as soon as something is scheduled, so use [`Runtime::run_for`](crate::Runtime::run_for) if a
    /// test also checks intermediate states, and for machines whose timers never end.
    ///
    #[cfg_attr(feature = "sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
    /// # use fsm_runtime::{clock::ManualClock, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::{Duration, SystemTime};
    /// #[derive(StateMachine)]
    /// #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// enum Invoice {
    ///     #[on(overdue => Overdue)]
    ///     #[after("14d", overdue)]
    ///     Open,
    ///     #[state(end)]
    ///     Overdue,
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let clock = ManualClock::new(SystemTime::UNIX_EPOCH).automatic();
    /// let runtime = Runtime::builder(Sqlite::in_memory()?).clock(clock.clock()).machine::<Invoice, _>(()).start().await?;
    /// let invoices = runtime.machines::<Invoice>();
    /// invoices.create("2026-1", invoice::Open).await?;
    /// invoices.wait_for("2026-1", invoice::State::Overdue, Duration::MAX).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn automatic(self) -> Self {
        self.0.send_modify(|times| times.automatic = true);
        self
    }

    /// Returns the clock to pass to [`Builder::clock`](crate::Builder::clock).
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock(Kind::Manual(self.0.clone()))
    }

    /// Whether this clock moves `clock`.
    pub(crate) fn moves(&self, clock: &Clock) -> bool {
        matches!(&clock.0, Kind::Manual(times) if Arc::ptr_eq(times, &self.0))
    }

    /// Advances the clock to `time`, as [`advance`](Self::advance) does. Has no effect if `time` is in the past.
    pub fn advance_to(&self, time: SystemTime) {
        self.0.send_if_modified(|times| {
            let by = time.duration_since(times.wall).unwrap_or_default();
            times.advance(by);
            !by.is_zero()
        });
    }

    /// Advances the wall clock and monotonic time, and completes each sleep whose time has come.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|times| times.advance(by));
    }

    /// Sets the wall clock only, forwards or back, as a time server does. No time passes, and no sleep completes.
    pub fn set_wall_clock(&self, time: SystemTime) {
        self.0.send_modify(|times| times.wall = time);
    }
}

impl Times {
    /// The wall clock stops if it would overflow.
    fn advance(&mut self, by: Duration) {
        self.wall = self.wall.checked_add(by).unwrap_or(self.wall);
        self.elapsed = self.elapsed.saturating_add(by);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&*self.0.borrow()).finish()
    }
}

/// Truncated to the precision of a store, so that a time equals itself after it is written and read.
fn whole_micros(time: SystemTime) -> SystemTime {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => time - Duration::from_nanos(u64::from(since.subsec_nanos() % 1_000)),
        Err(_) => time,
    }
}
