//! Owns the two ways in which a controller learns of work: the periodic scan of what is due, and the history that other
//! processes write.

use crate::{
    shared::Shared,
    store::{Due, HistoryQuery, Key, Scope, StoreError},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::{
    Notify,
    broadcast::{self, error::RecvError},
    mpsc,
};

/// What one read of the store fetches at most.
const PAGE: usize = 500;
/// When the history is read again that could not be read.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Sends, every `interval` and whenever another process has `left`, what is due until the next scan, and what is held by
/// processes that are gone.
///
/// A store that is away is reported once, and asked again at the next scan. Ends when nobody listens.
pub(crate) async fn scan(
    shared: Arc<Shared>,
    scope: Scope,
    me: String,
    interval: Duration,
    left: Arc<Notify>,
    found: mpsc::Sender<Vec<Due>>,
) {
    let mut first = true;
    let mut away = false;
    loop {
        // Counted from the beginning of a round: what falls due while it runs is not in it.
        let next = shared.clock.elapsed().saturating_add(interval);
        let outcome = async {
            if first || someone_is_gone(&shared, &me).await? {
                // At first our own too: when the loop fell, it may have lost sight of what it had claimed.
                let apart = if first { "" } else { &*me };
                held(&shared, &scope, apart, &found).await?;
                first = false;
            }
            due(&shared, &scope, interval, &found).await
        }
        .await;
        match outcome {
            Ok(()) if away => {
                away = false;
                tracing::info!("the store answers again");
            }
            Err(error) if !away => {
                away = true;
                tracing::error!(%error, "the store cannot be scanned for due work; trying again every {interval:?}");
            }
            Ok(()) | Err(_) => {}
        }
        // The end of a round: what runs is looked at too, since a word can be lost.
        if found.send(Vec::new()).await.is_err() {
            return;
        }
        tokio::select! {
            () = shared.clock.sleep(next.saturating_sub(shared.clock.elapsed())) => {}
            () = left.notified() => {}
            () = found.closed() => return,
        }
    }
}

/// Whether a process whose lease has lapsed still holds rows: one that holds none is forgotten by the store.
async fn someone_is_gone(shared: &Shared, me: &str) -> Result<bool, StoreError> {
    let leases = shared.store.leases(shared.clock.now()).await?;
    Ok(leases.iter().any(|lease| !lease.live && lease.owner != me))
}

/// What processes hold, `apart` from that one.
async fn held(shared: &Shared, scope: &Scope, apart: &str, found: &mpsc::Sender<Vec<Due>>) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let mut after: Option<Key> = None;
    loop {
        let keys = shared.store.held_by_others(scope.clone(), apart.to_owned(), after.clone(), PAGE).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = Some(last.clone());
        let page = keys.into_iter().map(|key| Due { key, at: now }).collect();
        if found.send(page).await.is_err() {
            return Ok(());
        }
    }
}

async fn due(
    shared: &Shared,
    scope: &Scope,
    interval: Duration,
    found: &mpsc::Sender<Vec<Due>>,
) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let until = now.checked_add(interval).unwrap_or(SystemTime::UNIX_EPOCH + Duration::from_hours(100_000 * 366 * 24));
    let mut after: Option<Due> = None;
    loop {
        let page = shared.store.due(scope.clone(), until, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        if found.send(page).await.is_err() {
            return Ok(());
        }
    }
}

/// Tells of what other processes change, as `foreign` says, from the entry after `newest` on, until the store is closed.
///
/// Run again after it fell, it begins at the `position` that it had reached.
pub(crate) async fn follow(shared: Arc<Shared>, mut foreign: broadcast::Receiver<u64>, position: Arc<AtomicU64>) {
    let mut newest = position.load(Ordering::Relaxed);
    let mut away = false;
    loop {
        match foreign.recv().await {
            // What came before is our own, and known.
            Ok(own) => newest = newest.max(own),
            // Ours cannot be told from others' any more: all of it is read.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        while let Err(error) = catch_up(&shared, &mut newest).await {
            if !away {
                away = true;
                tracing::error!(%error, "what other processes change cannot be read; trying again");
            }
            shared.clock.sleep(READ_AGAIN).await;
        }
        away = false;
        position.store(newest, Ordering::Relaxed);
    }
}

async fn catch_up(shared: &Shared, newest: &mut u64) -> Result<(), StoreError> {
    // Read before it is asked who listens: who begins to after that reads rows at least as new.
    let now = shared.store.newest().await?;
    if !shared.changes.anybody_listens() {
        *newest = now;
        return Ok(());
    }
    loop {
        let entries =
            shared.store.history(HistoryQuery { key: None, after: *newest, newest_first: false, limit: PAGE }).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        *newest = last.sequence;
        shared.changes.tell_waiting(entries.iter().map(|entry| entry.key.clone()));
        shared.changes.publish(entries.into_iter().map(|entry| entry.key));
    }
}
