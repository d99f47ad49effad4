//! Named subscriptions: every change of a store at least once, in the order of the sequence numbers, from a stored position.

use super::{SubscribeError, follower::Follower};
use crate::{
    engine::Engine,
    store::{HistoryEntry, MAX_KEY_BYTES},
};
use std::{fmt, sync::Arc};

/// Where a stream of changes begins, or a subscriber without a stored position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartPosition {
    /// With the oldest change that is not pruned.
    Oldest,
    /// With the next change.
    Newest,
    /// After the change with this sequence, for example the last one that a client has received.
    After(u64),
}

/// All changes of a store in the order of their sequence numbers, for other systems to follow: the history is the outbox.
///
/// Each entry is returned at least once. Call [`ack`](Self::ack) when an entry is processed: after a restart, the subscriber with the
/// same name continues after the last acknowledged entry. Run one subscriber of a name at a time; two would both get every entry.
/// [`Machines::change`](crate::Machines::change) decodes the entries of one machine.
///
/// ```
/// # use fsm_runtime::{Runtime, StartPosition, SubscribeError};
/// # async fn example(runtime: Runtime) -> Result<(), SubscribeError> {
/// let mut changes = runtime.subscribe("billing", StartPosition::Oldest).await?;
/// while let Some(entry) = changes.next().await? {
///     println!("{}: {:?} -> {}", entry.key, entry.event, entry.to);
///     changes.ack(entry.sequence).await?;
/// }
/// # Ok(()) }
/// ```
pub struct Subscription {
    follower: Follower,
    name: String,
}

impl Subscription {
    pub(crate) async fn new(engine: Arc<Engine>, name: &str, start: StartPosition) -> Result<Self, SubscribeError> {
        if let Some(why) = not_valid(name) {
            return Err(SubscribeError::InvalidName { why });
        }
        let mut follower = Follower::new(engine.clone(), Some(name.to_owned()), None);
        let stored = engine.store.subscriber_position(name.to_owned()).await?;
        if let Some(position) = stored {
            follower.start_at(position);
        } else {
            follower.start_from(start).await?;
            engine.store.save_position(name.to_owned(), follower.position()).await?;
        }
        Ok(Self { follower, name: name.to_owned() })
    }

    /// The next change; waits until there is one. `None` once the runtime [shuts down](crate::Runtime::shutdown), and only then.
    ///
    /// # Errors
    /// [`SubscribeError::Gap`] if entries that were not returned yet have been pruned: call [`skip_gap`](Self::skip_gap) to continue
    /// after them. [`SubscribeError::Store`]: call it again.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no entry is lost.
    pub async fn next(&mut self) -> Result<Option<HistoryEntry>, SubscribeError> {
        self.follower.next().await
    }

    /// Acknowledges all entries up to `sequence`: stores it as the position of the subscriber.
    ///
    /// # Errors
    /// [`SubscribeError::Ahead`] for a sequence that no entry has yet; [`SubscribeError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the position is stored or not. Calling it again is safe.
    pub async fn ack(&mut self, sequence: u64) -> Result<(), SubscribeError> {
        let store = &self.follower.engine.store;
        // An entry that this subscriber got before a restart can be acknowledged too.
        if sequence > self.follower.position() {
            let newest = store.last_sequence().await?;
            if sequence > newest {
                return Err(SubscribeError::Ahead { name: self.name.clone(), sequence, newest });
            }
        }
        Ok(store.save_position(self.name.clone(), sequence).await?)
    }

    /// Moves the position past the entries that were pruned, and returns the sequence of the last of them.
    ///
    /// # Errors
    /// [`SubscribeError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the position is unchanged.
    pub async fn skip_gap(&mut self) -> Result<u64, SubscribeError> {
        Ok(self.follower.skip_gap().await?)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({} at {})", self.name, self.follower.position())
    }
}

/// Why a name is not valid, if it is not.
fn not_valid(name: &str) -> Option<&'static str> {
    match name {
        name if name.len() > MAX_KEY_BYTES => Some("is longer than 1,024 bytes"),
        name if name.contains('\0') => Some("must not contain NUL"),
        _ => None,
    }
}
