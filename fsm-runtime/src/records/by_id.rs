//! Owns what is done with an instance by its id, whatever state it is in: firing, deciding again, waiting.

use super::Durable;
use super::{
    error::{TransitionError, WaitError},
    machines::Machines,
    record::{self, RecordMeta},
    transition::Pending,
};
use crate::machine::convert;
use crate::store::{Key, Row};
use fsm_core::{ApplyError, Graph, Name, StateKind};
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How often an event given by id is tried again when others keep changing the instance under it.
const FIRE_TRIES: u32 = 16;

impl<M: Durable> Machines<M> {
    /// Fires `event` on instance `id`, in whatever state it stands, if that state declares it.
    ///
    /// When somebody else changes the instance at the same time, it is read again and the event is tried on what it has
    /// become. Where the decision depends on what was read before, fire on the record instead.
    ///
    /// # Errors
    /// [`TransitionError::NotAccepted`] and [`TransitionError::Refused`] with the record as it stands; [`TransitionError::NotFound`];
    /// [`TransitionError::Conflict`] when others kept being first.
    ///
    /// # Cancel safety
    /// Dropped half-way, the event is fired or not; read the instance to see which.
    pub fn fire(&self, id: &str, event: impl Into<M::Event>) -> Pending<Result<M::AnyRecord, TransitionError<M>>> {
        self.seek(id, event.into(), None)
    }

    /// The same, made once however often it is asked for with the same `key`: asked again, also after a crash and though
    /// the instance has moved on or was removed, it answers as it did the first time. When its id was used again, the key is that of
    /// a former life, and stands for nothing.
    ///
    /// # Errors
    /// As [`fire`](Self::fire); [`TransitionError::KeyReused`] where the key stands for another event or payload.
    pub fn fire_with_key(
        &self,
        id: &str,
        event: impl Into<M::Event>,
        key: impl Into<String>,
    ) -> Pending<Result<M::AnyRecord, TransitionError<M>>> {
        self.seek(id, event.into(), Some(key.into()))
    }

    fn seek(
        &self,
        id: &str,
        mut event: M::Event,
        idempotency_key: Option<String>,
    ) -> Pending<Result<M::AnyRecord, TransitionError<M>>> {
        let (this, id) = (self.clone(), id.to_owned());
        Pending::new(async move {
            let kind = M::kind_of(&event);
            let payload = M::encode_event(&event)?;
            let mut tries = 0;
            loop {
                tries += 1;
                // Before legality: the first call may have moved the instance to where the event is not accepted, or removed it.
                if let Some(idempotency_key) = &idempotency_key
                    && let Some(first) =
                        this.engine.store.find_by_idempotency_key(Self::key(&id), idempotency_key.clone()).await?
                {
                    let first = record::same_request::<M>(first, kind, &payload, idempotency_key.clone())?;
                    let (machine, context) = convert::decode_entry::<M>(&this.engine.migrations, &first)?;
                    return Ok(machine.wrap_any(RecordMeta::of_first(&this.engine, &this.origin, &first, context)));
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
                let plan =
                    meta.plan(from, kind, payload.clone(), target, |machine, meta| Ok(machine.wrap_any(meta)))?;
                match plan.commit().await {
                    Err(TransitionError::Conflict(_)) if tries < FIRE_TRIES => event = M::decode_event(kind, &payload)?,
                    decided => return decided,
                }
            }
        })
    }

    /// Reads the instance and lets `decide` act on it, again and again while others are faster: `tries` times at most,
    /// after which the last conflict is the answer.
    ///
    /// ```
    /// # use fsm_runtime::{TransitionError, Machines, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Tab { #[on(add { cents: u64 } => Open, with = add)] #[on(pay => Paid)] Open { cents: u64 }, #[state(end)] Paid }
    /// # fn add(mut open: tab::Open, event: tab::event::Add) -> tab::Open { open.cents += event.cents; open }
    /// # async fn example(tabs: Machines<Tab>) -> Result<(), fsm_runtime::TransitionError<Tab>> {
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
    /// What `decide` fails with, but for a conflict before the last try; [`TransitionError::NotFound`]; [`TransitionError::Store`].
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

    /// Waits until instance `id` stands in `state`, for `timeout` at most; a state that it only passes through between
    /// two looks can be missed. Notifier by other processes are seen too.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] says where it stands instead, and how its work goes; [`WaitError::Read`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn wait_for(&self, id: &str, state: M::State, timeout: Duration) -> Result<M::AnyRecord, WaitError> {
        self.wait_until(id, timeout, state.as_str(), |now| now == state).await
    }

    /// Waits until instance `id` stands in a state that `wanted` says yes to; `what` names it in the error.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub async fn wait_until(
        &self,
        id: &str,
        timeout: Duration,
        what: &'static str,
        wanted: impl Fn(M::State) -> bool,
    ) -> Result<M::AnyRecord, WaitError> {
        let key = Self::key(id);
        let mut word = self.engine.notifier.subscribe();
        let deadline = self.engine.clock.elapsed().saturating_add(timeout);
        loop {
            let (row, (machine, context)) = self.load(id).await?;
            if wanted(machine.state()) {
                return Ok(machine.wrap_any(RecordMeta::of(&self.engine, &self.origin, &row, context)));
            }
            let left = deadline.saturating_sub(self.engine.clock.elapsed());
            if self.engine.clock.timeout(left, told(&mut word, &key)).await.is_none() {
                let state = machine.state().as_str();
                let (version, why) = (row.version, how_its_work_stands(M::GRAPH, state, &row, self.engine.clock.now()));
                return Err(WaitError::Timeout { key, wanted: what, waited: timeout, state, version, why });
            }
        }
    }
}

/// What `row`, which stands in `state`, tells of the work on it; `None` where that is no `work` state.
fn how_its_work_stands(graph: &Graph, state: &str, row: &Row, now: SystemTime) -> Option<String> {
    graph.state(state).filter(|state| state.kind == StateKind::Work)?;
    let error = row.error.as_deref().map(|error| format!(" with: {error}")).unwrap_or_default();
    let pause = row.retry_at.and_then(|at| at.duration_since(now).ok()).filter(|pause| !pause.is_zero());
    Some(match (&row.parked, &row.owner, pause) {
        (Some(reason), _, _) => format!("its work is parked ({reason}); an event moves it, or `release` has it go on"),
        (None, Some(_), _) => format!("attempt {} is under way", row.attempt),
        (None, None, Some(pause)) if row.attempt > 0 => {
            format!("attempt {} failed{error}; the next one begins in {pause:.1?}", row.attempt)
        }
        (None, None, Some(pause)) => format!("its worker runs again in {pause:.1?}"),
        (None, None, None) => format!(
            "its work is due and nobody is at it; some runtime has to have `{}` registered (`Builder::machine`), and there \
             `status()` lists what waits for a slot",
            row.key.machine
        ),
    })
}

/// Ends when instance `key` may have changed.
pub(super) async fn told(word: &mut Receiver<Key>, key: &Key) {
    loop {
        match word.recv().await {
            Ok(other) if other != *key => {}
            // Missed some: look.
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
