//! Calls through a breaker.

use super::{Breaker, CallEnd, OpenError};
use std::fmt;

/// A permit for one call, from [`Breaker::try_acquire`]. Record the outcome of the call with [`succeeded`](Self::succeeded) or
/// [`failed`](Self::failed). A call whose permit is dropped does not count.
#[must_use = "record the end of the call"]
pub struct Permit {
    breaker: Breaker,
    epoch: u64,
    ended: bool,
}

/// The error of [`Breaker::call`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E> {
    /// The call was not made, because the circuit did not admit it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The call was made and failed.
    #[error("{0}")]
    Failed(E),
}

impl<E> CallError<E> {
    /// Returns the error of the call, if it was made.
    pub fn into_failed(self) -> Option<E> {
        match self {
            Self::Open(_) => None,
            Self::Failed(error) => Some(error),
        }
    }
}

impl Permit {
    pub(super) fn new(breaker: Breaker, epoch: u64) -> Self {
        Self { breaker, epoch, ended: false }
    }

    /// Records that the call succeeded.
    pub fn succeeded(mut self) {
        self.end(CallEnd::Succeeded, None);
    }

    /// Records that the call failed with `error`.
    pub fn failed(mut self, error: impl fmt::Display) {
        self.end(CallEnd::Failed, Some(error.to_string()));
    }

    /// Returns the breaker that admitted the call.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn end(&mut self, end: CallEnd, error: Option<String>) {
        self.ended = true;
        self.breaker.record(self.epoch, end, error);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.ended {
            self.end(CallEnd::Uncounted, None);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("breaker", &self.breaker.name()).finish_non_exhaustive()
    }
}

impl Breaker {
    /// Makes a call if the circuit admits it. Every error counts as a failure.
    ///
    /// # Errors
    /// [`CallError::Open`] if the call was not made; [`CallError::Failed`] with the error of the call.
    ///
    /// # Cancel safety
    /// If the future is dropped, the future of `call` is dropped, too, and the call does not count.
    pub async fn call<T, E: fmt::Display>(&self, call: impl AsyncFnOnce() -> Result<T, E>) -> Result<T, CallError<E>> {
        self.call_counting(|_| true, call).await
    }

    /// Like [`call`](Self::call), but only errors for which `counts` returns `true` count as failures. Other errors count as successes,
    /// because the provider has answered.
    ///
    /// ```
    /// # use fsm_runtime::breaker::{Breaker, BreakerError};
    /// # #[derive(Debug, PartialEq)]
    /// enum ApiError { Declined, Unavailable }
    /// # impl std::fmt::Display for ApiError {
    /// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self:?}") }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BreakerError> {
    /// let payments = Breaker::options("payments").failures_in_a_row(1).build()?;
    /// let counts = |error: &ApiError| *error == ApiError::Unavailable;
    /// let declined = payments.call_counting(counts, async || Err::<(), _>(ApiError::Declined)).await;
    /// assert_eq!(declined.unwrap_err().into_failed(), Some(ApiError::Declined));
    /// assert!(payments.call(async || Ok::<_, ApiError>("receipt")).await.is_ok(), "a declined card is no failure of the provider");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The same as for [`call`](Self::call).
    ///
    /// # Cancel safety
    /// The same as for [`call`](Self::call).
    pub async fn call_counting<T, E: fmt::Display>(
        &self,
        counts: impl FnOnce(&E) -> bool,
        call: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, CallError<E>> {
        let permit = self.try_acquire()?;
        match call().await {
            Ok(value) => {
                permit.succeeded();
                Ok(value)
            }
            Err(error) => {
                if counts(&error) {
                    permit.failed(&error);
                } else {
                    permit.succeeded();
                }
                Err(CallError::Failed(error))
            }
        }
    }
}
