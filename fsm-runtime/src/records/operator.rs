//! Actions of operators: unparking an instance, and moving it without a declared transition.

use super::Durable;
use super::{
    error::TransitionError,
    machines::{Machines, in_state},
    record::RecordMeta,
    transition,
};
use crate::machine::{RowError, convert};
use crate::{
    machine::DurableState,
    store::{Attempts, Cause, Change, Hold, Note, Override, Release, Row},
};
use std::time::Duration;

impl<M: Durable> Machines<M> {
    /// Lets work on a parked instance begin again, with its attempts counted from zero. The history has a note of it with the
    /// [actor](Self::with_actor) of the handle. If the instance is not parked, nothing changes.
    ///
    /// To list parked instances, use [`rows`](Self::rows) with [`ListQuery::parked`](crate::ListQuery::parked): each row has the reason
    /// ([`parked`](Row::parked)), the time ([`parked_at`](Row::parked_at)) and the number of [attempts](Row::attempt).
    ///
    /// # Errors
    /// [`TransitionError::Conflict`] if another caller changed it meanwhile; [`TransitionError::NotFound`]; [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the instance is unparked or not. Calling it again is safe.
    pub async fn unpark(&self, id: &str) -> Result<(), TransitionError<M>> {
        let row = self.row(id).await?;
        if row.parked.is_none() {
            return Ok(());
        }
        let release = Release {
            key: row.key.clone(),
            incarnation: row.incarnation,
            version: row.version,
            fence: row.fence,
            owner: row.owner.clone(),
            retry: Some(Duration::ZERO),
            attempts: Attempts::Reset,
            error: None,
            parked: None,
            note: Some(self.operators_note("released", format!("after {} attempts", row.attempt))),
        };
        self.commit(row.key, Change::Release(release)).await
    }

    /// Holds an instance: no work of it begins, and a worker that runs is cancelled, until [`unhold`](Self::unhold). Events, timers and
    /// the desired state continue, and the instance stays held when they move it. The history has a note with the
    /// [actor](Self::with_actor) of the handle. `why` replaces an earlier reason.
    ///
    /// To list held instances, use [`rows`](Self::rows) with [`ListQuery::held`](crate::ListQuery::held).
    ///
    /// # Errors
    /// [`TransitionError::Conflict`] if another caller changed it meanwhile; [`TransitionError::NotFound`]; [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the instance is held or not. Calling it again is safe.
    pub async fn hold(&self, id: &str, why: impl Into<String>) -> Result<(), TransitionError<M>> {
        let (row, why) = (self.row(id).await?, why.into());
        let note = self.operators_note("held", why.clone());
        self.set_hold(row, Some(why), note).await
    }

    /// Ends a hold: work that is due begins. If the instance is not held, nothing changes.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    ///
    /// # Cancel safety
    /// As [`hold`](Self::hold).
    pub async fn unhold(&self, id: &str) -> Result<(), TransitionError<M>> {
        let row = self.row(id).await?;
        let Some(why) = &row.hold else { return Ok(()) };
        let note = self.operators_note("hold ended", why.clone());
        self.set_hold(row, None, note).await
    }

    async fn set_hold(&self, row: Row, hold: Option<String>, note: Note) -> Result<(), TransitionError<M>> {
        let Row { key, incarnation, version, hold: seen, .. } = row;
        let change = Hold { key: key.clone(), incarnation, version, seen, hold, note: Some(note) };
        self.commit(key, Change::Hold(change)).await
    }

    fn operators_note(&self, about: &'static str, text: String) -> Note {
        Note { about, text, cause: Cause::Operator, origin: self.origin.clone() }
    }

