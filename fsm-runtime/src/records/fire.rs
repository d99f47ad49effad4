//! Events that are fired by id, on whatever state the instance is in.

use super::Durable;
use super::{
    callers::{self, CallerEvent},
    error::TransitionError,
    idempotency_key::IntoIdempotencyKey,
    machines::Machines,
    record::{self, RecordMeta},
    transition::{PendingTransition, Prepared, Wrap, replayed},
};
use crate::{
    machine::{Seal, convert},
    store::{HistoryEntry, Key, Request},
};
use fsm_core::{ApplyError, Name};

/// How often an event that is fired by id is tried again after a conflict with a change that did not wait for its turn: one of another
/// process, of a worker, or through a record.
pub(super) const FIRE_TRIES: u32 = 64;

impl<M: Durable> Machines<M> {
    /// Fires `event` on instance `id`, whatever state it is in.
    ///
    /// Calls for one instance wait for each other, in the order in which they are first polled, and each decides on the state that the
    /// one before has left. If another process, a worker, or a record changes the instance meanwhile, it is read again and the event
    /// is fired on its new state. If the decision depends on what was read before, fire the event on the record instead.
    ///
    /// `event` is an event that callers can fire, or `M::Event`. An event that is `by = worker` in every state does not compile as a type
    /// of its own; as `M::Event` it is refused without a read.
    ///
    /// Await the result, or add it to a [`TransitionGroup`](crate::TransitionGroup).
    ///
    /// # Errors
    /// [`TransitionError::NotAccepted`] and [`TransitionError::Refused`] with the record as it is; [`TransitionError::ByWorker`] if only
    /// the worker can fire the event; [`TransitionError::NotFound`];
    /// [`TransitionError::Contended`] if its turn did not come within 30 seconds, or after 64 attempts that lost against other
    /// changes.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the event is fired or not. Read the instance to see which.
    pub fn fire<E>(&self, id: &str, event: E) -> PendingTransition<M::AnyRecord, M>
    where
        M: CallerEvent<E>,
    {
        self.fire_any(id, M::into_event(event, Seal), None)
    }

    /// Like [`fire`](Self::fire), made once for each `key`: a second call, also after a crash or after the instance was removed,
    /// returns the result of the first. If the id was created again since, the key of the former instance does not count.
    ///
    /// `key` can be an `Option`. With `None`, it is [`fire`](Self::fire).
    ///
    /// # Errors
    /// As [`fire`](Self::fire); [`TransitionError::KeyReused`] if the key was used for another event or payload.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the event is fired or not. A second call with the same key returns
    /// the result.
    pub fn fire_with_key<E, K: IntoIdempotencyKey>(
        &self,
        id: &str,
        event: E,
        key: K,
    ) -> PendingTransition<M::AnyRecord, M>
    where
        M: CallerEvent<E>,
    {
        self.fire_any(id, M::into_event(event, Seal), key.into_idempotency_key())
    }

    fn fire_any(
        &self,
        id: &str,
        event: M::Event,
        idempotency_key: Option<String>,
    ) -> PendingTransition<M::AnyRecord, M> {
        let (key, kind) = (Self::key(id), M::kind_of(&event));
        if let Some(refused) = callers::refused_in_every_state(&key, kind) {
            return PendingTransition::failed(refused);
        }
        match convert::payload::<M>(&event) {
            Ok(payload) => PendingTransition::by_id(ById {
                machines: self.clone(),
                key,
                kind,
                payload,
                event: Some(event),
                idempotency_key,
                wrap: |machine, meta| Some(machine.wrap_any(meta)),
            }),
            Err(error) => PendingTransition::failed(error.into()),
        }
    }
}

/// An event for whatever state the instance is in.
pub(super) struct ById<R, M: Durable> {
    machines: Machines<M>,
    key: Key,
    kind: M::EventKind,
    payload: String,
    /// Until the first attempt; later ones decode the payload.
    event: Option<M::Event>,
    idempotency_key: Option<String>,
    wrap: Wrap<R, M>,
}

impl<R: Send + 'static, M: Durable> ById<R, M> {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn idempotency_key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    pub(super) fn set_key(&mut self, idempotency_key: String) {
        self.idempotency_key = Some(idempotency_key);
    }

    /// Fires the event alone.
    pub(super) async fn fire(mut self: Box<Self>) -> Result<R, TransitionError<M>> {
        let engine = self.machines.engine.clone();
        let Some(_turn) = engine.turns.take(&self.key, &engine.clock).await else {
            return Err(self.contended());
        };
        for _ in 0..FIRE_TRIES {
            // Looked up before the state: the first call may have moved the instance on, or removed it.
            if let Some(first) = self.first().await? {
                return self.replay(&first);
            }
            match self.decide().await {
                Ok(prepared) => match prepared.commit().await {
                    Err(TransitionError::Conflict(_)) => {}
                    decided => return decided,
                },
                // Another process may have made the first call between the look-up and the read.
                Err(error) => return self.first().await?.map_or(Err(error), |first| self.replay(&first)),
            }
        }
        Err(self.contended())
    }

    pub(super) fn contended(&self) -> TransitionError<M> {
        TransitionError::Contended { key: self.key.clone(), event: self.kind }
    }

    /// The history entry that the same request wrote under its key; `None` if the key was not used.
    pub(super) async fn first(&mut self) -> Result<Option<HistoryEntry>, TransitionError<M>> {
        let Some(used) = self.idempotency_key.clone() else { return Ok(None) };
        let first = self.machines.engine.store.find_by_idempotency_key(self.key.clone(), used.clone()).await?;
        let request = Request::Event { event: self.kind.as_str(), payload: &self.payload };
        first.map(|first| record::same_request(first, request, &used)).transpose()
    }

    /// The result of the first request with the same key.
    pub(super) fn replay(&self, first: &HistoryEntry) -> Result<R, TransitionError<M>> {
        replayed(&self.machines.engine, &self.machines.origin, first, self.wrap)
    }

    /// Reads the instance and applies the event to it.
    pub(super) async fn decide(&mut self) -> Result<Prepared<R, M>, TransitionError<M>> {
        let Machines { engine, origin, .. } = &self.machines;
        let (row, (machine, context)) = self.machines.load(&self.key.id).await?;
        let event = match self.event.take() {
            Some(event) => event,
            None => M::decode_event(self.kind, &self.payload)?,
        };
        let mut meta = RecordMeta::<M>::of(engine, origin, &row, context);
        meta.set_key(self.idempotency_key.clone());
        let from = machine.state();
        if let Some(refused) = callers::refused(&self.key, from, self.kind) {
            return Err(refused);
        }
        engine.clock.scope(|| match machine.apply(event, meta.context_mut()) {
            Ok(target) => meta.transition(from, self.kind, self.payload.clone(), target, self.wrap),
            Err(ApplyError { machine, reason: Some(reason), .. }) => {
                Err(record::refuse(machine, meta, self.kind, reason))
            }
            Err(ApplyError { machine, reason: None, .. }) => Err(record::not_accepted(machine, meta, self.kind)),
        })
    }
}
