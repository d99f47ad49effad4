//! The unnamed, typed stream of the changes of one machine.

use super::{StartPosition, SubscribeError, follower::Follower, stream::AsStream};
use crate::{
    codec::CodecError,
    engine::Engine,
    machine::{RowError, convert},
    records::{Durable, Machines, RecordMeta},
    store::{HistoryEntry, HistoryKind, Key, Origin},
};
use futures_core::Stream;
use std::{fmt, marker::PhantomData, sync::Arc};

/// Which changes to follow with [`Machines::changes`], and from where: from now on by default.
#[derive(Clone, Debug)]
#[must_use]
pub struct ChangesQuery {
    id: Option<String>,
    start: StartPosition,
}

impl ChangesQuery {
    /// The changes of all instances.
    pub fn all() -> Self {
        Self { id: None, start: StartPosition::Newest }
    }

    /// The changes of instance `id`, which need not exist yet.
    pub fn of(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), start: StartPosition::Newest }
    }

    /// Begins after the change with this sequence, for example the last one that a client has received.
    pub fn after(mut self, sequence: u64) -> Self {
        self.start = StartPosition::After(sequence);
        self
    }

    /// Begins with the oldest change that is not pruned.
    pub fn from_oldest(mut self) -> Self {
        self.start = StartPosition::Oldest;
        self
    }
}

impl<M: Durable> Machines<M> {
    /// Follows the changes of this machine's instances, also those of other processes, in the order of their sequence numbers. The stream
    /// has no name and stores no position: for a page that shows one order, or a cache. To follow changes across restarts, use
    /// [`Runtime::subscribe`](crate::Runtime::subscribe).
    ///
    /// The stream ends when the runtime [shuts down](crate::Runtime::shutdown).
    ///
    /// ```
    /// # use fsm_runtime::{ChangesQuery, Machines, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Order { #[on(pay => Paid)] Open, #[state(end)] Paid }
    /// # async fn example(orders: Machines<Order>) -> Result<(), fsm_runtime::SubscribeError> {
    /// let mut changes = orders.changes(&ChangesQuery::of("o-1")).await?;
    /// while let Some(change) = changes.next().await? {
    ///     println!("{}: {:?} in version {}", change.sequence(), change.state(), change.version());
    /// }
    /// # Ok(()) }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`SubscribeError::Store`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn changes(&self, query: &ChangesQuery) -> Result<ChangeStream<M>, SubscribeError> {
        let key = query.id.as_deref().map(|id| Key::new(M::GRAPH.machine, id));
        let mut follower = Follower::new(self.engine.clone(), None, key);
        follower.start_from(query.start).await?;
        Ok(ChangeStream { follower, machines: self.clone() })
    }

    /// The history entry as a typed change of this machine; `None` if it is of another machine. For entries of
    /// [`Runtime::subscribe`](crate::Runtime::subscribe) and [`Runtime::changes`](crate::Runtime::changes).
    #[must_use]
    pub fn change(&self, entry: HistoryEntry) -> Option<Changed<M>> {
        let meta = (self.engine.clone(), self.origin.clone());
        (*entry.key.machine == *M::GRAPH.machine).then_some(Changed { entry, meta, machine: PhantomData })
    }
}

/// The changes of one machine, or of one instance, in the order of their sequence numbers. From [`Machines::changes`].
pub struct ChangeStream<M> {
    follower: Follower,
    machines: Machines<M>,
}

impl<M: Durable> ChangeStream<M> {
    /// The next change; waits until there is one. `None` once the runtime shuts down, and only then.
    ///
    /// # Errors
    /// [`SubscribeError::Gap`] if changes that were not returned yet have been pruned: call [`skip_gap`](Self::skip_gap) to continue
    /// after them. [`SubscribeError::Store`]: call it again.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no change is lost.
    pub async fn next(&mut self) -> Result<Option<Changed<M>>, SubscribeError> {
        while let Some(entry) = self.follower.next().await? {
            if let Some(change) = self.machines.change(entry) {
                return Ok(Some(change));
            }
        }
        Ok(None)
    }

