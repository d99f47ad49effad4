//! The other processes that work on the same store: which are alive, and when one has ended.

use crate::{
    engine::Engine,
    membership::Membership,
    store::{Lease, StoreError},
};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::sync::{Notify, broadcast::error::RecvError};

/// How often the other processes are checked. A check costs one small query, and one file for each process.
const PEER_POLL: Duration = Duration::from_millis(500);
/// The least time between two checks, however often other processes write.
const MIN_POLL_GAP: Duration = Duration::from_millis(50);

/// Whether `owner` is a process with a live lease.
pub(in crate::controller) async fn is_live(engine: &Engine, owner: &str) -> Result<bool, StoreError> {
    let leases = engine.asked("leases", engine.store.leases(engine.now())).await?;
    Ok(leases.iter().any(|lease| lease.live && lease.owner == owner))
}

/// Watches the other processes, of which those in `known` were alive before the first scan. Ends the leases of dead processes,
/// notifies `left` whenever a process has ended, and keeps the `membership` up to date.
///
/// Returns when the store is closed.
pub(in crate::controller) async fn watch(
    engine: Arc<Engine>,
    membership: Arc<Membership>,
    known: HashSet<String>,
    left: Arc<Notify>,
) {
    tokio::select! {
        () = watch_leases(&engine, &membership, known, &left) => {}
        () = membership.follow() => {}
    }
}

async fn watch_leases(engine: &Engine, membership: &Membership, mut known: HashSet<String>, left: &Notify) {
    let mut notices = engine.store.notices();
    loop {
        // The scan reports a store that is unavailable.
        if let Ok(now) = alive(engine, membership).await {
            if !known.is_subset(&now) {
                left.notify_one();
            }
            known = now;
        }
        engine.clock.sleep(MIN_POLL_GAP).await;
        tokio::select! {
            () = engine.clock.sleep(PEER_POLL) => {}
            notice = notices.recv() => {
                if matches!(notice, Err(RecvError::Closed)) {
                    return;
                }
            }
        }
    }
}

/// The other processes that are alive. Ends the leases of those that are dead, and brings the `membership` up to date.
pub(in crate::controller) async fn alive(
    engine: &Engine,
    membership: &Membership,
) -> Result<HashSet<String>, StoreError> {
    let leases = engine.asked("leases", engine.store.leases(engine.now())).await?;
    let me = membership.owner();
    let is_gone = |owner: &str| owner != me && engine.store.presence().is_some_and(|presence| presence.is_gone(owner));
    let (gone, alive): (Vec<Lease>, Vec<Lease>) =
        leases.into_iter().filter(|lease| lease.live).partition(|lease| is_gone(&lease.owner));
    if !gone.is_empty() {
        let owners = gone.iter().map(|lease| lease.owner.clone()).collect();
        engine.asked("end_leases", engine.store.end_leases(owners, engine.now())).await?;
        // Logged once, after the leases were ended; until then every check tries again.
        for Lease { owner, holder, .. } in &gone {
            tracing::warn!(%owner, %holder, "a process has ended; its work is taken over");
        }
    }
    let others = alive.iter().filter(|lease| lease.owner != me).map(|lease| lease.owner.clone()).collect();
    membership.saw(alive);
    Ok(others)
}

#[cfg(all(test, feature = "sqlite"))]
pub(super) mod tests {
    use super::*;
    use crate::{
        clock::ManualClock,
        engine::{
            StoreTime,
            background::HealthRegistry,
            definitions::Definitions,
            notify::Notifier,
            store_health::{OpenCalls, StoreHealth},
        },
        machine::Unknown,
        membership::Division,
        store::{Store as _, sqlite::Sqlite},
    };
    use std::time::SystemTime;
    use tokio_util::sync::CancellationToken;

    pub(in crate::controller::lease) fn engine(clock: &ManualClock) -> Arc<Engine> {
        let store = Sqlite::in_memory().unwrap();
        Arc::new(Engine {
            notifier: Notifier::linked(store.local_changes()),
            store: Arc::new(store),
            clock: clock.clock(),
            store_time: StoreTime::default(),
            migrations: Arc::default(),
            unknown: Unknown::new(false),
            definitions: Definitions::default(),
            health: Arc::new(HealthRegistry::new(clock.clock())),
            store_health: StoreHealth::default(),
            calls: OpenCalls::default(),
            turns: crate::engine::turns::Turns::default(),
            held_back: crate::engine::held_back::HeldBackWork::default(),
            closing: CancellationToken::default(),
        })
    }

    /// The clock stands still, so that only the first check can see it.
    #[tokio::test]
    async fn l1_a_process_that_leaves_between_two_scans_is_noticed() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let (engine, left) = (engine(&clock), Arc::new(Notify::new()));
        let known = HashSet::from(["gone".to_owned()]);
        let membership = Membership::new("me".to_owned(), "node".to_owned(), Vec::new(), Division::All);
        let watching = tokio::spawn(watch(engine, Arc::new(membership), known, left.clone()));
        tokio::time::timeout(Duration::from_secs(20), left.notified()).await.expect("a process is gone");
        watching.abort();
    }
}
