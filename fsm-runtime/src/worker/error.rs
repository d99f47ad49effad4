//! The error with which a worker fails.

use std::{error::Error, fmt, time::Duration};

/// A worker's failure. `?` makes one of every error, of `&str` and of `String`: the work is tried again, with backoff.
///
/// It is not itself an [`Error`], so that `?` can take every error.
pub struct WorkError {
    source: Box<dyn Error + Send + Sync>,
    permanent: bool,
    delay: Option<Duration>,
}

impl WorkError {
    /// Trying again would not help: the state's `exhausted` event is fired, or else the instance is parked at once, with this as the
    /// reason.
    pub fn permanent(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { permanent: true, ..Self::from(source) }
    }

    /// Try again after `delay` instead of the backoff's own; the attempt counts.
    pub fn retry_after(delay: Duration, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { delay: Some(delay), ..Self::from(source) }
    }

    /// Whether trying again would not help.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    pub(crate) fn delay(&self) -> Option<Duration> {
        self.delay
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for WorkError {
    fn from(source: E) -> Self {
        Self { source: source.into(), permanent: false, delay: None }
    }
}

/// The error and what caused it, outermost first.
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
