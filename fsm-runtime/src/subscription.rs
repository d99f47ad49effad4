//! Owns following the history: every change in commit order, at least once, from where the subscriber stopped.

use crate::{
    engine::Engine,
    store::{HistoryEntry, HistoryQuery, StoreError},
};
use std::{collections::VecDeque, fmt, sync::Arc};
use tokio::sync::broadcast::{self, error::RecvError};

/// How many entries one read fetches.
const PAGE: usize = 256;

/// Where a subscriber begins that has stored no position yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPosition {
    /// With the oldest change that is still remembered.
    Oldest,
    /// With the next change.
    Newest,
}

/// All changes of a store in commit order, for other systems to follow: the history is the outbox.
///
/// Each entry comes at least once. Call [`ack`](Self::ack) when what an entry means is done: after a crash the subscriber of the same name
/// goes on behind the last one that it acknowledged. One subscriber of a name at a time; two would both get everything.
///
/// ```
/// # use fsm_runtime::{Runtime, Start, SubscribeError};
/// # async fn example(runtime: Runtime) -> Result<(), SubscribeError> {
/// let mut changes = runtime.subscribe("billing", StartPosition::Oldest).await?;
/// loop {
///     let entry = changes.next().await?;
///     println!("{}: {:?} -> {}", entry.key, entry.event, entry.to);
///     changes.ack(entry.sequence).await?;
/// }
/// # }
/// ```
pub struct Subscription {
    engine: Arc<Engine>,
    name: String,
    /// The sequence of the last entry that was given out.
    position: u64,
    read: VecDeque<HistoryEntry>,
    word: broadcast::Receiver<crate::store::Key>,
}

impl Subscription {
    pub(crate) async fn new(engine: Arc<Engine>, name: &str, start: StartPosition) -> Result<Self, SubscribeError> {
        let word = engine.notifier.subscribe();
        let stored = engine.store.subscriber_position(name.to_owned()).await?;
        let position = match (stored, start) {
            (Some(position), _) => position,
            (None, StartPosition::Oldest) => engine.store.pruned_through().await?,
            (None, StartPosition::Newest) => engine.store.last_sequence().await?,
        };
        if stored.is_none() {
            engine.store.save_position(name.to_owned(), position).await?;
        }
        Ok(Self { engine, name: name.to_owned(), position, read: VecDeque::new(), word })
    }

    /// The next change; waits until there is one.
    ///
    /// # Errors
    /// [`SubscribeError::Gap`] when entries that were not given out have been pruned; call
    /// [`skip_gap`](Self::skip_gap) to go on behind them. [`SubscribeError::Store`]: ask again.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing is lost.
    pub async fn next(&mut self) -> Result<HistoryEntry, SubscribeError> {
        loop {
            if let Some(entry) = self.read.pop_front() {
                self.position = entry.sequence;
                return Ok(entry);
            }
            let query = HistoryQuery { key: None, after: self.position, newest_first: false, limit: PAGE };
            let page = self.engine.store.history(query).await?;
            // Read after the page: what was pruned before it was read is seen here.
            let pruned = self.engine.store.pruned_through().await?;
            if self.position < pruned {
                return Err(SubscribeError::Gap { name: self.name.clone(), after: self.position, pruned });
            }
            if page.is_empty() {
                match self.word.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
            self.read = page.into();
        }
    }

    /// Stores that everything up to `sequence` is done.
    ///
    /// # Errors
    /// [`SubscribeError::Ahead`] for a sequence that no entry has yet, and [`SubscribeError::Store`]; the entries since the last
    /// acknowledged one come again after a restart.
    pub async fn ack(&mut self, sequence: u64) -> Result<(), SubscribeError> {
        // One that was given out by an earlier life of the subscriber is as good.
        if sequence > self.position {
            let newest = self.engine.store.last_sequence().await?;
            if sequence > newest {
                return Err(SubscribeError::Ahead { name: self.name.clone(), sequence, newest });
            }
        }
        Ok(self.engine.store.save_position(self.name.clone(), sequence).await?)
    }

    /// Goes on behind what was pruned, and says behind which entry that is.
    ///
    /// # Errors
    /// [`SubscribeError::Store`].
    pub async fn skip_gap(&mut self) -> Result<u64, SubscribeError> {
        self.position = self.position.max(self.engine.store.pruned_through().await?);
        self.read.clear();
        Ok(self.position)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({} at {})", self.name, self.position)
    }
}

/// Why a subscriber got nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// Entries that it has not seen are gone.
    #[error(
        "subscriber `{name}` stands at entry {after}, and the history up to entry {pruned} was pruned; bring its side up to \
         date by other means, then `skip_gap`"
    )]
    Gap {
        /// The subscriber.
        name: String,
        /// The last entry that it was given.
        after: u64,
        /// The last entry that was pruned.
        pruned: u64,
    },
    /// What was acknowledged is still to come, and would never have been given out.
    #[error(
        "subscriber `{name}` acknowledged entry {sequence}, and the newest there is has {newest}; acknowledge the `sequence` of an entry \
         that `next` gave"
    )]
    Ahead {
        /// The subscriber.
        name: String,
        /// What it acknowledged.
        sequence: u64,
        /// The sequence of the newest entry.
        newest: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
