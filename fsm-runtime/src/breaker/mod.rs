//! Circuit breakers: stop calls to a provider that fails, and let single calls probe whether it works again.
//!
//! All callers of a provider share a [`Breaker`]. Pass it to the [`Policy`](crate::Policy::breaker) of each `work` state whose worker calls
//! the provider. While the circuit is open, the work of these states waits. It takes no slot and uses no attempt. To protect other calls,
//! use [`Breaker::call`].
//!
//! The circuit is a state machine, [`Circuit`]:
//!
//! - *closed*: calls are made. The circuit opens after several failures in a row, or at a failure rate.
//! - *open*: calls are refused for a time, 30 s by default.
//! - *half open*: one call at a time is made as a probe. A success closes the circuit, a failure opens it again. A probe that hangs
//!   blocks all other calls, so give calls a timeout.
//!
//! A breaker counts the calls of one process. Each process detects a failing provider independently, at the cost of a few calls, and without
//! the store. Source of the pattern: Michael Nygard, *Release It!*, 2nd edition, 2018, "Circuit Breaker".
//!
//! ```
//! use fsm_runtime::breaker::{Breaker, CallError, Circuit};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let payments = Breaker::options("payments").failures_in_a_row(2).open_for(Duration::from_secs(30)).build()?;
//! for _ in 0..2 {
//!     let failed = payments.call(async || Err::<(), _>("503")).await;
//!     assert!(matches!(failed, Err(CallError::Failed("503"))));
//! }
//! let refused = payments.call(async || Ok::<_, &str>("receipt")).await;
//! assert!(matches!(refused, Err(CallError::Open(_))), "the provider is not called");
//! assert!(matches!(payments.circuit(), Circuit::Open { .. }));
//! # Ok(()) }
//! ```

mod call;
mod counted;
mod options;
mod window;

pub use self::{
    call::{CallError, Permit},
    counted::{Circuit, circuit},
    options::{BreakerError, BreakerOptions},
};
use self::{
    counted::{CallEnd, Closed, Counted, Rules},
    options::Counts,
};
use crate::{clock::Clock, sync::Mutex, worker::WorkError};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::watch;

/// A circuit breaker. Clones share one circuit.
///
/// See the [module](self) for a description.
#[derive(Clone)]
pub struct Breaker(Arc<Inner>);

struct Inner {
    name: String,
    counts: Counts,
    clock: Clock,
    state: Mutex<State>,
    /// Notified when refused calls may be admitted again, and when the circuit opens.
    changed: watch::Sender<()>,
}

struct State {
    counted: Counted,
    last_error: Option<String>,
}

/// The status of a breaker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BreakerStatus {
    /// The name of the breaker.
    pub name: String,
    /// The state of the circuit.
    pub circuit: Circuit,
    /// The time until the next probe, while the circuit is open.
    pub probe_in: Option<Duration>,
    /// The number of failures in a row while the circuit is closed.
    pub failures_in_a_row: u32,
    /// The last error that was counted.
    pub last_error: Option<String>,
}

/// A call was not made, because the circuit is open or a probe is in flight.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the circuit of `{name}` is open{}",
    probe_in.map_or_else(|| ", and its probe is in flight".to_owned(), |wait| format!(" for another {wait:.1?}"))
)]
#[non_exhaustive]
pub struct OpenError {
    /// The name of the breaker.
    pub name: String,
    /// The time until the next probe; `None` while a probe is in flight.
    pub probe_in: Option<Duration>,
}

impl Breaker {
    /// Returns the settings of a new breaker; [`build`](BreakerOptions::build) creates the breaker. `name` is shown in the log, in errors
    /// and in [`Status`](crate::Status).
    pub fn options(name: impl Into<String>) -> BreakerOptions {
        BreakerOptions::new(name.into())
    }

    fn new(name: String, rules: Rules, counts: Counts, clock: Clock) -> Self {
        let state = Mutex::new(State { counted: Counted::new(rules), last_error: None });
        Self(Arc::new(Inner { name, counts, clock, state, changed: watch::Sender::new(()) }))
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the state of the circuit. An open circuit stays open until a call is made as a probe.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        self.0.state.lock().counted.circuit()
    }

