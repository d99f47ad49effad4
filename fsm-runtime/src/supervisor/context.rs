//! Owns what a child sees of its supervisor: when to stop, how to show life, where it stood, and how to hand on results.

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

/// One run of a child, as the child sees it. Clones are the same run.
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
///         let mut next = ctx.saved()?.unwrap_or(1_u64); // where the run before this one stood
///         loop {
///             ctx.hand_on(&output, next * next, next + 1).await?; // both, or neither
///             next += 1;
///             assert_ne!(next, 3, "it dies of this, and the next run goes on");
///         }
///     }
/// });
/// let supervisor = Supervisor::builder().child(squares).start().await?;
/// for expected in [1, 4, 9, 16] {
///     assert_eq!(stream.recv().await, Some(expected)); // one receiver over all runs
/// }
/// supervisor.shutdown(Duration::from_secs(5)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Context(pub(super) Arc<Run>);

/// What a run and its supervisor share.
pub(super) struct Run {
    /// The child's place among its siblings.
    pub(super) key: u64,
    pub(super) id: Arc<str>,
    pub(super) number: u64,
    pub(super) clock: Clock,
    pub(super) cancelled: CancellationToken,
    pub(super) aborted: CancellationToken,
    pub(super) liveness: Liveness,
    /// How often it must beat.
    pub(super) heartbeat: Option<Duration>,
    pub(super) position: Arc<SavedPosition>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    /// Of a supervisor only: who lives below it.
    pub(super) descendants: Option<Arc<Descendants>>,
}

impl Context {
    /// The child's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Which run of the child this is, from 1.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.0.number
    }

    /// The supervisor's clock. A child that sleeps by it can be tested without sleeping.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Says that the child has started, so that the next one may: OTP's `init` has returned. Of effect only for a
    /// child that [reports its start](super::Child::reports_start), and only once in a run.
    pub fn started(&self) {
        self.0.tell(What::Started);
    }

    /// Ends when the child is to stop. It then has its [shutdown timeout](super::Child::shutdown_timeout) to return, and
    /// is aborted after that. Cancel safe.
    pub async fn cancelled(&self) {
        self.0.cancelled.cancelled().await;
    }

    /// Whether the child is to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    /// Shows that the child is alive; see [`Child::heartbeat`](super::Child::heartbeat). Cheap enough for every turn of
    /// a loop.
    pub fn beat(&self) {
        self.0.liveness.beat(self.0.clock.elapsed());
    }

    /// Beats, and says how far the child is; see [`Child::stall`](super::Child::stall). Any change counts as progress.
    pub fn progress(&self, value: u64) {
        self.0.liveness.progress(self.0.clock.elapsed(), value);
    }

    /// The position that an earlier run of this child saved, or this one; `None` if none did.
    ///
    /// Positions are kept in memory, with the child's entry: over restarts and `terminate`, until it is removed or its
    /// supervisor ends.
    ///
    /// # Errors
    ///
    /// [`PositionTypeError`] if it was saved as another type.
    pub fn saved<T: Any + Clone>(&self) -> Result<Option<T>, PositionTypeError> {
        self.0.position.saved()
    }

    /// Saves where the next run is to begin.
    ///
    /// # Errors
    ///
    /// [`PositionError::Fenced`] if this run counts no more; nothing is saved then.
    pub fn save<T: Any + Send>(&self, position: T) -> Result<(), PositionError> {
        self.0.position.save(self.0.number, position, || ())
    }

    /// Says what the child is about to pass: if this run dies before it saves again, the next one begins at `position`,
    /// so that a poisonous item is not met for ever. A run that its supervisor stops in the middle (for a shutdown, or
    /// since a sibling failed) has not passed it, and the next one meets the item again.
    ///
    /// # Errors
    ///
    /// [`PositionError::Fenced`] if this run counts no more.
    pub fn passing<T: Any + Send>(&self, position: T) -> Result<(), PositionError> {
        self.0.position.pass(self.0.number, position)
    }

    /// Hands `value` on to `output` and saves `position`, in one step: both happen, or neither, also against an abort.
    /// Waits for room as long as it takes, which is neither silence nor stall: the child waits for its consumer.
    ///
    /// Cancel safe: dropped before it ends, it has done nothing, and `value` is lost with it.
    ///
    /// # Errors
    ///
    /// [`PositionError::Stopping`] if the child is told to stop and there is no room; [`PositionError::Closed`] if the receiver is
    /// gone; [`PositionError::Fenced`] if this run counts no more. Nothing is handed on or saved then.
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
        // A supervisor that is gone has nobody left to tell.
        let _ = self.events.send(Event { key: self.key, run: self.number, what });
    }
}

/// A wait for somebody else, over when this is dropped.
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

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("id", &self.0.id).field("run", &self.0.number).finish_non_exhaustive()
    }
}
