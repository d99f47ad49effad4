//! The unnamed stream of the changes of all machines.

use super::{StartPosition, SubscribeError, follower::Follower, stream::AsStream};
use crate::{engine::Engine, store::HistoryEntry};
use futures_core::Stream;
use std::{fmt, sync::Arc};

/// The history entries of all machines, in the order of their sequence numbers. From [`Runtime::changes`](crate::Runtime::changes).
pub struct EntryStream(Follower);

impl EntryStream {
    pub(crate) async fn new(engine: Arc<Engine>, start: StartPosition) -> Result<Self, SubscribeError> {
        let mut follower = Follower::new(engine, None, None);
        follower.start_from(start).await?;
        Ok(Self(follower))
    }

    /// The next entry; waits until there is one. `None` once the runtime [shuts down](crate::Runtime::shutdown), and only then.
    ///
    /// # Errors
    /// [`SubscribeError::Gap`] if entries that were not returned yet have been pruned: call [`skip_gap`](Self::skip_gap) to continue
    /// after them. [`SubscribeError::Store`]: call it again.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no entry is lost.
    pub async fn next(&mut self) -> Result<Option<HistoryEntry>, SubscribeError> {
        self.0.next().await
    }

    /// The sequence up to which all entries were returned: pass it to [`StartPosition::After`] to continue from here.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.0.position()
    }

    /// Moves the position past the entries that were pruned, and returns the new [position](Self::position).
    ///
    /// # Errors
    /// [`SubscribeError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the position is unchanged.
    pub async fn skip_gap(&mut self) -> Result<u64, SubscribeError> {
        Ok(self.0.skip_gap().await?)
    }

    /// The same entries as a [`Stream`], for the combinators of the `futures` crates. It ends once the runtime shuts down. After an error
    /// it continues; after a [`Gap`](SubscribeError::Gap), it continues after the gap.
    pub fn into_stream(self) -> impl Stream<Item = Result<HistoryEntry, SubscribeError>> + Send + Unpin {
        AsStream::new(self.0, Some)
    }
}

impl fmt::Debug for EntryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryStream(at {})", self.position())
    }
}
