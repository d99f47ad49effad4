//! Owns time: the one clock that a runtime reads and sleeps by, and the one that tests drive.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::watch;

/// Longer than any delay, and short enough to be added to any time that a store holds.
pub(crate) const FOREVER: Duration = Duration::from_hours(100_000 * 366 * 24);

/// Where a runtime takes its time from.
///
/// [`Clock::system`] is the operating system's, with tokio's timers. A [`ManualClock`] stands still until a test moves
/// it; tokio's own paused time cannot serve here, because it neither stops wall clocks nor waits for the store's writer
/// thread.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System { start: Instant },
    Manual(Arc<watch::Sender<Times>>),
}

/// What a manual clock shows.
#[derive(Clone, Copy, Debug)]
struct Times {
    wall: SystemTime,
    elapsed: Duration,
}

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System { start: Instant::now() })
    }

    /// The wall clock's time, in whole microseconds: what is stored.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Kind::System { .. } => whole_micros(SystemTime::now()),
            Kind::Manual(times) => whole_micros(times.borrow().wall),
        }
    }

    /// Monotonic time since the clock was made: what deadlines are counted by.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Kind::System { start } => start.elapsed(),
            Kind::Manual(times) => times.borrow().elapsed,
        }
    }

    /// Ends when `duration` has passed. Cancel safe: a dropped sleep has no effect.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        // Counted from now on, not from the first poll.
        let deadline = self.elapsed().saturating_add(duration);
        let clock = self.0.clone();
        async move {
            match clock {
                Kind::System { start } => match start.checked_add(deadline) {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    // Beyond what the system can count.
                    None => std::future::pending().await,
                },
                Kind::Manual(times) => {
                    // The sender lives in `times` itself, so that waiting cannot fail.
                    let _ = times.subscribe().wait_for(|times| times.elapsed >= deadline).await;
                }
            }
        }
    }

    /// What `future` gives, or `None` when `duration` has passed first.
    pub async fn timeout<T>(&self, duration: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.sleep(duration) => None,
        }
    }
}

/// How long something took by the system's own clock: for what is measured, never for what is decided.
pub(crate) struct Stopwatch(Instant);

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

/// A clock that a test moves by hand; every [`Clock`] made from it follows.
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
    /// A clock that stands still at `start`.
    #[must_use]
    pub fn new(start: SystemTime) -> Self {
        Self(Arc::new(watch::Sender::new(Times { wall: start, elapsed: Duration::ZERO })))
    }

    /// The clock to give to [`Builder::clock`](crate::Builder::clock).
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock(Kind::Manual(self.0.clone()))
    }

    /// Moves time on to `time`, as [`advance`](Self::advance) does; nothing happens if it is past.
    pub fn advance_to(&self, time: SystemTime) {
        self.0.send_if_modified(|times| {
            let by = time.duration_since(times.wall).unwrap_or_default();
            times.advance(by);
            !by.is_zero()
        });
    }

    /// Moves time on, and wakes every sleep that this ends.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|times| times.advance(by));
    }

    /// Sets the wall clock alone, forwards or back, as a person or a time server does: no time passes, and no sleep ends.
    pub fn set_wall_clock(&self, time: SystemTime) {
        self.0.send_modify(|times| times.wall = time);
    }
}

impl Times {
    /// A wall clock that comes to the end of what can be counted stands still there.
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
