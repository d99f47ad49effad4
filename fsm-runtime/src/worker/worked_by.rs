//! The trait that links a machine to the code that does its work.

use super::{WorkClaim, error::WorkError, task::Finished};
use crate::machine::StoredMachine;
use std::future::Future;

/// `W` does the async work of `Self`. Implemented by the derive for every `W` that implements the module's `Workers`.
pub trait WorkedBy<W>: StoredMachine {
    #[doc(hidden)]
    fn work(
        self,
        workers: &W,
        lease: WorkClaim<Self>,
    ) -> impl Future<Output = Result<Finished<Self>, WorkError>> + Send;
    /// The event that the state's `exhausted` fires; `None` where it declares none.
    #[doc(hidden)]
    fn exhausted_event(_state: Self::State, _error: &WorkError) -> Option<Self::Event> {
        None
    }
}