    /// Returns the status of the breaker.
    #[must_use]
    pub fn status(&self) -> BreakerStatus {
        let now = self.0.clock.elapsed();
        let state = self.0.state.lock();
        let circuit = state.counted.circuit();
        BreakerStatus {
            name: self.0.name.clone(),
            circuit,
            probe_in: match circuit {
                Circuit::Open { until } => Some(until.saturating_sub(now)),
                Circuit::Closed | Circuit::HalfOpen => None,
            },
            failures_in_a_row: state.counted.failures_in_a_row(),
            last_error: state.last_error.clone(),
        }
    }

    /// Closes the circuit and resets its counts. For operators who know that the provider works again.
    pub fn reset(&self) {
        self.update(|counted, _| counted.reset());
    }

    /// Admits a call. Record the outcome of the call with the permit.
    ///
    /// # Errors
    /// [`OpenError`] if the circuit does not admit a call now.
    pub fn try_acquire(&self) -> Result<Permit, OpenError> {
        self.admit_work().map_err(|probe_in| OpenError { name: self.0.name.clone(), probe_in })
    }

    /// Admits a call.
    fn admit(&self) -> Result<Permit, Closed> {
        let epoch = self.update(Counted::admit)?;
        Ok(Permit::new(self.clone(), epoch))
    }

    /// Checks whether a call would be admitted now. The error is the time until the next probe, or `None` if that depends on the end of a
    /// probe in flight.
    pub(crate) fn check_work(&self) -> Result<(), Option<Duration>> {
        let now = self.0.clock.elapsed();
        self.0.state.lock().counted.check(now).map_err(|closed| closed.left(now))
    }

    /// Admits a call. The error is that of [`check_work`](Self::check_work).
    pub(crate) fn admit_work(&self) -> Result<Permit, Option<Duration>> {
        self.admit().map_err(|closed| closed.left(self.0.clock.elapsed()))
    }

    /// Whether `other` is a clone of this breaker.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A receiver that is notified when refused calls may be admitted again.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Whether the `error` of a worker counts as a failure.
    pub(crate) fn counts(&self, error: &WorkError) -> bool {
        (self.0.counts)(error)
    }

    fn record(&self, epoch: u64, end: CallEnd, error: Option<String>) {
        if let Some(error) = error {
            self.0.state.lock().last_error = Some(error);
        }
        let probes = self.update(|counted, now| {
            counted.record(epoch, end, now);
            counted.circuit() == Circuit::HalfOpen
        });
        if probes {
            // The circuit is still half open after the probe, so the next probe can be made.
            self.0.changed.send_replace(());
        }
    }

    /// Changes the circuit. Logs a change of its state.
    fn update<T>(&self, change: impl FnOnce(&mut Counted, Duration) -> T) -> T {
        let now = self.0.clock.elapsed();
        let (before, after, last_error, result) = {
            let mut state = self.0.state.lock();
            let before = state.counted.circuit();
            let result = change(&mut state.counted, now);
            (before, state.counted.circuit(), state.last_error.clone(), result)
        };
        if before != after {
            self.log(after, last_error.as_deref().unwrap_or("none"), now);
            self.0.changed.send_replace(());
        }
        result
    }

    fn log(&self, circuit: Circuit, last_error: &str, now: Duration) {
        let breaker = &self.0.name;
        match circuit {
            Circuit::Open { until } => {
                let open_for = until.saturating_sub(now);
                tracing::warn!(%breaker, ?open_for, last_error, "the circuit opens: calls are refused");
            }
            Circuit::HalfOpen => tracing::info!(%breaker, "the circuit is half open: a call probes the provider"),
            Circuit::Closed => tracing::info!(%breaker, "the circuit is closed: calls are made"),
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("name", &self.0.name).field("circuit", &self.circuit()).finish_non_exhaustive()
    }
}

impl fmt::Display for BreakerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "breaker `{}`: ", self.name)?;
        match (self.circuit, self.probe_in) {
            (Circuit::Closed, _) => write!(f, "closed, {} failures in a row", self.failures_in_a_row)?,
            (Circuit::Open { .. }, wait) => write!(f, "OPEN for another {:.1?}", wait.unwrap_or_default())?,
            (Circuit::HalfOpen, _) => write!(f, "half open")?,
        }
        match &self.last_error {
            Some(error) => write!(f, ", last error: {error}"),
            None => Ok(()),
        }
    }
}
