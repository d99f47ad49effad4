//! Which process works on which instance: the claims in the store, with the leases of their processes.

use super::{Durable, cursor::List, machines::Machines, query::ClaimsQuery};
use crate::store::{Lease, Page, Row, StoreError};
use std::{collections::HashMap, fmt};

/// An instance that a process has claimed. From [`Machines::claims`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClaimedInstance {
    /// The instance's row, with the attempt and the fence of the claim.
    pub row: Row,
    /// The lease of the process that claimed it; `None` if the store has removed it.
    pub by: Option<Lease>,
}

impl ClaimedInstance {
    /// Whether its process has no live lease. Another process claims it within one scan.
    #[must_use]
    pub fn is_orphaned(&self) -> bool {
        self.by.as_ref().is_none_or(|lease| !lease.live)
    }
}

/// The process that works on it, or did.
impl fmt::Display for ClaimedInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(lease) if lease.live => write!(f, "with {}", lease.holder),
            Some(lease) => write!(f, "orphaned by {}", lease.holder),
            None => f.write_str("orphaned by an unknown process"),
        }
    }
}

impl<M: Durable> Machines<M> {
    /// One page of the instances that a process has claimed, this one included, ordered by id. An instance whose process has no live
    /// lease is [orphaned](ClaimedInstance::is_orphaned). The cost depends on the number of claims, not of rows.
    ///
    /// [`Runtime::nodes`](crate::Runtime::nodes) lists the processes, and [`Runtime::status`](crate::Runtime::status) the
    /// workers of this one.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] for an `after` that is not the end of a page of this list; otherwise [`StoreError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn claims(&self, query: &ClaimsQuery) -> Result<Page<ClaimedInstance>, StoreError> {
        let (machine, store) = (M::GRAPH.machine, &self.engine.store);
        let list = List::of_claims(machine);
        let after = list.open(query.after.as_deref())?;
        let rows = store.claims(machine.to_owned(), after, query.limit).await?;
        let next = rows.last().filter(|_| rows.len() == query.limit).map(|row| row.key.id.to_string());
        // Leases are read after the claims, so that no claim is newer than its lease.
        let leases = store.leases(self.engine.now()).await?;
        let leases: HashMap<&str, &Lease> = leases.iter().map(|lease| (lease.owner.as_str(), lease)).collect();
        let held = rows.into_iter().map(|row| {
            let by = row.owner.as_deref().and_then(|owner| leases.get(owner)).map(|lease| (*lease).clone());
            ClaimedInstance { row, by }
        });
        Ok(list.close(Page::new(held.collect(), next)))
    }
}
