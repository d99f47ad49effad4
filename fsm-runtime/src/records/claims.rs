//! Owns the view of who works on what, over all processes: from the claims in the store, and the leases of those who made them.

use super::Durable;
use super::machines::Machines;
use crate::store::{Key, Lease, Page, Row, Scope, StoreError};
use std::{collections::HashMap, fmt};

/// How many rows a page has at most.
const PAGE: usize = 100;

/// An instance that a process has claimed. From [`Machines::held`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClaimedInstance {
    /// The instance as it stands, with the attempt and the fence of the claim.
    pub row: Row,
    /// Who claimed it; `None` for one of whom the store knows nothing any more.
    pub by: Option<Lease>,
}

impl ClaimedInstance {
    /// Whether nobody works on it, because its process is gone or stands still: it is taken up by another within one scan.
    #[must_use]
    pub fn is_orphaned(&self) -> bool {
        self.by.as_ref().is_none_or(|lease| !lease.live)
    }
}

/// Who works on it, or whose it was.
impl fmt::Display for ClaimedInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(lease) if lease.live => write!(f, "with {}", lease.holder),
            Some(lease) => write!(f, "orphaned by {}", lease.holder),
            None => f.write_str("orphaned by a process that is forgotten"),
        }
    }
}

impl<M: Durable> Machines<M> {
    /// The instances that some process has claimed, this one's too, by id: the page that begins at `after`, the
    /// [`next`](Page::next) of the page before. Nobody is shown as working without a live lease: what a process holds whose lease
    /// has lapsed is [orphaned](ClaimedInstance::is_orphaned), since the lease's [end](Lease::until). Costs as much as there are claims, not rows.
    ///
    /// [`Runtime::processes`](crate::Runtime::processes) lists the processes themselves, and
    /// [`Runtime::status`](crate::Runtime::status) what this one's workers are at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn held(&self, after: Option<&str>) -> Result<Page<ClaimedInstance>, StoreError> {
        let (machine, store) = (M::GRAPH.machine, &self.engine.store);
        let after = after.map(|id| Key::new(machine, id));
        let keys = store.held_by_others(Scope::from(vec![machine.to_owned()]), String::new(), after, PAGE).await?;
        let next = keys.last().filter(|_| keys.len() == PAGE).map(|key| key.id.to_string());
        // After the claims, so that no claim is newer than its process.
        let mut rows = Vec::new();
        for key in keys {
            rows.extend(store.get(key).await?.filter(|row| row.owner.is_some()));
        }
        let leases = store.leases(self.engine.clock.now()).await?;
        let leases: HashMap<&str, &Lease> = leases.iter().map(|lease| (lease.owner.as_str(), lease)).collect();
        let held = rows.into_iter().map(|row| {
            let by = row.owner.as_deref().and_then(|owner| leases.get(owner)).map(|lease| (*lease).clone());
            ClaimedInstance { row, by }
        });
        Ok(Page::new(held.collect(), next))
    }
}
