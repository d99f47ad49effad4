//! Owns what an operator does with an instance: see what is parked, release it, move it past the rules.

use super::Durable;
use super::{
    error::TransitionError,
    machines::Machines,
    query::ListQuery,
    record::{RawRecord, RecordMeta},
    transition::{self, Pending},
};
use crate::machine::{RowError, convert};
use crate::{
    machine::DurableState,
    store::{Attempts, Cause, Change, Note, Override, Page, Release, Row, StoreError},
};
use std::time::Duration;

impl<M: Durable> Machines<M> {
    /// The instances on which no more work is done until somebody does something about it, the one first that has stood
    /// longest in its state: the page that begins at `after`, the [`next`](Page::next) of the page before. Each row says why ([`parked`](Row::parked)), since when ([`parked_at`](Row::parked_at)),
    /// in which state, and after how many [attempts](Row::attempt).
    ///
    /// For pages of another size, or those of one state: [`rows`](Self::rows) with [`ListQuery::parked`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn parked(&self, after: Option<&str>) -> Result<Page<Row>, StoreError> {
        let listing = ListQuery::all().parked();
        self.rows(&after.into_iter().fold(listing, ListQuery::after)).await
    }

    /// Lets work on a parked instance begin anew, with its attempts counted from zero; noted in the history, on behalf of
    /// whom the handle [acts](Self::with_actor).
    ///
    /// On an instance that is not parked it does nothing.
    ///
    /// # Errors
    /// [`TransitionError::Conflict`] when somebody else changed it meanwhile, [`TransitionError::NotFound`], [`TransitionError::Store`].
    pub async fn release(&self, id: &str) -> Result<(), TransitionError<M>> {
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
            note: Some(Note {
                about: "released",
                text: format!("after {} attempts", row.attempt),
                cause: Cause::Operator,
                origin: self.origin.clone(),
            }),
        };
        self.commit(row.key, Change::Release(release)).await
    }

    /// Puts the instance that stands as `seen` into `state`, past the rules: no transition need lead there, no guard is
    /// asked. For what the rules did not foresee, and for a row that cannot be read any more; whoever does it answers for it,
    /// so the handle must say [on whose behalf](Self::with_actor) it acts, and `why` is not empty.
    ///
    /// It is a new stay: the worker of the old one is cancelled and waited for, timers start anew, attempts and what a worker
    /// saved are forgotten, and it is not parked any more. What every state shares stays. The history has it as an `override`
    /// with who and why, and the version moves on, so that records from before conflict.
    ///
    /// ```
    /// # use fsm_runtime::{Machines, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Building, durable, derive(Serialize, Deserialize))]
    /// # enum Server {
    /// #     #[state(work)] #[on(fail { reason: String } => Failed)] Building,
    /// #     #[on(retry => Building)] Failed { reason: String },
    /// # }
    /// # async fn example(servers: Machines<Server>) -> Result<(), fsm_runtime::TransitionError<Server>> {
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
    /// [`TransitionError::Conflict`] when the instance has changed since it was seen; [`TransitionError::Override`] where nobody is named, no
    /// reason is given, or `seen` is of another machine; [`TransitionError::Row`] for a row that newer code has written, or whose context
    /// cannot be read ([`move_to_with`](Self::move_to_with) gives it another); [`TransitionError::NotFound`]; [`TransitionError::Codec`];
    /// [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// Dropped half-way, it is moved or not; read the instance to see which.
    pub fn move_to<S>(
        &self,
        seen: &Row,
        state: S,
        why: impl Into<String>,
    ) -> Pending<Result<M::Record<S>, TransitionError<M>>>
    where
        S: DurableState<Machine = M>,
    {
        self.put(seen, state, None, why.into())
    }

    /// The same with a `context` in the place of the one that the instance has: for one that is wrong, or cannot be read.
    ///
    /// # Errors
    /// As [`move_to`](Self::move_to).
    ///
    /// # Cancel safety
    /// As [`move_to`](Self::move_to).
    pub fn move_to_with<S>(
        &self,
        seen: &Row,
        state: S,
        context: M::Context,
        why: impl Into<String>,
    ) -> Pending<Result<M::Record<S>, TransitionError<M>>>
    where
        S: DurableState<Machine = M>,
    {
        self.put(seen, state, Some(context), why.into())
    }

    fn put<S>(
        &self,
        seen: &Row,
        state: S,
        context: Option<M::Context>,
        why: String,
    ) -> Pending<Result<M::Record<S>, TransitionError<M>>>
    where
        S: DurableState<Machine = M>,
    {
        let (engine, origin) = (self.engine.clone(), self.origin.clone());
        let context =
            context.map_or_else(|| convert::context::<M>(&engine.migrations, seen), |given| Ok(Box::new(given)));
        let Row { key, incarnation, version, schema, state: from, .. } = seen.clone();
        Pending::new(async move {
            let refused = |why| TransitionError::Override { key: key.clone(), why };
            if *key.machine != *M::GRAPH.machine {
                return Err(refused("it is an instance of another machine"));
            }
            if origin.actor.as_deref().is_none_or(|actor| actor.trim().is_empty()) {
                return Err(refused("an override says who made it: `machines.with_actor(…)` names the operator"));
            }
            if why.trim().is_empty() {
                return Err(refused("an override says why: give it the reason"));
            }
            let known = M::GRAPH.version;
            if schema > known {
                return Err(TransitionError::Row(RowError::Newer { key, found: schema, known }));
            }
            let context = context?;
            let (machine, into) = convert::entering::<M>(state.into_enum(), &context)?;
            let by = origin.clone();
            let moved = Override { key: key.clone(), incarnation, version, from, into, why, origin };
            match engine.commit_row(Change::Override(moved)).await? {
                Ok(row) => match S::from_enum(machine) {
                    Ok(state) => Ok(M::wrap(RawRecord::__new(state, RecordMeta::of(&engine, &by, &row, context)))),
                    Err(_) => {
                        Err(TransitionError::Unstorable { key, reason: "it changed its state on the way".to_owned() })
                    }
                },
                Err(verdict) => Err(transition::missed(&engine, &by, key, None, verdict)),
            }
        })
    }
}
