//! [`ChildContext`]: what a child can do: observe cancellation, beat, save its position, hand on results.

use super::{
    descendants::Descendants,
    error::{PositionError, PositionTypeError},
    liveness::Liveness,
    run::{Event, What},
    saved_position::SavedPosition,
};
use crate::clock::Clock;
use std::{any::Any, fmt, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The handle that a child has for one of its runs. Clones are handles of the same run.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use fsm_runtime::supervisor::{Child, Supervisor};
/// use std::time::Duration;
/// use tokio::sync::mpsc;
///
/// let (output, mut stream) = mpsc::channel(1);
/// let squares = Child::new("squares", move |ctx| {
///     let output = output.clone();
///     async move {
///         let mut next = ctx.saved()?.unwrap_or(1_u64); // the position that the previous run saved
///         loop {
///             ctx.hand_on(&output, next * next, next + 1).await?; // sends and saves in one step
///             next += 1;
///             assert_ne!(next, 3, "a panic ends this run, and the next one continues");
///         }
///     }
/// });
/// let supervisor = Supervisor::builder().child(squares).start().await?;
/// for expected in [1, 4, 9, 16] {
///     assert_eq!(stream.recv().await, Some(expected)); // one receiver for all runs
/// }
/// supervisor.shutdown(Duration::from_secs(5)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ChildContext(pub(super) Arc<Run>);

/// State shared by a run and its supervisor.
pub(super) struct Run {
    /// The child's place among its siblings.
    pub(super) key: u64,
    pub(super) id: Arc<str>,
    pub(super) number: u64,
    pub(super) clock: Clock,
    pub(super) cancelled: CancellationToken,
    pub(super) aborted: CancellationToken,
    pub(super) liveness: Liveness,
    /// The heartbeat timeout.
    pub(super) heartbeat: Option<Duration>,
    pub(super) position: Arc<SavedPosition>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    /// The tasks below it, if the child is a supervisor.
    pub(super) descendants: Option<Arc<Descendants>>,
}

impl ChildContext {
    /// The child's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The number of this run, from 1.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.0.number
    }

    /// The supervisor's clock. A child that sleeps by it can be tested without sleeping.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Reports that the child has started, so that the next child can start. Corresponds to the return of OTP's `init`. Has
    /// an effect only for a child that [reports its start](super::Child::reports_start), and only once in a run.
    pub fn started(&self) {
        self.0.tell(What::Started);
    }

    /// Completes when the child should stop. The child then has its [shutdown timeout](super::Child::shutdown_timeout) to
    /// return; after that it is aborted.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn cancelled(&self) {
        self.0.cancelled.cancelled().await;
    }

    /// Returns `true` if the child should stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    /// Records a heartbeat; see [`Child::heartbeat`](super::Child::heartbeat). Cheap enough for every iteration of a loop.
    pub fn beat(&self) {
        self.0.liveness.beat(self.0.clock.elapsed());
    }

    /// Records a heartbeat and a progress value; see [`Child::stall`](super::Child::stall). Any change of the value counts as
    /// progress.
    pub fn progress(&self, value: u64) {
        self.0.liveness.progress(self.0.clock.elapsed(), value);
    }

    /// The position that this run or an earlier run of this child saved last, if any.
    ///
    /// Positions are kept in memory. They survive restarts and `terminate`, and are dropped when the child is removed or its
    /// supervisor ends.
    ///
    /// # Errors
    ///
    /// [`PositionTypeError`] if it was saved as another type.
    pub fn saved<T: Any + Clone>(&self) -> Result<Option<T>, PositionTypeError> {
        self.0.position.saved()
    }

    /// Saves the position at which the next run begins.
    ///
    /// # Errors
    ///
    /// [`PositionError::Fenced`] if this run has been replaced; nothing is saved.
    pub fn save<T: Any + Send>(&self, position: T) -> Result<(), PositionError> {
        self.0.position.save(self.0.number, position, || ())
    }

    /// Sets the position at which the next run begins if this run fails before it saves again. Call it before processing an
    /// item, so that an item that crashes the child is skipped by the next run. If the supervisor stops the run (for a
    /// shutdown, or because a sibling failed), this position is discarded and the next run processes the item again.
    ///
    /// # Errors
    ///
    /// [`PositionError::Fenced`] if this run has been replaced.
    pub fn passing<T: Any + Send>(&self, position: T) -> Result<(), PositionError> {
        self.0.position.pass(self.0.number, position)
    }

    /// Sends `value` to `output` and saves `position` in one step: both happen or neither, even if the run is aborted. Waits
    /// for capacity without a timeout; the wait counts neither as a missed heartbeat nor as a stall.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, nothing was sent or saved, and `value` is dropped.
    ///
    /// # Errors
    ///
    /// [`PositionError::Stopping`] if the child is cancelled while it waits for capacity; [`PositionError::Closed`] if the
    /// receiver is gone; [`PositionError::Fenced`] if this run has been replaced. In each case nothing is sent or saved.
    pub async fn hand_on<T, P: Any + Send>(
        &self,
        output: &mpsc::Sender<T>,
        value: T,
        position: P,
    ) -> Result<(), PositionError> {
        let waiting = Waiting::new(&self.0);
        let room = tokio::select! {
            biased;
            room = output.reserve() => room.map_err(|_| PositionError::Closed)?,
            () = self.cancelled() => return Err(PositionError::Stopping),
        };
        drop(waiting);
        self.0.position.save(self.0.number, position, || {
            room.send(value);
        })
    }
}

impl Run {
    pub(super) fn tell(&self, what: What) {
        // The supervisor may be gone.
        let _ = self.events.send(Event { key: self.key, run: self.number, what });
    }
}

/// Marks the run as waiting until this is dropped.
struct Waiting<'a>(&'a Run);

impl<'a> Waiting<'a> {
    fn new(run: &'a Run) -> Self {
        run.liveness.wait();
        Self(run)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.liveness.resume(self.0.clock.elapsed());
    }
}

impl fmt::Debug for ChildContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildContext").field("id", &self.0.id).field("run", &self.0.number).finish_non_exhaustive()
    }
}
