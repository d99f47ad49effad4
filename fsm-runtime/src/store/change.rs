//! Owns what a store is asked to do: changes, and groups of them.

use super::row::{Key, Row};
use std::{fmt, time::Duration};
use uuid::Uuid;

/// Notifier that are applied all or none.
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

/// One change of one row, each a compare-and-swap.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new instance, where there is none under the key.
    Create(Create),
    /// A transition, which moves the version by one.
    Transition(Transition),
    /// Takes the row for a worker, under a new fence.
    Claim(Claim),
    /// Keeps how far the worker of a claimed row is.
    Checkpoint(Checkpoint),
    /// Gives a claimed row back.
    Release(Release),
    /// Lets a row be woken because its state is declared so now.
    Arm(Arm),
    /// Drops a state's timer.
    Disarm(Disarm),
    /// An operator's move past the rules, which moves the version too.
    Override(Override),
    /// What is wished of an instance.
    SetDesiredState(SetDesiredState),
    /// Deletes an instance, with its history and its idempotency keys.
    Purge(Purge),
    /// Writes a row under a newer schema version; nothing else changes.
    Rewrite(Rewrite),
}

impl Change {
    /// Which instance it is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Create(change) => &change.key,
            Self::Transition(change) => &change.key,
            Self::Claim(change) => &change.key,
            Self::Checkpoint(change) => &change.key,
            Self::Release(change) => &change.key,
            Self::Arm(change) => &change.key,
            Self::Disarm(change) => &change.key,
            Self::Override(change) => &change.key,
            Self::SetDesiredState(change) => &change.key,
            Self::Purge(change) => &change.key,
            Self::Rewrite(change) => &change.key,
        }
    }
}

/// What the row holds once it is in its new state.
#[derive(Clone)]
pub struct Entering {
    /// The state's stored name.
    pub state: String,
    /// The state's data, as JSON.
    pub data: String,
    /// The machine's shared data, as JSON.
    pub context: Option<String>,
    /// The schema version under which they were written.
    pub schema: u32,
    /// After how long the state's timer fires.
    pub timer: Option<Duration>,
    /// Whether there is work to do, at once.
    pub work: bool,
    /// Whether the row is removed on entry; its history stays.
    pub remove: bool,
}

/// The user's data is never printed.
impl fmt::Debug for Entering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entering").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Who is behind a change, as the history keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The person or system, in the application's words.
    pub actor: Option<String>,
    /// The trace in which it happened, in the tracing system's words.
    pub trace: Option<String>,
}

/// Who fired an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Code that held a record, or named an id.
    Caller,
    /// The state's worker.
    Worker,
    /// The state's timer.
    Timer,
    /// A person, past or beside the rules.
    Operator,
    /// The system, on the way to a wished-for state.
    Converge,
}

impl Cause {
    /// The name under which it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Worker => "worker",
            Self::Timer => "timer",
            Self::Operator => "operator",
            Self::Converge => "converge",
        }
    }
}

/// A birth.
#[derive(Clone, Debug)]
pub struct Create {
    /// Which instance.
    pub key: Key,
    /// A new uuid, version 7.
    pub incarnation: Uuid,
    /// Its first state.
    pub into: Entering,
    /// Who made it.
    pub cause: Cause,
    /// Makes it once, however often it is asked for.
    pub idempotency_key: Option<String>,
    /// Who is behind it.
    pub origin: Origin,
}

/// A transition.
#[derive(Clone)]
pub struct Transition {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// The fence of a worker's own commit, which also gives the claim back.
    pub fence: Option<u64>,
    /// The state before.
    pub from: String,
    /// The event's name.
    pub event: String,
    /// Its payload, as JSON.
    pub payload: String,
    /// The state after.
    pub into: Entering,
    /// Who fired it.
    pub cause: Cause,
    /// Makes it once, however often it is asked for: looked up before version and state.
    pub idempotency_key: Option<String>,
    /// Who is behind it.
    pub origin: Origin,
}

/// The user's data is never printed.
impl fmt::Debug for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: {} --{}-> {}", self.key, self.version, self.from, self.event, self.into.state)
    }
}

