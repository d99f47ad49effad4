//! Owns what is done with many instances at once: making them, and writing older rows under the present schema.

use super::{CreateFrom, Durable};
use super::{error::TransitionError, machines::Machines, query::ListQuery, transition::Planned};
use crate::machine::{Migrated, RowError, convert};
use crate::store::{Change, Entering, Rewrite, Row, StoreError, Verdict};

/// How many instances share a transaction when many are made or rewritten.
const BATCH: usize = 256;

impl<M: Durable> Machines<M> {
    /// Makes many instances at once, each decided for itself: a few transactions for all of them. The results come in the order of
    /// `instances`.
    ///
    /// # Errors
    /// Each result is that of a [`create`](Self::create).
    ///
    /// # Cancel safety
    /// Dropped half-way, each instance is made or not; creating them again tells which ([`TransitionError::Exists`]).
    pub async fn create_many<B>(
        &self,
        instances: impl IntoIterator<Item = (String, B)>,
    ) -> Vec<Result<M::Record<<M as CreateFrom<B>>::Initial>, TransitionError<M>>>
    where
        M: CreateFrom<B>,
    {
        let mut results = Vec::new();
        let mut prepared = Vec::new();
        for (id, birth) in instances {
            // Always planned: nobody has polled it.
            let plan = self.make(&id, birth, None).prepare();
            match plan.unwrap_or_else(|| Err(TransitionError::NotFound { key: Self::key(&id) })) {
                Ok(Planned::Ready(plan)) => {
                    let (_, change, decide) = plan.split();
                    prepared.push((results.len(), change, decide));
                    results.push(None);
                }
                Ok(Planned::Refused(asked)) => results.push(Some(asked.answer().await)),
                Err(failure) => results.push(Some(Err(failure))),
            }
        }
        while !prepared.is_empty() {
            let batch: Vec<_> = prepared.drain(..prepared.len().min(BATCH)).collect();
            let groups = batch.iter().map(|(_, change, _)| change.clone().into()).collect();
            match self.engine.commit_groups(groups).await {
                Ok(verdicts) => {
                    for ((place, _, decide), verdict) in batch.into_iter().zip(verdicts) {
                        results[place] = Some(decide(match verdict {
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

    /// Writes all rows of older schema versions under the present one. Others can work meanwhile, but not processes of older
    /// code: their rows would become newer than they know.
    ///
    /// `told` hears after each batch how far it is, and which rows of the batch were left as they are since they cannot be brought up
    /// to date: each error names its row and says why. They keep nothing else up, and can be tried again once a step is mended.
    /// Rows that newer code wrote are nobody's to migrate here, and are passed over.
    ///
    /// Not needed for correctness: older rows are brought up to date when they are read, and written so when they move. Cancel safe:
    /// dropped, or killed with its process, each row is as it was or migrated; asked again, it goes on with the rest.
    ///
    /// # Errors
    /// [`StoreError`]; what was written until then stays.
    pub async fn migrate_all(&self, mut told: impl FnMut(Migrated, Vec<RowError>)) -> Result<Migrated, StoreError> {
        let (mut done, mut listing) = (Migrated::default(), ListQuery::all().limit(BATCH));
        loop {
            let page = self.rows(&listing).await?;
            let (mut groups, mut left) = (Vec::new(), Vec::new());
            for row in &page.items {
                done.seen += 1;
                if row.schema < M::GRAPH.version {
                    match self.rewrite(row) {
                        Ok(rewrite) => groups.push(Change::Rewrite(rewrite).into()),
                        Err(why) => left.push(why),
                    }
                }
            }
            for verdict in self.engine.commit_groups(groups).await? {
                match verdict {
                    Verdict::Committed { .. } => done.rewritten += 1,
                    _ => done.changed_meanwhile += 1,
                }
            }
            done.left += u64::try_from(left.len()).unwrap_or(u64::MAX);
            told(done, left);
            let Some(next) = page.next else { break };
            listing = listing.after(next);
        }
        self.engine.store.retire(M::GRAPH.machine.to_owned(), M::GRAPH.version).await?;
        Ok(done)
    }

    /// `row` as it is under the present schema version.
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
