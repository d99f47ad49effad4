//! The error with which a worker fails.

use std::{error::Error, fmt, time::Duration};

/// The error of a worker.
///
/// The `?` operator converts every error, `&str` and `String` into one that is retried with backoff. Use
/// [`permanent`](Self::permanent) if a retry cannot help, and [`retry_after`](Self::retry_after) to set the delay.
///
/// `WorkError` does not implement [`Error`], because it converts from every error.
pub struct WorkError {
    source: Box<dyn Error + Send + Sync>,
    permanent: bool,
    delay: Option<Duration>,
    /// The event that was refused, by a guard.
    refused: Option<Box<FiredEvent>>,
}

/// An event of a worker, as it is stored.
#[derive(Clone)]
pub(crate) struct FiredEvent {
    pub(crate) name: String,
    pub(crate) payload: String,
}

impl WorkError {
    /// An error that is not retried: the state's `exhausted` event is fired; without one, the instance is parked with this error
    /// as the reason.
    pub fn permanent(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { permanent: true, ..Self::from(source) }
    }

    /// An error that is retried after `delay` instead of the backoff. The attempt counts.
    pub fn retry_after(delay: Duration, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { delay: Some(delay), ..Self::from(source) }
    }

    /// Whether the error is permanent: the work is not retried.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// A permanent error: `event` was refused.
    pub(crate) fn refused(event: FiredEvent, why: String) -> Self {
        Self { refused: Some(Box::new(event)), ..Self::permanent(why) }
    }

    pub(crate) fn take_refused(&mut self) -> Option<Box<FiredEvent>> {
        self.refused.take()
    }

    pub(crate) fn delay(&self) -> Option<Duration> {
        self.delay
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for WorkError {
    fn from(source: E) -> Self {
        Self { source: source.into(), permanent: false, delay: None, refused: None }
    }
}

/// Prints the error and its sources, outermost first, separated by colons.
impl fmt::Display for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        let mut cause = self.source.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", if self.permanent { "permanent" } else { "retryable" })
    }
}
