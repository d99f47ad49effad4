//! The contents of a store in pages, which one store reads and another one writes during a copy.

use super::{Definition, HistoryEntry, KeptResult, Key, OperationEntry, Row};
use std::{fmt, time::SystemTime};
use uuid::Uuid;

/// The numbers of items that a copy contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// Rows of instances.
    pub instances: u64,
    /// History entries.
    pub history: u64,
    /// Idempotency keys.
    pub idempotency_keys: u64,
    /// Positions of subscribers.
    pub subscribers: u64,
    /// Entries of the operators' log.
    pub operations: u64,
    /// Stored definitions of machines.
    pub definitions: u64,
    /// Results of functions that run [once](crate::coordination::Once).
    pub results: u64,
}

impl Copied {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.instances
            + self.history
            + self.idempotency_keys
            + self.subscribers
            + self.operations
            + self.definitions
            + self.results
    }

    pub(crate) fn add(&mut self, page: &Page) {
        let (count, items) = match page {
            Page::Definitions(items) => (&mut self.definitions, items.len()),
            Page::Instances(items) => (&mut self.instances, items.len()),
            Page::History(items) => (&mut self.history, items.len()),
            Page::Keys(items) => (&mut self.idempotency_keys, items.len()),
            Page::Operations(items) => (&mut self.operations, items.len()),
            Page::Subscribers(items) => (&mut self.subscribers, items.len()),
            Page::Results(items) => (&mut self.results, items.len()),
        };
        *count += items as u64;
    }
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instances, history, idempotency_keys, subscribers, operations, definitions, results } = self;
        write!(
            f,
            "{instances} instances, {history} history entries, {idempotency_keys} idempotency keys, {subscribers} subscribers, \
             {operations} operations, {definitions} definitions, {results} results"
        )
    }
}

/// What is known before the first page.
#[derive(Debug)]
pub(crate) struct Head {
    /// The totals.
    pub(crate) counts: Copied,
    pub(crate) numbers: Numbers,
    /// The processes that work on the store.
    pub(crate) used_by: Vec<String>,
}

/// The last numbers that the store has given out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) fence: u64,
    pub(crate) sequence: u64,
    /// The newest history entry that was pruned.
    pub(crate) pruned: u64,
    /// Of the operators' log.
    pub(crate) operation: u64,
}

/// Some of the contents, all of one kind.
#[derive(Debug)]
pub(crate) enum Page {
    /// Each with the time at which it was stored.
    Definitions(Vec<(Definition, SystemTime)>),
    Instances(Vec<Row>),
    History(Vec<HistoryEntry>),
    Keys(Vec<StoredKey>),
    Operations(Vec<OperationEntry>),
    /// Names and positions.
    Subscribers(Vec<(String, u64)>),
    Results(Vec<StoredResult>),
}

/// An idempotency key.
#[derive(Debug)]
pub(crate) struct StoredKey {
    pub(crate) key: Key,
    pub(crate) incarnation: Uuid,
    pub(crate) idempotency_key: String,
    /// The entry that was written under it.
    pub(crate) sequence: u64,
    pub(crate) at: SystemTime,
}

/// A result that is kept for a time.
#[derive(Debug)]
pub(crate) struct StoredResult {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) kept: KeptResult,
}
