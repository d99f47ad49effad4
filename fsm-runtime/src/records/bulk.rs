//! Bulk operations: creating many instances, and rewriting older rows under the present schema.

use super::{CreateFrom, Durable};
use super::{error::TransitionError, machines::Machines, query::ListQuery};
use crate::machine::{Migrated, RowError, convert, older, timers};
use crate::store::{Arm, Change, Entering, Group, Rewrite, Row, StoreError, Verdict};
use std::iter;

/// How many instances share a transaction when many are made or rewritten.
const BATCH: usize = 256;

impl<M: Durable> Machines<M> {
    /// Creates many instances in a few transactions. Each succeeds or fails on its own; the results are in the order of
    /// `instances`.
    ///
    /// # Errors
    /// Each result is that of a [`create`](Self::create).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, each instance is created or not. Creating them again returns
    /// [`TransitionError::Exists`] for those that were.
    pub async fn create_many<B>(
        &self,
        instances: impl IntoIterator<Item = (String, B)>,
    ) -> Vec<Result<M::Record<<M as CreateFrom<B>>::Initial>, TransitionError<M>>>
    where
        M: CreateFrom<B>,
    {
        let mut results = Vec::new();
        let mut prepared = Vec::new();
        for (id, input) in instances {
            match self.creation(&id, input, None) {
                Ok(ready) => {
                    prepared.push((results.len(), ready.change, ready.completion));
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            }
        }
        while !prepared.is_empty() {
            let batch: Vec<_> = prepared.drain(..prepared.len().min(BATCH)).collect();
            let groups = batch.iter().map(|(_, change, _)| change.clone().into()).collect();
            match self.engine.commit_groups(groups).await {
                Ok(verdicts) => {
                    for ((place, _, completion), verdict) in batch.into_iter().zip(verdicts) {
                        results[place] = Some(completion.complete(match verdict {
                            Verdict::Committed { mut rows } if rows.len() == 1 => Ok(rows.remove(0)),
                            verdict => Err(verdict),
                        }));
                    }
                }
                Err(error) => {
                    for (place, ..) in batch {
                        results[place] = Some(Err(TransitionError::Store(error.clone())));
                    }
                }
            }
        }
        results.into_iter().flatten().collect()
    }

    /// Rewrites all rows of older schema versions under the present one. Other processes can work meanwhile, except those that run
    /// older code: they cannot read the rewritten rows.
    ///
    /// `progress` is called after each batch, with the totals so far and the errors of the rows of the batch that could not be
    /// migrated. Those rows are left as they are and can be migrated by a later call. Rows that newer code wrote are skipped.
    ///
    /// Calling this is optional: older rows are migrated when they are read, and stored under the present schema when they
    /// move.
    ///
    /// # Errors
    /// [`StoreError`]. Rows that were rewritten until then stay so.
    ///
    /// # Cancel safety
    /// If the future is dropped, each row is as it was or migrated. A second call continues with the rest.
    pub async fn migrate_all(&self, mut progress: impl FnMut(Migrated, Vec<RowError>)) -> Result<Migrated, StoreError> {
        let (mut done, mut listing) = (Migrated::default(), ListQuery::all().limit(BATCH));
        loop {
            let page = self.rows(&listing).await?;
            let (mut groups, mut rewritten, mut left) = (Vec::new(), Vec::new(), Vec::new());
            for row in &page.items {
                done.seen += 1;
                if row.schema < M::GRAPH.version {
                    match self.rewrite(row) {
                        Ok(rewrite) => {
                            let armed = self.arming(row).map(Change::Arm);
                            groups.push(Group { changes: iter::once(Change::Rewrite(rewrite)).chain(armed).collect() });
                            rewritten.push(row);
                        }
                        Err(why) => left.push(why),
                    }
                }
            }
            for (row, verdict) in rewritten.into_iter().zip(self.engine.commit_groups(groups).await?) {
                match (&verdict, verdict.refusal()) {
                    (Verdict::Committed { .. }, _) => done.rewritten += 1,
                    (_, None) => done.changed_meanwhile += 1,
                    (_, Some(reason)) => {
                        left.push(RowError::Unstorable { key: row.key.clone(), migrated_from: row.schema, reason });
                    }
                }
            }
            done.left += u64::try_from(left.len()).unwrap_or(u64::MAX);
            progress(done, left);
            let Some(next) = page.next else { break };
            listing = listing.after(next);
        }
        self.engine.store.retire(M::GRAPH.machine.to_owned(), M::GRAPH.version).await?;
        Ok(done)
    }

    /// Makes the work due and starts the timers that a row has got because a step changed its state.
    fn arming(&self, row: &Row) -> Option<Arm> {
        let now = older::present(&self.engine.migrations, M::GRAPH, row.clone());
        let state = |stored| M::GRAPH.state_was(stored).map(|info| info.name);
        if state(&row.state) == state(&now.state) {
            return None;
        }
        let (machine, context) = convert::decode::<M>(&self.engine.migrations, row).ok()?;
        let (_, all) = self.engine.clock.scope(|| timers::on_entry(machine, &context));
        older::arming(M::GRAPH, row, &now, timers::missing(row, all, |_| true))
    }

    /// The change that stores `row` under the present schema version.
    fn rewrite(&self, row: &Row) -> Result<Rewrite, RowError> {
        let (machine, context) = convert::decode::<M>(&self.engine.migrations, row)?;
        let (_, into) = convert::entering(machine, &context).map_err(|cause| RowError::Undecodable {
            key: row.key.clone(),
            state: row.state.clone(),
            migrated_from: Some(row.schema),
            cause,
        })?;
        let Row { key, incarnation, version, .. } = row.clone();
        let Entering { state, data, context, schema, .. } = into;
        Ok(Rewrite { key, incarnation, version, state, data, context, schema })
    }
}
