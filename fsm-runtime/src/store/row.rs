//! Keys and rows.

use super::key_text::KeyText;
use std::{fmt, time::SystemTime};
use uuid::Uuid;

/// Identifies an instance: the name of its machine, and its id.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Key {
    /// The name of the machine.
    pub machine: KeyText,
    /// The id, unique within the machine.
    pub id: KeyText,
}

impl Key {
    /// The key of instance `id` of `machine`.
    pub fn new(machine: impl Into<KeyText>, id: impl Into<KeyText>) -> Self {
        Self { machine: machine.into(), id: id.into() }
    }

    /// The part that is empty, if one is. A store refuses to create an instance under such a key.
    #[must_use]
    pub fn empty_part(&self) -> Option<&'static str> {
        match (&*self.machine, &*self.id) {
            ("", _) => Some("a machine's name"),
            (_, "") => Some("an id"),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.machine, self.id.escape_debug())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The current state of an instance.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// The instance.
    pub key: Key,
    /// The incarnation of the id: an id that is removed and created again gets a new one.
    pub incarnation: Uuid,
    /// The state's stored name.
    pub state: String,
    /// Incremented by transitions and overrides only; 1 after creation.
    pub version: u64,
    /// The version at which the current state was entered.
    pub entered: u64,
    /// The schema version of the data.
    pub schema: u32,
    /// The state's data, as JSON.
    pub data: String,
    /// The machine's shared data, as JSON.
    pub context: Option<String>,
    /// When the timer of the state fires.
    pub timer_at: Option<SystemTime>,
    /// When work on the state is due, for the first time or again.
    pub retry_at: Option<SystemTime>,
    /// The process that has claimed it.
    pub owner: Option<String>,
    /// Grows with every claim. A commit with an older fence is refused.
    pub fence: u64,
    /// How often work was claimed since the state was entered.
    pub attempt: u32,
    /// The checkpoint that the worker stored for its next attempt, as JSON.
    pub checkpoint: Option<String>,
    /// The reason for which it is parked: no work is done until an operator or an event moves it.
    pub parked: Option<String>,
    /// When it was parked.
    pub parked_at: Option<SystemTime>,
    /// The last failure of work since the state was entered.
    pub error: Option<String>,
    /// When it failed last.
    pub error_at: Option<SystemTime>,
    /// The first failure of work since the state was entered.
    pub first_error: Option<String>,
    /// When it failed first.
    pub first_error_at: Option<SystemTime>,
    /// The reason for which an operator holds it: no work is done until it is released. Unlike a parked one, it stays held when it moves.
    pub hold: Option<String>,
    /// The desired state, in the format of the runtime.
    pub desired: Option<String>,
    /// When convergence is due.
    pub desired_at: Option<SystemTime>,
    /// The person or system that set the desired state, if the caller named one.
    pub desired_by: Option<String>,
    /// The shard: [`Key::shard`]. Its upper ten bits are the bucket, by which work is divided among processes.
    pub shard: u16,
    /// When it was created.
    pub created: SystemTime,
    /// When the current state was entered.
    pub updated: SystemTime,
}

impl Row {
    /// A row as it is after a creation, with nothing due and no claim. A store sets the other fields as needed.
    #[must_use]
    pub fn new(key: Key, incarnation: Uuid, state: String, data: String, created: SystemTime) -> Self {
        Self {
            key,
            incarnation,
            state,
            version: 1,
            entered: 1,
            schema: 1,
            data,
            context: None,
            timer_at: None,
            retry_at: None,
            owner: None,
            fence: 0,
            attempt: 0,
            checkpoint: None,
            parked: None,
            parked_at: None,
            error: None,
            error_at: None,
            first_error: None,
            first_error_at: None,
            hold: None,
            desired: None,
            desired_at: None,
            desired_by: None,
            shard: 0,
            created,
            updated: created,
        }
    }

    /// The earliest time at which something is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<SystemTime> {
        let work = self.retry_at.filter(|_| self.hold.is_none());
        [self.timer_at, work, self.desired_at].into_iter().flatten().min()
    }
}

#[cfg(test)]
impl Row {
    /// A row in `state` with nothing due, for tests.
    pub(crate) fn example(machine: &str, state: &str, version: u64) -> Self {
        let (key, time) = (Key::new(machine, "a"), SystemTime::UNIX_EPOCH);
        let row = Self::new(key, Uuid::nil(), state.to_owned(), "null".to_owned(), time);
        Self { version, entered: version, ..row }
    }
}

/// Everything but the user's data, which is never printed.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("key", &self.key)
            .field("state", &self.state)
            .field("version", &self.version)
            .field("schema", &self.schema)
            .field("timer_at", &self.timer_at)
            .field("retry_at", &self.retry_at)
            .field("owner", &self.owner)
            .field("fence", &self.fence)
            .field("attempt", &self.attempt)
            .field("parked", &self.parked)
            .field("hold", &self.hold)
            .field("desired", &self.desired)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
