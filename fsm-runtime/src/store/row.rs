//! Owns what a store keeps, as values: keys, rows, history entries, definitions, and the queries for them.

use std::{fmt, ops::RangeInclusive, str::FromStr, sync::Arc, time::SystemTime};
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

    /// What is empty of it, so that no instance can have this key: lists begin before the first id, and "" is there.
    pub(crate) fn lacks(&self) -> Option<&'static str> {
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
    pub wish: Option<String>,
    /// When the wish is to be looked after.
    pub wish_at: Option<SystemTime>,
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
        [self.timer_at, self.retry_at, self.wish_at].into_iter().flatten().min()
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
            wish: None,
            wish_at: None,
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
            .field("wish", &self.wish)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// What kind of change a history entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HistoryKind {
    /// A declared transition, or a birth.
    Transition,
    /// An operator moved the instance past the rules.
    Override,
    /// Something worth knowing that did not change the version: parked, released, a timer dropped.
    Note,
}

impl HistoryKind {
    /// The name under which it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transition => "transition",
            Self::Override => "override",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for HistoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HistoryKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Transition, Self::Override, Self::Note]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| format!("`{name}` is no kind of history entry (transition, override, note)"))
    }
}

/// One change of one instance, as it was written in the change's own transaction.
#[derive(Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its place in the commit order of the whole store.
    pub sequence: u64,
    /// Which instance.
    pub key: Key,
    /// Which life of that id.
    pub incarnation: Uuid,
    /// What kind of change.
    pub kind: HistoryKind,
    /// The version that the change led to (or left alone, for a note).
    pub version: u64,
    /// The schema version under which the data was written.
    pub schema: u32,
    /// The instance's fence at that time.
    pub fence: u64,
    /// The state before; `None` at birth.
    pub from: Option<String>,
    /// The event; `None` at birth. For a note or an override, what it is about.
    pub event: Option<String>,
    /// The state after.
    pub to: String,
    /// The event's payload, as JSON; for a note or an override, its text.
    pub payload: Option<String>,
    /// The data of the state after, as JSON; `None` for a note.
    pub data: Option<String>,
    /// The machine's shared data after it, as JSON; `None` for a note, and where the machine has none.
    pub context: Option<String>,
    /// Who fired it: `caller`, `worker`, `timer`, `operator`, or `converge` for a wish.
    pub cause: String,
    /// The idempotency key, where the caller gave one.
    pub idempotency_key: Option<String>,
    /// The person or system behind it, where the caller said so.
    pub actor: Option<String>,
    /// The trace in which it happened, where the caller said so.
    pub trace: Option<String>,
    /// When.
    pub at: SystemTime,
}

/// Everything but the user's data, which is never printed.
impl fmt::Debug for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} v{} {}", self.sequence, self.key, self.version, self.kind)?;
        write!(f, " {:?} --{:?}-> {} ({})", self.from, self.event, self.to, self.cause)
    }
}

/// Which rows to list.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The machine.
    pub machine: String,
    /// Only those in one of these states, the one that entered it first coming first; all of them come by id.
    pub states: Option<Vec<String>>,
    /// Only those that entered their state before this, the one that entered its state first coming first.
    pub entered_before: Option<SystemTime>,
    /// Only parked ones, the one that entered its state first coming first.
    pub parked: bool,
    /// Where the last page said that the next begins.
    pub after: Option<String>,
    /// How many at most.
    pub limit: usize,
}

/// A part of a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<T> {
    /// What there is.
    pub items: Vec<T>,
    /// Where the next page begins, to be given back as it is; `None` on the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `items`, followed by the one that begins at `next`.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next }
    }
}

/// Which history entries to read.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Only those of this instance.
    pub key: Option<Key>,
    /// Only those beyond this sequence: greater ones, or smaller ones with `newest_first`.
    pub after: u64,
    /// From the newest to the oldest; `after` is then the sequence to come before, `u64::MAX` for the newest.
    pub newest_first: bool,
    /// How many at most.
    pub limit: usize,
}

/// That rows stand in a state under a schema version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The state's stored name.
    pub state: String,
    /// The schema version.
    pub schema: u32,
    /// One of the rows.
    pub example: Key,
}

/// How many rows stand in a state under a schema version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The state's stored name.
    pub state: String,
    /// The schema version.
    pub schema: u32,
    /// How many.
    pub rows: u64,
}

/// An instance that has something due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which one.
    pub key: Key,
    /// When.
    pub at: SystemTime,
}

/// Which rows a process works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Those of these machines.
    pub machines: Vec<String>,
    /// Those in these shards.
    pub shards: RangeInclusive<u16>,
}

/// In all shards.
impl From<Vec<String>> for Scope {
    fn from(machines: Vec<String>) -> Self {
        Self { machines, shards: 0..=u16::MAX }
    }
}

/// The last of a page of due work, from which the next page goes on.
pub type Cursor = Due;

/// What is to be forgotten, in one small batch.
#[derive(Clone, Debug, Default)]
pub struct Prune {
    /// History entries made before this, but for those that a remembered idempotency key answers with.
    pub history_before: Option<SystemTime>,
    /// Idempotency keys used before this.
    pub keys_before: Option<SystemTime>,
    /// Rows in these end states (machine, state) that entered them before that; their history stays.
    pub ended: Vec<(String, String)>,
    /// When `ended` rows must have ended.
    pub ended_before: Option<SystemTime>,
    /// An id of which there is no row: its idempotency keys and, once these are gone, its history. Of one that has a row nothing.
    pub gone: Option<Key>,
    /// How many of each kind at most.
    pub limit: usize,
}

/// What a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the database, without its log.
    pub bytes: u64,
    /// Bytes that deleted rows left free inside.
    pub free_bytes: u64,
    /// Bytes of the write-ahead log.
    pub log_bytes: u64,
}

/// A machine as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The machine's name.
    pub machine: String,
    /// Its schema version.
    pub version: u32,
    /// The fingerprint of its graph.
    pub fingerprint: u64,
    /// Its graph, as JSON.
    pub graph: String,
    /// Whether a controller works by it, or a client has only written rows under it.
    pub controller: bool,
}
