//! What is committed in the transaction of a worker's result.

use super::WorkError;
use crate::{
    engine::Engine,
    store::{Change, StoreError, Verdict},
};
use std::{fmt, future::Future, pin::Pin, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Commits the worker's change with a group, until the token is cancelled. The records know groups, so they build it.
pub(crate) type CommitBeside =
    Box<dyn FnOnce(Arc<Engine>, Own, CancellationToken) -> Pin<Box<dyn Future<Output = Committed> + Send>> + Send>;

/// The worker's own change.
pub(crate) struct Own {
    pub(crate) change: Change,
    pub(crate) again: DecideAgain,
}

/// A worker's change on the row of a verdict, if internal transitions have changed it under the same claim; an error if the worker's event
/// is refused there.
pub(crate) type DecideAgain = Box<dyn Fn(&Change, &Verdict) -> Option<Decided> + Send + Sync>;

type Decided = Result<Change, WorkError>;

/// The outcome of a worker's change that was committed with a group.
pub(crate) enum Committed {
    /// The verdict on the worker's own change. Nothing of the group was applied unless it is `Verdict::Committed`.
    Own(Result<Verdict, StoreError>),
    /// The group was refused, so nothing was applied.
    Refused(WorkError),
}

/// A group that waits for its worker's end.
#[derive(Default)]
pub(crate) struct Beside(pub(crate) Option<CommitBeside>);

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Beside(group)" } else { "Beside(nothing)" })
    }
}
