//! The history of one instance, read from its newest entry.

use super::Engine;
use crate::store::{HistoryEntry, HistoryQuery, Key, StoreError};

/// The most entries of one read.
const PAGE: usize = 50;

/// The pages of an instance's history, the newest first.
pub(crate) struct NewestFirst<'a> {
    engine: &'a Engine,
    key: &'a Key,
    /// The sequence of the oldest entry that was read.
    before: u64,
}

impl<'a> NewestFirst<'a> {
    pub(crate) fn new(engine: &'a Engine, key: &'a Key) -> Self {
        Self { engine, key, before: u64::MAX }
    }

    /// The next page, with at least one entry; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<HistoryEntry>>, StoreError> {
        let query = HistoryQuery {
            key: Some(self.key.clone()),
            by_operators: false,
            after: self.before,
            newest_first: true,
            limit: PAGE,
        };
        let page = self.engine.asked("history", self.engine.store.history(query)).await?;
        let Some(oldest) = page.last() else { return Ok(None) };
        self.before = oldest.sequence;
        Ok(Some(page))
    }
}
