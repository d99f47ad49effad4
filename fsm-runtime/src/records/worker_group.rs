//! What a worker changes besides its own instance: handles for it, and groups that are committed with its result.

use super::{Durable, GroupError, Machines, TransitionGroup};
use crate::{
    engine::{BoundStatements, Engine, until_stored},
    machine::DurableState,
    store::{self, Change, Origin, TransactionalSql, Verdict},
    sync::Mutex,
    worker::{CommitBeside, Committed, Done, Outcome, Own, RawTask, WorkError},
};
use std::{error::Error, sync::Arc};
use tokio_util::sync::CancellationToken;

impl<S: DurableState> RawTask<S> {
    /// The instances of machine `M`, in the runtime of this worker and with its migrations. `M` can be the worker's own machine or
    /// another one, and need not be registered.
    ///
    /// A change through this handle is stored at once, and is not undone if the worker fails. Use [`group`](Self::group) for changes
    /// that are stored together with the worker's event.
    #[must_use]
    pub fn machines<M: Durable>(&self) -> Machines<M> {
        self.engine().definitions.knows_of(M::GRAPH);
        Machines::new(self.engine().clone(), Origin::default())
    }

    /// An empty group of changes, to be committed together with the worker's event by [`Done::with_group`] or
    /// [`Done::with_statements`].
    pub fn group(&self) -> TransitionGroup {
        TransitionGroup::new(self.engine().clone())
    }
}

impl<S: DurableState> Done<S> {
    /// Commits `group` together with the worker's result: all of it or nothing. `group` is from [`RawTask::group`].
    ///
    /// ```
    /// # use fsm_runtime::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Charging, durable, derive(Serialize, Deserialize))]
    /// # enum Order { #[state(work)] #[on(charged => Paid)] Charging, #[state(end)] Paid }
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Packing, durable, derive(Serialize, Deserialize))]
    /// # enum Parcel { #[on(send => Sent)] Packing, #[state(end)] Sent }
    /// # struct Shop;
    /// impl order::Workers for Shop {
    ///     async fn charging(&self, task: order::Task<order::Charging>) -> Outcome<order::Charging> {
    ///         // … charge the card …
    ///         let mut group = task.group();
    ///         group.add(task.machines::<Parcel>().create(task.id(), parcel::Packing));
    ///         task.charged()?.with_group(group)
    ///     }
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// The runtime commits when the worker has returned, under the worker's claim. If the instance has moved on or another worker has
    /// claimed it, nothing is committed. If internal transitions have changed the data, the event is fired on the present data, and the
    /// group is committed with it. While the store is unavailable, the whole group is retried as the result alone is. If another
    /// change of the group cannot be made, nothing is committed and the attempt has failed: it is retried with backoff, and its error is
    /// that of the group. If the group was committed before under its idempotency key, the result alone is committed.
    ///
    /// # Errors
    /// A permanent error if the result has a group already: add all changes to one group.
    pub fn with_group(self, group: TransitionGroup) -> Outcome<S> {
        self.beside(beside(group, None))
    }

    /// Commits `group`, which can be empty, and runs `statements`, together with the worker's result: all of it or nothing. As
    /// [`with_group`](Self::with_group) otherwise.
    ///
    /// `store` is a clone of the store that the runtime was built with. `statements` runs after the changes and in their transaction,
    /// while all other changes wait: keep it short. It runs again if the commit is retried, but only if the earlier transaction was
    /// certainly not committed. Change nothing but the database in it. If it fails, nothing is committed and the attempt has failed.
    ///
    #[cfg_attr(feature = "sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
    /// # use fsm_runtime::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Charging, durable, derive(Serialize, Deserialize))]
    /// # enum Order { #[state(work)] #[on(charged => Paid)] Charging, #[state(end)] Paid }
    /// # struct Shop { store: Sqlite }
    /// impl order::Workers for Shop {
    ///     async fn charging(&self, task: order::Task<order::Charging>) -> Outcome<order::Charging> {
    ///         let (group, id) = (task.group(), task.id().to_owned());
    ///         task.charged()?.with_statements(group, &self.store, move |sql| {
    ///             sql.execute("INSERT INTO receipts (\"order\") VALUES (?1)", &[id.clone().into()])?;
    ///             Ok(())
    ///         })
    ///     }
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// A permanent error if `store` is not the store of the group's runtime, or the result has a group already.
    pub fn with_statements<T: TransactionalSql>(
        self,
        group: TransitionGroup,
        store: &T,
        statements: impl Fn(&T::Sql<'_>) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Outcome<S> {
        if !group.engine().uses(store) {
            return Err(WorkError::permanent(GroupError::OtherStore));
        }
        let (store, statements) = (store.clone(), Arc::new(statements));
        let run: BoundStatements = Arc::new(move |group, now| {
            let (store, statements) = (store.clone(), statements.clone());
            Box::pin(async move { store.commit_with(group, Box::new(move |sql| statements(sql)), now).await })
        });
        self.beside(beside(group, Some(run)))
    }
}

