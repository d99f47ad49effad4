//! Changes of instances, and groups of changes.

use super::row::{Key, Row};
use super::timer::Timer;
use std::{
    fmt,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

/// Changes that are applied all or none.
#[derive(Clone, Debug)]
pub struct Group {
    /// In the order in which they are applied.
    pub changes: Vec<Change>,
}

impl From<Change> for Group {
    fn from(change: Change) -> Self {
        Self { changes: vec![change] }
    }
}

/// One change of one row, as a compare-and-swap.
///
/// The enum and its structs are exhaustive on purpose: a store has to apply every change and every field of it, so an addition must not
/// compile in a store that ignores it.
#[derive(Clone, Debug)]
pub enum Change {
    /// Creates an instance if there is none under the key.
    Create(Create),
    /// A transition, which increments the version.
    Transition(Transition),
    /// Claims the row for a worker, under a new fence.
    Claim(Claim),
    /// Stores the checkpoint of the worker of a claimed row.
    SaveCheckpoint(SaveCheckpoint),
    /// Releases a claimed row.
    Release(Release),
    /// Makes work due and starts timers that the state's declaration has gained.
    Arm(Arm),
    /// Ends a timer of the current state.
    Disarm(Disarm),
    /// An operator's move that no transition allows. It increments the version.
    Override(Override),
    /// Sets the desired state of an instance.
    SetDesiredState(SetDesiredState),
    /// Holds an instance, or ends a hold.
    Hold(Hold),
    /// Deletes an instance with its history and idempotency keys.
    Purge(Purge),
    /// Stores a row's data under a newer schema version.
    Rewrite(Rewrite),
}

impl Change {
    /// The instance that is changed.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Create(change) => &change.key,
            Self::Transition(change) => &change.key,
            Self::Claim(change) => &change.key,
            Self::SaveCheckpoint(change) => &change.key,
            Self::Release(change) => &change.key,
            Self::Arm(change) => &change.key,
            Self::Disarm(change) => &change.key,
            Self::Override(change) => &change.key,
            Self::SetDesiredState(change) => &change.key,
            Self::Hold(change) => &change.key,
            Self::Purge(change) => &change.key,
            Self::Rewrite(change) => &change.key,
        }
    }
}

/// The content of a row in its new state.
#[derive(Clone)]
pub struct Entering {
    /// The state's stored name.
    pub state: String,
    /// The state's data, as JSON.
    pub data: String,
    /// The machine's shared data, as JSON.
    pub context: Option<String>,
    /// The schema version of the data.
    pub schema: u32,
    /// The timers of the state. Those of an earlier state end. In an [internal](Transition::internal) transition, the timers that start
    /// again; the others continue.
    pub timers: Vec<Timer>,
    /// Whether work is due at once.
    pub work: bool,
    /// Whether the row is removed on entry. Its history is kept.
    pub remove: bool,
}

/// The user's data is never printed.
impl fmt::Debug for Entering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entering").field("state", &self.state).finish_non_exhaustive()
    }
}

/// The origin of a change, as stored in the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The person or system, as the application names it.
    pub actor: Option<String>,
    /// The id of the trace, as the tracing system names it.
    pub trace: Option<String>,
}

/// The cause of a change.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Application code, through a record or an id.
    Caller,
    /// The state's worker.
    Worker,
    /// The state's timer.
    Timer,
    /// An operator.
    Operator,
    /// Convergence toward a desired state.
    Converge,
    /// Instances that the state waits for.
    Wait,
}

impl Cause {
    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Worker => "worker",
            Self::Timer => "timer",
            Self::Operator => "operator",
            Self::Converge => "converge",
            Self::Wait => "wait",
        }
    }
}

/// Creates an instance.
#[derive(Clone, Debug)]
pub struct Create {
    /// The instance.
    pub key: Key,
    /// A new uuid, version 7.
    pub incarnation: Uuid,
    /// The initial state.
    pub into: Entering,
    /// The cause.
    pub cause: Cause,
    /// A second creation with the same key returns the first.
    pub idempotency_key: Option<String>,
    /// The origin.
    pub origin: Origin,
}

/// A transition.
#[derive(Clone)]
pub struct Transition {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The fence of a worker's own commit, which also releases its claim.
    pub fence: Option<u64>,
    /// The state before.
    pub from: String,
    /// The event's name.
    pub event: String,
    /// Its payload, as JSON.
    pub payload: String,
    /// The state after.
    pub into: Entering,
    /// Whether the visit to the state continues, as in an internal transition.
    ///
    /// The row then gets a new version, and the state's name, data, context and schema of `into`. It keeps `entered` and `updated`, its
    /// timers except those of `into`, its checkpoint and error, its desired state and the time of its convergence. The kind of the history
    /// entry is [`Internal`](super::HistoryKind::Internal).
    ///
    /// - Without `fence`, the row keeps its attempts, and stays claimed, due or parked.
    /// - With `fence` (the worker's own event), the worker has ended: the claim is released, work is due as `into` says, and attempts are
    ///   counted from zero.
    pub internal: bool,
    /// The cause.
    pub cause: Cause,
    /// The time of the timer that fires it. Before that, by the store's time, it is not applied: the verdict is
    /// [`TooEarly`](super::Verdict::TooEarly).
    pub not_before: Option<SystemTime>,
    /// A second transition with the same key returns the first. Looked up before version and state.
    pub idempotency_key: Option<String>,
    /// The origin.
    pub origin: Origin,
}

/// The user's data is never printed.
impl fmt::Debug for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: {} --{}-> {}", self.key, self.version, self.from, self.event, self.into.state)
    }
}