    /// The sequence up to which all changes were returned: pass it to [`ChangesQuery::after`] to continue from here.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.follower.position()
    }

    /// Moves the position past the changes that were pruned, and returns the new [position](Self::position).
    ///
    /// # Errors
    /// [`SubscribeError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the position is unchanged.
    pub async fn skip_gap(&mut self) -> Result<u64, SubscribeError> {
        Ok(self.follower.skip_gap().await?)
    }

    /// The same changes as a [`Stream`], for the combinators of the `futures` crates. It ends once the runtime shuts down. After an error
    /// it continues; after a [`Gap`](SubscribeError::Gap), it continues after the gap.
    ///
    /// ```
    /// # use fsm_runtime::{ChangesQuery, Machines, SubscribeError, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Order { #[on(pay => Paid)] Open, #[state(end)] Paid }
    /// # async fn example(orders: Machines<Order>) -> Result<(), SubscribeError> {
    /// use futures_util::TryStreamExt;
    ///
    /// let states = orders.changes(&ChangesQuery::of("o-1")).await?.into_stream().map_ok(|change| change.state());
    /// # drop(states); Ok(()) }
    /// # fn main() {}
    /// ```
    pub fn into_stream(self) -> impl Stream<Item = Result<Changed<M>, SubscribeError>> + Send + Unpin + use<M> {
        let Self { follower, machines } = self;
        AsStream::new(follower, move |entry| machines.change(entry))
    }
}

impl<M: Durable> fmt::Debug for ChangeStream<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangeStream({} at {})", M::GRAPH.machine, self.position())
    }
}

/// One change of an instance of machine `M`: a creation, a transition, an override, or a note such as that it was parked.
pub struct Changed<M> {
    entry: HistoryEntry,
    meta: (Arc<Engine>, Origin),
    machine: PhantomData<fn() -> M>,
}

impl<M: Durable> Changed<M> {
    /// Its sequence number in the history of the store.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.entry.sequence
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.entry.key.id
    }

    /// The instance's version after the change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.entry.version
    }

    /// The state before the change; `None` for a creation, and for a state that is not declared. Former names of a state are known. A
    /// name that only a migration maps is not, because the entry does not have the data of that state; the
    /// [`state`](Self::state) of the change before does.
    #[must_use]
    pub fn from(&self) -> Option<M::State> {
        convert::declared_state::<M>(self.entry.from.as_deref()?)
    }

    /// The event; `None` for a creation, an override or a note.
    #[must_use]
    pub fn event(&self) -> Option<M::EventKind> {
        let fired = matches!(self.entry.kind, HistoryKind::Transition | HistoryKind::Internal);
        self.entry.event.as_deref().filter(|_| fired)?.parse().ok()
    }

    /// The event with its payload; `None` where [`event`](Self::event) is. Payloads are not migrated.
    ///
    /// # Errors
    /// [`CodecError`] if the payload does not fit the declared event.
    pub fn payload(&self) -> Result<Option<M::Event>, CodecError> {
        let Some(kind) = self.event() else { return Ok(None) };
        M::decode_event(kind, self.entry.payload.as_deref().unwrap_or("null")).map(Some)
    }

    /// The state after the change, migrated to the present schema; `None` for a state that is not declared.
    #[must_use]
    pub fn state(&self) -> Option<M::State> {
        convert::state_after::<M>(&self.meta.0.migrations, &self.entry)
    }

    /// The record as it was after the change, migrated to the present schema. `None` for a note, which changes no data. A
    /// transition of a record that is not the newest is a [`Conflict`](crate::TransitionError::Conflict).
    ///
    /// # Errors
    /// [`RowError`] if the entry does not fit the declared machine.
    pub fn record(&self) -> Result<Option<M::AnyRecord>, RowError> {
        if self.entry.data.is_none() {
            return Ok(None);
        }
        let (engine, origin) = &self.meta;
        let (machine, context) = convert::decode_entry::<M>(&engine.migrations, &self.entry)?;
        Ok(Some(machine.wrap_any(RecordMeta::of_entry(engine, origin, &self.entry, context))))
    }

    /// The history entry, undecoded: with actor, trace, cause, time, and the payload as JSON.
    #[must_use]
    pub fn entry(&self) -> &HistoryEntry {
        &self.entry
    }
}

/// Without the data, which is never printed.
impl<M> fmt::Debug for Changed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(f)
    }
}
