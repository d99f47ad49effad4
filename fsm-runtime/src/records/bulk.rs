//! Owns what is done with many instances at once: making them, and writing older rows under the present schema.

use super::{
    failure::{Failure, ReadError, RowError},
    listing::Listing,
    machines::Machines,
    migrate::Migrated,
    rows,
};
use crate::{
    durable::{BornIn, Durable},
    store::{Change, Entering, Rewrite, Row, Verdict},
};

/// How many instances share a transaction when many are made or rewritten.
const BATCH: usize = 256;

impl<M: Durable> Machines<M> {
    /// Makes many instances at once, each decided for itself: a few transactions for all of them.
    ///
    /// # Errors
    /// Each result is that of a [`create`](Self::create).
    pub async fn create_many<B>(
        &self,
        instances: impl IntoIterator<Item = (String, B)>,
    ) -> Vec<Result<M::Record<<M as BornIn<B>>::Born>, Failure<M>>>
    where
        M: BornIn<B>,
    {
        let mut results = Vec::new();
        let mut prepared = Vec::new();
        for (id, birth) in instances {
            // Always planned: nobody has polled it.
            let plan = self.make(&id, birth, None).prepare();
            match plan.unwrap_or_else(|| Err(Failure::NotFound { key: Self::key(&id) })) {
                Ok(plan) => {
                    let (_, change, decide) = plan.split();
                    prepared.push((results.len(), change, decide));
                    results.push(None);
                }
                Err(failure) => results.push(Some(Err(failure))),
            }
        }
        while !prepared.is_empty() {
            let batch: Vec<_> = prepared.drain(..prepared.len().min(BATCH)).collect();
            let groups = batch.iter().map(|(_, change, _)| change.clone().into()).collect();
            match self.shared.commit_groups(groups).await {
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
                        results[place] = Some(Err(Failure::Store(error.clone())));
                    }
                }
            }
        }
        results.into_iter().flatten().collect()
    }

    /// Writes all rows of older schema versions under the present one, `told` of the progress now and then. Others can
    /// work meanwhile, but not processes of older code: their rows would become newer than they know.
    ///
    /// Not needed for correctness: older rows are brought up to date when they are read, and written so when they move.
    ///
    /// # Errors
    /// [`ReadError::Row`] for the first row that cannot be brought up to date; what was written stays. [`ReadError::Store`].
    pub async fn migrate_all(&self, mut told: impl FnMut(Migrated)) -> Result<Migrated, ReadError> {
        let (mut done, mut listing) = (Migrated::default(), Listing::all().limit(BATCH));
        loop {
            let page = self.rows(&listing).await?;
            let mut groups = Vec::new();
            for row in &page.items {
                done.seen += 1;
                if row.schema < M::GRAPH.version {
                    let (machine, context) = rows::decode::<M>(&self.shared.migrations, row)?;
                    let (_, into) = rows::entering(machine, &context).map_err(|cause| RowError::Undecodable {
                        key: row.key.clone(),
                        state: row.state.clone(),
                        cause,
                    })?;
                    let Row { key, incarnation, version, .. } = row.clone();
                    let Entering { state, data, context, schema, .. } = into;
                    let rewrite = Rewrite { key, incarnation, version, state, data, context, schema };
                    groups.push(Change::Rewrite(rewrite).into());
                }
            }
            for verdict in self.shared.commit_groups(groups).await? {
                match verdict {
                    Verdict::Committed { .. } => done.rewritten += 1,
                    _ => done.changed_meanwhile += 1,
                }
            }
            told(done);
            let Some(next) = page.next else { break };
            listing = listing.after(next);
        }
        self.shared.store.retire(M::GRAPH.machine.to_owned(), M::GRAPH.version).await?;
        Ok(done)
    }
}