fn beside(group: TransitionGroup, statements: Option<BoundStatements>) -> CommitBeside {
    Box::new(move |engine, own, stop| Box::pin(commit(engine, own, stop, group, statements)))
}

/// Commits the worker's change `own` with `group`, retrying while the store fails, until `stop` is cancelled.
///
/// `own` is the first change of the transaction. If an earlier attempt was committed although its answer was lost, `own` misses its
/// row, and neither the rest of the group nor the statements run again. If internal transitions have changed the row under the same
/// claim, `own` is decided again on it, and committed with the group or not at all.
async fn commit(
    engine: Arc<Engine>,
    own: Own,
    stop: CancellationToken,
    group: TransitionGroup,
    statements: Option<BoundStatements>,
) -> Committed {
    if !Arc::ptr_eq(&engine, group.engine()) {
        let error = "the group is of another runtime than the worker; make it with `task.group()`";
        return Committed::Refused(WorkError::permanent(error));
    }
    let Own { change: first, again } = own;
    let (change, again, decided) = (Arc::new(Mutex::new(first)), Arc::new(again), Arc::new(Mutex::new(None)));
    let submit = {
        let (engine, change, stop, decided) = (engine.clone(), change.clone(), stop.clone(), decided.clone());
        move |changes: Vec<Change>| {
            let (engine, change, stop, decided) = (engine.clone(), change.clone(), stop.clone(), decided.clone());
            let (again, statements) = (again.clone(), statements.clone());
            async move {
                loop {
                    let own = change.lock().clone();
                    let group = store::Group { changes: std::iter::once(own.clone()).chain(changes.clone()).collect() };
                    let commit = || engine.commit_beside(group.clone(), statements.clone());
                    let verdict = match until_stored(&engine, "result", own.key(), &stop, commit).await {
                        Ok(verdict) => verdict.map_err(GroupError::Statements)?,
                        Err(error) => {
                            *decided.lock() = Some(Committed::Own(Err(error.clone())));
                            return Err(GroupError::Store(error));
                        }
                    };
                    let (verdict, rest) = split(verdict);
                    let Some(verdict) = verdict else { return rest.ok_or(GroupError::Empty) };
                    *decided.lock() = Some(match again(&own, &verdict) {
                        None => Committed::Own(Ok(verdict)),
                        Some(Ok(later)) => {
                            *change.lock() = later;
                            continue;
                        }
                        Some(Err(error)) => Committed::Refused(error),
                    });
                    // Of the group alone, so that its changes can be completed. Without a rest, `decided` counts.
                    return rest.ok_or(GroupError::Empty);
                }
            }
        }
    };
    let outcome = group.run(submit).await;
    if let Some(decided) = decided.lock().take() {
        return decided;
    }
    match outcome {
        // The group was committed before under its idempotency key.
        Ok(_) => {
            let own = change.lock().clone();
            let alone = || engine.commit_own(own.clone());
            Committed::Own(until_stored(&engine, "result", own.key(), &stop, alone).await)
        }
        Err(error) => Committed::Refused(WorkError::from(error)),
    }
}

/// The verdict on the first change, where it is known, and the verdict on the others, where they count.
fn split(verdict: Verdict) -> (Option<Verdict>, Option<Verdict>) {
    match verdict {
        Verdict::Committed { mut rows } => {
            let others = rows.split_off(rows.len().min(1));
            (Some(Verdict::Committed { rows }), Some(Verdict::Committed { rows: others }))
        }
        verdict => match verdict.change() {
            None | Some(0) => (Some(verdict), None),
            Some(place) => (None, Some(verdict.at(place - 1))),
        },
    }
}
