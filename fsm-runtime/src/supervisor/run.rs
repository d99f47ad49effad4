//! Owns one run of a child: its task, from the call of its closure until nothing of it is left.

use super::{
    context::{Context, Run},
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

/// What a child's future ends with: its result, and what a supervisor had to cut when it ended.
pub(super) struct Outcome {
    pub(super) result: Result<(), BoxError>,
    pub(super) cut: Vec<StoppedChild>,
}

pub(super) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;
pub(super) type Make = Arc<dyn Fn(Context) -> Work + Send + Sync>;

/// What a run tells its supervisor.
pub(super) struct Event {
    pub(super) key: u64,
    pub(super) run: u64,
    pub(super) what: What,
}

pub(super) enum What {
    Started,
    /// Its own future is gone.
    Ended(Ended),
    /// Its task and all below it are gone: its place is free.
    Gone,
}

/// How a run came to its end.
#[derive(Default)]
pub(super) struct Ended {
    /// `None` for a return, and for an abort.
    pub(super) failure: Option<ChildFailure>,
    pub(super) cut: Vec<StoppedChild>,
}

/// Spawns a run. Its supervisor is told when it has ended, and when it is gone.
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

/// Everything of the user's that can panic or block is called in here, none of it in the supervisor's own task.
async fn live(make: Make, run: Arc<Run>) -> Ended {
    let mut work = match catch_unwind(AssertUnwindSafe(|| make(Context(run.clone())))) {
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

/// An error's text is its own code too, and may panic: called where that is caught.
fn read(outcome: Outcome) -> Ended {
    let failure = outcome.result.err().map(|error| {
        let error: Arc<dyn std::error::Error + Send + Sync> = Arc::from(error);
        ChildFailure::Failed { text: Chain(&*error).to_string(), error }
    });
    Ended { failure, cut: outcome.cut }
}

fn panicked(payload: &(dyn Any + Send)) -> Ended {
    Ended { failure: Some(ChildFailure::Panicked { message: panics::text(payload) }), cut: Vec::new() }
}
