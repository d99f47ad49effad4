//! Operations on an instance by its id, whatever state it is in: firing, retrying a decision.

use super::Durable;
use super::{
    error::TransitionError,
    machines::Machines,
    record::{self, RecordMeta},
};
use crate::machine::convert;
use fsm_core::ApplyError;

/// How often an event that is fired by id is tried again after a conflict.
const FIRE_TRIES: u32 = 16;

impl<M: Durable> Machines<M> {
    /// Fires `event` on instance `id`, whatever state it is in.
    ///
    /// If another caller changes the instance at the same time, it is read again and the event is fired on its new state. If the
    /// decision depends on what was read before, fire the event on the record instead.
    ///
    /// # Errors
    /// [`TransitionError::NotAccepted`] and [`TransitionError::Refused`] with the record as it is; [`TransitionError::NotFound`];
    /// [`TransitionError::Conflict`] after several attempts that lost against other callers.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the event is fired or not. Read the instance to see which.
    pub fn fire<E: Into<M::Event>>(
        &self,
        id: &str,
        event: E,
    ) -> impl Future<Output = Result<M::AnyRecord, TransitionError<M>>> + Send + use<M, E> {
        self.fire_any(id, event.into(), None)
    }

    /// Like [`fire`](Self::fire), made once for each `key`: a second call, also after a crash or after the instance was removed,
    /// returns the result of the first. If the id was created again since, the key of the former instance does not count.
    ///
    /// # Errors
    /// As [`fire`](Self::fire); [`TransitionError::KeyReused`] if the key was used for another event or payload.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the event is fired or not. A second call with the same key returns
    /// the result.
    pub fn fire_with_key<E: Into<M::Event>, K: Into<String>>(
        &self,
        id: &str,
        event: E,
        key: K,
    ) -> impl Future<Output = Result<M::AnyRecord, TransitionError<M>>> + Send + use<M, E, K> {
        self.fire_any(id, event.into(), Some(key.into()))
    }

    fn fire_any(
        &self,
        id: &str,
        mut event: M::Event,
        idempotency_key: Option<String>,
    ) -> impl Future<Output = Result<M::AnyRecord, TransitionError<M>>> + Send + use<M> {
        let (this, id) = (self.clone(), id.to_owned());
        // Boxed: it would make the futures of its callers large.
        Box::pin(async move {
            let kind = M::kind_of(&event);
            let payload = M::encode_event(&event)?;
            let mut tries = 0;
            loop {
                tries += 1;
                // Looked up before the state: the first call may have moved the instance on, or removed it.
                if let Some(idempotency_key) = &idempotency_key
                    && let Some(first) =
                        this.engine.store.find_by_idempotency_key(Self::key(&id), idempotency_key.clone()).await?
                {
                    let first = record::same_request::<M>(first, kind, &payload, idempotency_key.clone())?;
                    let (machine, context) = convert::decode_entry::<M>(&this.engine.migrations, &first)?;
                    return Ok(machine.wrap_any(RecordMeta::of_entry(&this.engine, &this.origin, &first, context)));
                }
                let (row, (machine, context)) = this.load(&id).await?;
                let mut meta = RecordMeta::<M>::of(&this.engine, &this.origin, &row, context);
                meta.set_key(idempotency_key.clone());
                let (from, accepts) = (machine.state(), machine.accepts());
                let target = match machine.apply(event, meta.context_mut()) {
                    Ok(target) => target,
                    Err(ApplyError { machine, reason: Some(reason), .. }) => {
                        return Err(record::refuse(machine, meta, kind, reason));
                    }
                    Err(ApplyError { machine, reason: None, .. }) => {
                        return Err(record::not_accepted(machine, meta, kind, accepts));
                    }
                };
                let wrap = |machine: M, meta| Some(machine.wrap_any(meta));
                match meta.transition(from, kind, payload.clone(), target, wrap)?.commit().await {
                    Err(TransitionError::Conflict(_)) if tries < FIRE_TRIES => event = M::decode_event(kind, &payload)?,
                    decided => return decided,
                }
            }
        })
    }

    /// Reads the instance and calls `decide` with it, again after each [`TransitionError::Conflict`], `tries` times at most. The
    /// last conflict is returned.
    ///
    /// ```
    /// # use fsm_runtime::{TransitionError, Machines, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Tab { #[on(add { cents: u64 } => Open, with = add)] #[on(pay => Paid)] Open { cents: u64 }, #[state(end)] Paid }
    /// # fn add(mut open: tab::Open, event: tab::event::Add) -> tab::Open { open.cents += event.cents; open }
    /// # async fn example(tabs: Machines<Tab>) -> Result<(), TransitionError<Tab>> {
    /// tabs.retry("table 7", 10, async |tab| match tab {
    ///     tab::AnyRecord::Open(open) if open.cents > 0 => open.pay().await.map(drop),
    ///     _ => Ok(()), // nothing to pay
    /// })
    /// .await
    /// # }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// The error of `decide`, except a conflict before the last try; [`TransitionError::NotFound`]; [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// As that of `decide`.
    pub async fn retry<T>(
        &self,
        id: &str,
        tries: u32,
        mut decide: impl AsyncFnMut(M::AnyRecord) -> Result<T, TransitionError<M>>,
    ) -> Result<T, TransitionError<M>> {
        let mut left = tries;
        loop {
            left = left.saturating_sub(1);
            match decide(self.get(id).await?).await {
                Err(TransitionError::Conflict(_)) if left > 0 => {}
                decided => return decided,
            }
        }
    }
}