/// Takes a row for a worker: new owner, new fence, one more attempt; nothing of it is due until it is given back. Taken from
/// another owner in the midst of an attempt, its error says [what became of that](Claim::CRASH).
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// The fence it was read with.
    pub fence: u64,
    /// Who takes it.
    pub owner: String,
}

impl Claim {
    /// How an attempt failed whose owner was gone before it ended.
    pub const CRASH: &str = "crash: the process was gone before the attempt had ended";
}

/// Gives a row back: no owner.
#[derive(Clone, Debug)]
pub struct Release {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// The fence of the claim.
    pub fence: u64,
    /// The owner it was read with: a release that is tried again does not match its own effect.
    pub owner: Option<String>,
    /// After how long work is due again; `None` where none is.
    pub retry: Option<Duration>,
    /// What becomes of the count of attempts.
    pub attempts: Attempts,
    /// What went wrong, where something did.
    pub error: Option<String>,
    /// Why it is parked, where it is; noted in the history.
    pub parked: Option<String>,
    /// What the history is to say of it, where it is worth to know.
    pub note: Option<Note>,
}

/// What a history note says.
#[derive(Clone, Debug)]
pub struct Note {
    /// What it is about: `parked`, `released`.
    pub about: &'static str,
    /// The text.
    pub text: String,
    /// Whose doing it was.
    pub cause: Cause,
    /// Who is behind it.
    pub origin: Origin,
}

/// What a [`Release`] does with the count of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
    /// The attempt counts.
    Keep,
    /// The attempt is given back: it was no failure.
    GiveBack,
    /// Counting begins anew.
    Reset,
}

/// Lets work on a row begin where none is due, parked or under way, and sets a timer where there is none: for rows that stood in
/// their state before it was declared so. Noted in the history.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// Whether there is work to do, at once.
    pub work: bool,
    /// How long after the state was entered its timer fires.
    pub timer: Option<Duration>,
    /// Why.
    pub reason: String,
}

/// Drops the timer of the present state, and notes why.
#[derive(Clone, Debug)]
pub struct Disarm {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// Why.
    pub reason: String,
}

/// Deletes the row, and the history and the idempotency keys of every life of this id.
#[derive(Clone, Debug)]
pub struct Purge {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
}

/// Writes state and data under a newer schema version: no transition, and the version stays.
#[derive(Clone)]
pub struct Rewrite {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
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

/// Writes the checkpoint of a claimed row; nothing else changes, and the history says nothing of it.
#[derive(Clone)]
pub struct Checkpoint {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// The fence of the claim, which has to be held still.
    pub fence: u64,
    /// What is kept, as JSON.
    pub checkpoint: String,
}

/// The user's data is never printed.
impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: checkpoint under fence {}", self.key, self.version, self.fence)
    }
}

/// Puts an instance into a state that no transition leads to: a new stay, and the version moves by one.
///
/// The history has it as an `override`, so that a chain of transitions with a break in it says who broke it and why.
#[derive(Clone)]
pub struct Override {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// The state before.
    pub from: String,
    /// The state after. Without a context, the row keeps the one it has.
    pub into: Entering,
    /// Why; the history keeps it in the place of a payload.
    pub why: String,
    /// Who.
    pub origin: Origin,
}

/// The user's data is never printed.
impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: {} --override-> {}", self.key, self.version, self.from, self.into.state)
    }
}

/// Writes what is wished of an instance, and when it is to be looked at for that; nothing else changes.
#[derive(Clone, Debug)]
pub struct SetDesiredState {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// The wish that it was read with.
    pub seen: Option<String>,
    /// The wish from now on, in the run time's own words; `None` for none.
    pub desired: Option<String>,
    /// After how long the wish is due; `None` where something else has to happen first.
    pub due: Option<Duration>,
    /// What the history is to say of it, where it is worth to know.
    pub note: Option<Note>,
}

impl SetDesiredState {
    /// `wish` in the place of what `row` has.
    pub(crate) fn of(row: &Row, desired: Option<String>, due: Option<Duration>, note: Option<Note>) -> Self {
        let Row { key, incarnation, version, desired: seen, .. } = row.clone();
        Self { key, incarnation, version, seen, desired, due, note }
    }
}
