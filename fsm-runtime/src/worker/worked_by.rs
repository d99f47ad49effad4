//! The trait that links a machine to the code of its workers.

use super::{WorkClaim, error::WorkError, task::Finished};
use crate::machine::StoredMachine;
use std::future::Future;

/// A machine whose workers are implemented by `W`.
///
/// Implemented by the derive for every `W` that implements the generated `Workers` trait.
pub trait WorkedBy<W>: StoredMachine {
    #[doc(hidden)]
    fn work(
        self,
        workers: &W,
        claim: WorkClaim<Self>,
    ) -> impl Future<Output = Result<Finished<Self>, WorkError>> + Send;
    /// The event of the state's `exhausted` option; `None` where the state has none.
    #[doc(hidden)]
    fn exhausted_event(_state: Self::State, _error: &WorkError) -> Option<Self::Event> {
        None
    }
}
