//! One run of a child: its task, from the call of the closure until the task and all tasks below it have ended.

use super::{
    context::{ChildContext, Run},
    descendants::Membership,
    error::{BoxError, Chain, ChildFailure},
    report::StoppedChild,
};
use crate::panics;
use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};
use tracing::Instrument as _;

/// The output of a child's future: its result, and the children that a child supervisor stopped by force.
pub(super) struct Outcome {
    pub(super) result: Result<(), BoxError>,
    pub(super) forced: Vec<StoppedChild>,
}

pub(super) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;
pub(super) type Make = Arc<dyn Fn(ChildContext) -> Work + Send + Sync>;

/// An event of a run, for its supervisor.
pub(super) struct Event {
    pub(super) key: u64,
    pub(super) run: u64,
    pub(super) what: What,
}

pub(super) enum What {
    Started,
    /// Its future has ended.
    Ended(Ended),
    /// Its task and all tasks below it have ended.
    Gone,
}

/// How a run ended.
#[derive(Default)]
pub(super) struct Ended {
    /// `None` for a return, and for an abort.
    pub(super) failure: Option<ChildFailure>,
    pub(super) forced: Vec<StoppedChild>,
}

/// Spawns a run. Sends events when its future and when its task have ended.
pub(super) fn spawn(make: Make, run: Arc<Run>, place: Membership) {
    let span = tracing::info_span!("child", id = %run.id, run = run.number);
    let task = async move {
        let ended = live(make, run.clone()).await;
        run.tell(What::Ended(ended));
        if let Some(descendants) = &run.descendants {
            descendants.emptied().await;
        }
        drop(place);
        run.tell(What::Gone);
    };
    tokio::spawn(task.instrument(span));
}

/// Runs all user code that can panic or block, so that none runs in the supervisor's own task.
async fn live(make: Make, run: Arc<Run>) -> Ended {
    let mut work = match catch_unwind(AssertUnwindSafe(|| make(ChildContext(run.clone())))) {
        Ok(work) => work,
        Err(payload) => return panicked(&*payload),
    };
    let mut aborted = pin!(run.aborted.cancelled());
    let ended = poll_fn(|cx| {
        if aborted.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ended::default());
        }
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx).map(read))) {
            Ok(polled) => polled,
            Err(payload) => Poll::Ready(panicked(&*payload)),
        }
    })
    .await;
    match catch_unwind(AssertUnwindSafe(|| drop(work))) {
        Ok(()) => ended,
        Err(payload) => panicked(&*payload),
    }
}

/// Formatting an error is user code and may panic; call it where panics are caught.
fn read(outcome: Outcome) -> Ended {
    let failure = outcome.result.err().map(|error| {
        let error: Arc<dyn std::error::Error + Send + Sync> = Arc::from(error);
        ChildFailure::Failed { text: Chain(&*error).to_string(), error }
    });
    Ended { failure, forced: outcome.forced }
}

fn panicked(payload: &(dyn Any + Send)) -> Ended {
    Ended { failure: Some(ChildFailure::Panicked { message: panics::text(payload) }), forced: Vec::new() }
}
