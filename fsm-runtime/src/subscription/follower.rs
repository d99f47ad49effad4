//! A position in the history: reads what comes after it, and waits for more.

use super::{StartPosition, SubscribeError};
use crate::{
    engine::Engine,
    store::{HistoryEntry, HistoryQuery, Key, StoreError},
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How many entries one read fetches.
const PAGE: usize = 256;
/// After how long without a change the position moves on, so that pruning the entries of other instances is not a gap.
const REFRESH: Duration = Duration::from_mins(1);

pub(super) struct Follower {
    pub(super) engine: Arc<Engine>,
    name: Option<String>,
    /// Only entries of this instance.
    key: Option<Key>,
    /// Everything up to this sequence was returned, or is not wanted.
    position: u64,
    read: VecDeque<HistoryEntry>,
    changed: Receiver<Key>,
}

impl Follower {
    /// At position 0. Notifications from now on are kept until the next read.
    pub(super) fn new(engine: Arc<Engine>, name: Option<String>, key: Option<Key>) -> Self {
        let changed = engine.notifier.subscribe();
        Self { engine, name, key, position: 0, read: VecDeque::new(), changed }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn start_at(&mut self, position: u64) {
        self.position = position;
    }

    pub(super) async fn start_from(&mut self, start: StartPosition) -> Result<(), StoreError> {
        self.position = match start {
            StartPosition::Oldest => self.engine.store.pruned_through().await?,
            StartPosition::Newest => self.engine.store.last_sequence().await?,
            StartPosition::After(sequence) => sequence,
        };
        Ok(())
    }

    /// The next entry that was read already.
    pub(super) fn next_read(&mut self) -> Option<HistoryEntry> {
        let entry = self.read.pop_front()?;
        self.position = entry.sequence;
        Some(entry)
    }

    /// The next entry; `None` once the runtime shuts down. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<HistoryEntry>, SubscribeError> {
        loop {
            if let Some(entry) = self.next_read() {
                return Ok(Some(entry));
            }
            if self.engine.closing.is_cancelled() {
                return Ok(None);
            }
            self.read = self.fetch().await?;
            if self.read.is_empty() {
                self.wait().await;
            }
        }
    }

    async fn fetch(&mut self) -> Result<VecDeque<HistoryEntry>, SubscribeError> {
        let store = &self.engine.store;
        // Read before the page, which therefore has every wanted entry up to it.
        let newest = if self.key.is_some() { store.last_sequence().await? } else { 0 };
        let query = HistoryQuery {
            key: self.key.clone(),
            by_operators: false,
            after: self.position,
            newest_first: false,
            limit: PAGE,
        };
        let page = store.history(query).await?;
        // Read after the page: what was pruned before the page was read is seen here.
        let pruned = store.pruned_through().await?;
        if self.position < pruned {
            return Err(SubscribeError::Gap { name: self.name.clone(), after: self.position, pruned });
        }
        if page.is_empty() {
            self.position = self.position.max(newest);
        }
        Ok(page.into())
    }

    /// Completes when there may be more entries, or the runtime shuts down.
    async fn wait(&mut self) {
        let Self { engine, changed, key, .. } = self;
        tokio::select! {
            () = engine.closing.cancelled() => {}
            _ = engine.clock.timeout(REFRESH, change(changed, key.as_ref())) => {}
        }
    }

    /// Moves behind the entries that were pruned, and returns the position.
    pub(super) async fn skip_gap(&mut self) -> Result<u64, StoreError> {
        self.position = self.position.max(self.engine.store.pruned_through().await?);
        self.read.clear();
        Ok(self.position)
    }
}

/// Completes when `key`, or without one any instance, may have changed.
async fn change(changed: &mut Receiver<Key>, key: Option<&Key>) {
    loop {
        match changed.recv().await {
            Ok(other) if key.is_some_and(|key| other != *key) => {}
            // Some were missed: read.
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
