//! Owns what a store keeps, as values: keys, rows, history entries, definitions, and the queries for them.

use std::{fmt, sync::Arc, time::SystemTime};
use uuid::Uuid;

/// Names an instance: the machine's name and the instance's id.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The machine's name, as its graph has it.
    pub machine: Arc<str>,
    /// The instance's id, unique in its machine.
    pub id: Arc<str>,
}

impl Key {
    /// The key of instance `id` of `machine`.
    pub fn new(machine: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
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

/// One instance as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Which instance.
    pub key: Key,
    /// Which life of this id: a removed id that is created again gets a new one.
    pub incarnation: Uuid,
    /// The state's stored name.
    pub state: String,
    /// Counted up by exactly the transitions and overrides; 1 at birth.
    pub version: u64,
    /// The version at which the present state was entered.
    pub entered: u64,
    /// The schema version under which the data was written.
    pub schema: u32,
    /// The state's data, as JSON.
    pub data: String,
    /// The machine's shared data, as JSON.
    pub context: Option<String>,
    /// When the state's timer fires.
    pub timer_at: Option<SystemTime>,
    /// When work on the state is due (again).
    pub retry_at: Option<SystemTime>,
    /// The process that works on it.
    pub owner: Option<String>,
    /// Grows with every claim; a commit under an older one is refused.
    pub fence: u64,
    /// How often work on this stay in the state was claimed.
    pub attempt: u32,
    /// What the worker saved for its next attempt, as JSON.
    pub checkpoint: Option<String>,
    /// Why no more work is done until an operator or an event moves it.
    pub parked: Option<String>,
    /// When it was parked.
    pub parked_at: Option<SystemTime>,
    /// The last failure of work on this stay in the state.
    pub error: Option<String>,
    /// What is wished of it, in the run time's own words.
    pub desired: Option<String>,
    /// When the wish is to be looked after.
    pub desired_at: Option<SystemTime>,
    /// The shard, a hash of machine and id, by which work can be divided among processes.
    pub shard: u16,
    /// When it was created.
    pub created: SystemTime,
    /// When the present state was entered.
    pub updated: SystemTime,
}

impl Row {
    /// The earliest of what is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<SystemTime> {
        [self.timer_at, self.retry_at, self.desired_at].into_iter().flatten().min()
    }
}

#[cfg(test)]
impl Row {
    /// What rests in `state`, for tests.
    pub(crate) fn example(machine: &str, state: &str, version: u64) -> Self {
        Self {
            key: Key::new(machine, "a"),
            incarnation: Uuid::nil(),
            state: state.to_owned(),
            version,
            entered: version,
            schema: 1,
            data: "null".to_owned(),
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
            desired: None,
            desired_at: None,
            shard: 0,
            created: SystemTime::UNIX_EPOCH,
            updated: SystemTime::UNIX_EPOCH,
        }
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
            .field("desired", &self.desired)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