    /// Moves the instance that was read as `seen` into `state`, although no transition is declared. No guard
    /// runs. For cases that the machine does not foresee, and for a row that cannot be read. The handle must have an
    /// [actor](Self::with_actor), and `why` must not be empty.
    ///
    /// The instance enters the state as by a transition: the worker of the old state is cancelled and waited for, timers start,
    /// attempts and checkpoints are reset, and it is unparked. The context is kept. The `enter` of the state runs. The history has an `override`
    /// entry with actor and reason, and the version increases, so that records from before conflict.
    ///
    /// ```
    /// # use fsm_runtime::{Machines, TransitionError, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Building, durable, derive(Serialize, Deserialize))]
    /// # enum Server {
    /// #     #[state(work)] #[on(fail { reason: String } => Failed)] Building,
    /// #     #[on(retry => Building)] Failed { reason: String },
    /// # }
    /// # async fn example(servers: Machines<Server>) -> Result<(), TransitionError<Server>> {
    /// let seen = servers.row("web-1").await?;
    /// println!("{} in {} after {} attempts: {:?}", seen.key, seen.state, seen.attempt, seen.parked);
    /// let failed = server::Failed { reason: "the provider lost it".into() };
    /// let failed = servers.with_actor("ada").move_to(&seen, failed, "ticket 4711").await?;
    /// failed.retry().await?; // a typed record, as after any other change
    /// # Ok(()) }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`TransitionError::Conflict`] if the instance has changed since `seen` was read; [`TransitionError::Override`] without an actor or
    /// a reason, or if `seen` is of another machine; [`TransitionError::Row`] for a row that newer code has written, or whose context
    /// cannot be read (use [`move_to_with`](Self::move_to_with)); [`TransitionError::NotFound`]; [`TransitionError::Codec`];
    /// [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the instance is moved or not. Read it to see which.
    pub fn move_to<S, W>(
        &self,
        seen: &Row,
        state: S,
        why: W,
    ) -> impl Future<Output = Result<M::Record<S>, TransitionError<M>>> + Send + use<M, S, W>
    where
        S: DurableState<Machine = M>,
        W: Into<String>,
    {
        self.override_state(seen, state, None, why.into())
    }

    /// Like [`move_to`](Self::move_to), with a new `context`: for one that is wrong, or cannot be read.
    ///
    /// # Errors
    /// As [`move_to`](Self::move_to).
    ///
    /// # Cancel safety
    /// As [`move_to`](Self::move_to).
    pub fn move_to_with<S, W>(
        &self,
        seen: &Row,
        state: S,
        context: M::Context,
        why: W,
    ) -> impl Future<Output = Result<M::Record<S>, TransitionError<M>>> + Send + use<M, S, W>
    where
        S: DurableState<Machine = M>,
        W: Into<String>,
    {
        self.override_state(seen, state, Some(context), why.into())
    }

    fn override_state<S>(
        &self,
        seen: &Row,
        state: S,
        context: Option<M::Context>,
        why: String,
    ) -> impl Future<Output = Result<M::Record<S>, TransitionError<M>>> + Send + use<M, S>
    where
        S: DurableState<Machine = M>,
    {
        let (engine, origin) = (self.engine.clone(), self.origin.clone());
        let context =
            context.map_or_else(|| convert::context::<M>(&engine.migrations, seen), |given| Ok(Box::new(given)));
        let Row { key, incarnation, version, schema, state: from, .. } = seen.clone();
        async move {
            let refused = |why| TransitionError::Override { key: key.clone(), why };
            if *key.machine != *M::GRAPH.machine {
                return Err(refused("it is an instance of another machine"));
            }
            if origin.actor.as_deref().is_none_or(|actor| actor.trim().is_empty()) {
                return Err(refused("an override needs an actor: call `machines.with_actor(…)` first"));
            }
            if why.trim().is_empty() {
                return Err(refused("an override needs a reason, and `why` is empty"));
            }
            let known = M::GRAPH.version;
            if schema > known {
                return Err(TransitionError::Row(RowError::Newer { key, found: schema, known }));
            }
            let mut context = context?;
            let entered = engine.clock.scope(|| {
                let machine = M::enter(state.into_enum(), &mut context);
                convert::entering::<M>(machine, &context)
            });
            let (machine, into) = entered?;
            let by = origin.clone();
            let moved = Override { key: key.clone(), incarnation, version, from, into, why, origin };
            match engine.commit_row(Change::Override(moved)).await? {
                Ok(row) => in_state(machine, RecordMeta::of(&engine, &by, &row, context)).ok_or_else(|| {
                    TransitionError::Unstorable { key, reason: "the target is in another state".to_owned() }
                }),
                Err(verdict) => Err(transition::missed(&engine, &by, key, None, verdict)),
            }
        }
    }
}