/// Claims a row for a worker: it gets a new owner, a new fence and one more attempt, and no work is due until it is released. A claim that takes
/// over an unfinished attempt of another owner sets the row's error to [`Claim::CRASH`].
#[derive(Clone, Debug)]
pub struct Claim {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The fence that was read.
    pub fence: u64,
    /// The new owner.
    pub owner: String,
}

impl Claim {
    /// The error of an attempt whose process ended before it did.
    pub const CRASH: &str = "crash: the process ended before the attempt";
}

/// Releases a row: it has no owner afterwards.
#[derive(Clone, Debug)]
pub struct Release {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The fence of the claim.
    pub fence: u64,
    /// The owner that was read, so that a repeated release does not match its own effect.
    pub owner: Option<String>,
    /// The delay until work is due again; `None` if it is not.
    pub retry: Option<Duration>,
    /// The effect on the count of attempts.
    pub attempts: Attempts,
    /// The failure of the attempt, if it failed.
    pub error: Option<String>,
    /// The reason for parking the row, if it is parked.
    pub parked: Option<String>,
    /// A note for the history.
    pub note: Option<Note>,
}

/// A note in the history.
#[derive(Clone, Debug)]
pub struct Note {
    /// The subject: `parked`, `released`, `held`.
    pub about: &'static str,
    /// The text.
    pub text: String,
    /// The cause.
    pub cause: Cause,
    /// The origin.
    pub origin: Origin,
}

/// The effect of a [`Release`] on the count of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
    /// The attempt counts.
    Keep,
    /// The attempt does not count, because it did not fail.
    GiveBack,
    /// The count starts again from zero.
    Reset,
}

/// Makes work due if none is due, parked or running, and starts the timers that do not run, for rows that were in their state before
/// the declaration had them. Adds a note to the history.
#[derive(Clone, Debug)]
pub struct Arm {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// Whether work is due at once.
    pub work: bool,
    /// The timers, of which those that run already are left as they are.
    pub timers: Vec<Timer>,
    /// The reason, for the history.
    pub reason: String,
}

/// Ends a timer of the current state; the others continue. Adds a note to the history.
#[derive(Clone, Debug)]
pub struct Disarm {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The event of the timer.
    pub timer: String,
    /// The time of the timer, if its event is refused when it is due. As in [`Transition::not_before`].
    pub not_before: Option<SystemTime>,
    /// The reason, for the history.
    pub reason: String,
}

/// Deletes the row, and the history and idempotency keys of every incarnation of its id. With an actor, the operators' log gets an entry
/// `purge` with machine and id, which stays.
#[derive(Clone, Debug)]
pub struct Purge {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The origin.
    pub origin: Origin,
    /// The reason, for the operators' log.
    pub why: Option<String>,
}

/// Stores state and data under a newer schema version. It is not a transition: the version stays the same.
#[derive(Clone)]
pub struct Rewrite {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The state's stored name.
    pub state: String,
    /// The state's data, as JSON.
    pub data: String,
    /// The machine's shared data, as JSON.
    pub context: Option<String>,
    /// The schema version.
    pub schema: u32,
}

/// The user's data is never printed.
impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: schema {}", self.key, self.version, self.schema)
    }
}

/// Stores the checkpoint of a claimed row. It adds nothing to the history.
#[derive(Clone)]
pub struct SaveCheckpoint {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The fence of the claim, which must still be held.
    pub fence: u64,
    /// The checkpoint, as JSON.
    pub checkpoint: String,
}

/// The user's data is never printed.
impl fmt::Debug for SaveCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: checkpoint under fence {}", self.key, self.version, self.fence)
    }
}

/// Moves an instance to a state without a transition. It increments the version.
///
/// The history has an entry of kind `override`, which explains the break in the chain of transitions.
#[derive(Clone)]
pub struct Override {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The state before.
    pub from: String,
    /// The state after. Without a context, the row keeps its own.
    pub into: Entering,
    /// The reason. The history stores it as the payload.
    pub why: String,
    /// The origin.
    pub origin: Origin,
}

/// The user's data is never printed.
impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: {} --override-> {}", self.key, self.version, self.from, self.into.state)
    }
}

/// Sets the desired state of an instance, and when convergence is due.
#[derive(Clone, Debug)]
pub struct SetDesiredState {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The desired state that was read.
    pub seen: Option<String>,
    /// The new desired state, in the format of the runtime; `None` clears it.
    pub desired: Option<String>,
    /// The person or system that wants it, as the application names it.
    pub desired_by: Option<String>,
    /// The delay until convergence is due; `None` if it waits for something else.
    pub due: Option<Duration>,
    /// A note for the history.
    pub note: Option<Note>,
}

impl SetDesiredState {
    /// Replaces the desired state of `row` by `desired`. The actor of the present one is kept.
    pub(crate) fn of(row: &Row, desired: Option<String>, due: Option<Duration>, note: Option<Note>) -> Self {
        let Row { key, incarnation, version, desired: seen, desired_by, .. } = row.clone();
        Self { key, incarnation, version, seen, desired, desired_by, due, note }
    }
}

/// Holds an instance, so that no work of it begins, or ends a hold. A worker that runs is cancelled by its owner. Transitions, timers and
/// the desired state continue, and the hold stays.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The instance.
    pub key: Key,
    /// The incarnation that was read.
    pub incarnation: Uuid,
    /// The version that was read.
    pub version: u64,
    /// The hold that was read.
    pub seen: Option<String>,
    /// The reason; `None` ends the hold.
    pub hold: Option<String>,
    /// A note for the history.
    pub note: Option<Note>,
}
