//! Owns what this process knows of the others that work on the same store: who lives, who is gone, who has left.

use crate::{
    shared::Shared,
    store::{Lease, StoreError},
};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::sync::{Notify, broadcast::error::RecvError};

/// How often it is looked whether another process is gone; one look is one small query and one file for each process.
const GLANCE: Duration = Duration::from_millis(500);
/// The least time between two looks, however much others write.
const BREATH: Duration = Duration::from_millis(50);

/// Whether `owner` is a process whose lease lives.
pub(super) async fn lives(shared: &Shared, owner: &str) -> Result<bool, StoreError> {
    let leases = shared.asked("leases", shared.store.leases(shared.clock.now())).await?;
    Ok(leases.iter().any(|lease| lease.live && lease.owner == owner))
}

/// Watches the other processes, of which those in `known` were alive before the first scan: ends the leases of those that are
/// gone for certain, and tells `left` when there is one less.
///
/// Ends when the store is closed.
pub(super) async fn watch(shared: Arc<Shared>, me: String, mut known: HashSet<String>, left: Arc<Notify>) {
    let mut foreign = shared.store.foreign_changes();
    loop {
        // A store that is away is the scan's to report.
        if let Ok(now) = alive(&shared, &me).await {
            if !known.is_subset(&now) {
                left.notify_one();
            }
            known = now;
        }
        shared.clock.sleep(BREATH).await;
        tokio::select! {
            () = shared.clock.sleep(GLANCE) => {}
            heard = foreign.recv() => {
                if matches!(heard, Err(RecvError::Closed)) {
                    return;
                }
            }
        }
    }
}

/// The other processes that are alive.
pub(super) async fn alive(shared: &Shared, me: &str) -> Result<HashSet<String>, StoreError> {
    let leases = shared.asked("leases", shared.store.leases(shared.clock.now())).await?;
    let others = leases.into_iter().filter(|lease| lease.live && lease.owner != me);
    let (gone, alive): (Vec<Lease>, Vec<Lease>) = others.partition(|lease| shared.store.is_gone(&lease.owner));
    if !gone.is_empty() {
        let owners = gone.iter().map(|lease| lease.owner.clone()).collect();
        shared.asked("end_leases", shared.store.end_leases(owners, shared.clock.now())).await?;
        // Not before: until it could be written down, it is tried at every look.
        for Lease { owner, holder, .. } in &gone {
            tracing::warn!(%owner, %holder, "a process is gone: what it worked on is taken over");
        }
    }
    Ok(alive.into_iter().map(|lease| lease.owner).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        changes::Changes,
        checks::Unknown,
        clock::ManualClock,
        definition::Definitions,
        outage::{Calls, Outage},
        parts::Vitals,
        store::sqlite::Sqlite,
    };
    use std::time::SystemTime;

    fn shared(clock: &ManualClock) -> Arc<Shared> {
        Arc::new(Shared {
            store: Arc::new(Sqlite::in_memory().unwrap()),
            clock: clock.clock(),
            changes: Changes::new(),
            migrations: Arc::default(),
            unknown: Unknown::new(false),
            definitions: Definitions::default(),
            vitals: Arc::new(Vitals::new(clock.clock())),
            outage: Outage::default(),
            calls: Calls::default(),
        })
    }

    /// No time passes: what is seen is seen by the first look.
    #[tokio::test]
    async fn l1_a_process_that_leaves_between_two_scans_is_noticed() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let (shared, left) = (shared(&clock), Arc::new(Notify::new()));
        let known = HashSet::from(["gone".to_owned()]);
        let watching = tokio::spawn(watch(shared, "me".to_owned(), known, left.clone()));
        tokio::time::timeout(Duration::from_secs(20), left.notified()).await.expect("it is one less");
        watching.abort();
    }
}
