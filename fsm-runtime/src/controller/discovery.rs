//! Discovery of work: the periodic scan for due rows, and the history that other processes write.

use super::lease::peers;
use crate::{
    clock::FOREVER,
    engine::{Engine, background::BackgroundTasks},
    store::{ChangeListener as _, Due, HistoryQuery, Key, Scope, StoreError},
    supervisor::Supervisor,
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

/// The background tasks that find work beside the loop.
pub(super) const SCAN: &str = "scan";
pub(super) const PEERS: &str = "peers";
/// The most entries of one read.
const PAGE: usize = 500;
/// The pause before the history is read again after an error.
const RETRY_READ: Duration = Duration::from_secs(1);

/// Starts the scan, and the watch over other processes. They stop when the returned supervisor does.
pub(super) async fn start(
    engine: &Arc<Engine>,
    me: String,
    interval: Duration,
    scope: Scope,
    found: mpsc::Sender<Vec<Due>>,
) -> Option<Supervisor> {
    let left = Arc::new(Notify::new());
    // Read before the first scan: that scan finds the rows of processes that have ended by then, and a later end is detected.
    let known = peers::alive(engine, &me).await.unwrap_or_default();
    let watch = {
        let (engine, me, left) = (engine.clone(), me.clone(), left.clone());
        move |_| peers::watch(engine.clone(), me.clone(), known.clone(), left.clone())
    };
    let tasks = BackgroundTasks::new(&engine.clock, &engine.health);
    let engine = engine.clone();
    let scan = move |_| scan(engine.clone(), scope.clone(), me.clone(), interval, left.clone(), found.clone());
    let started = tasks.with(SCAN, scan).with(PEERS, watch).start().await;
    started.inspect_err(|error| tracing::error!(%error, "the scan for due work could not be started")).ok()
}

/// Sends the rows that are due until the next scan, and those held by dead processes, every `interval` and whenever a process has
/// `left`.
///
/// An empty page marks the end of a scan. An outage of the store is logged once, and the scan is repeated at the next interval. Returns when
/// the receiver is dropped.
async fn scan(
    engine: Arc<Engine>,
    scope: Scope,
    me: String,
    interval: Duration,
    left: Arc<Notify>,
    found: mpsc::Sender<Vec<Due>>,
) {
    let mut dead = DeadProcesses::default();
    let mut failing = false;
    loop {
        // Counted from the start of the scan, which does not include what falls due while it runs.
        let next = engine.clock.elapsed().saturating_add(interval);
        let outcome = async {
            let (first, now) = (dead.is_unread(), dead_processes(&engine, &me).await?);
            if dead.must_read(&now) {
                // The first scan includes our own rows: after a panic of the loop some may be claimed without a worker.
                held(&engine, &scope, if first { "" } else { &me }, &found).await?;
                dead.set_read(now);
            }
            due(&engine, &scope, interval, &found).await
        }
        .await;
        match outcome {
            Ok(()) if failing => {
                failing = false;
                engine.health.recover(SCAN);
                tracing::info!("the store can be scanned again");
            }
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, "the store cannot be scanned for due work; retrying every {interval:?}");
                engine.health.degrade(SCAN, format!("the store cannot be scanned for due work: {error}"));
            }
            Ok(()) | Err(_) => {}
        }
        if found.send(Vec::new()).await.is_err() {
            return;
        }
        tokio::select! {
            () = engine.clock.sleep(next.saturating_sub(engine.clock.elapsed())) => {}
            () = left.notified() => {}
            () = found.closed() => return,
        }
    }
}

/// The dead processes that still hold rows, each with the end of its lease. The store forgets one that holds none.
async fn dead_processes(engine: &Engine, me: &str) -> Result<Vec<(String, SystemTime)>, StoreError> {
    let leases = engine.asked("leases", engine.store.leases(engine.clock.now())).await?;
    let dead = leases.into_iter().filter(|lease| !lease.live && lease.owner != me);
    Ok(dead.map(|lease| (lease.owner, lease.until)).collect())
}

/// Decides when the rows held by dead processes are read: at first, and whenever another process is dead. Rows still held afterwards
/// belong to other machines or shards; reading them at each scan would be wasted work. Pure.
#[derive(Default)]
struct DeadProcesses {
    /// Those of the last read; `None` before the first.
    read: Option<Vec<(String, SystemTime)>>,
    /// The number of scans since then.
    scans: u32,
}

impl DeadProcesses {
    /// Read again after so many scans in any case: clocks jump, so that a dead process may have looked alive.
    const REREAD: u32 = 12;

    fn is_unread(&self) -> bool {
        self.read.is_none()
    }

    fn must_read(&mut self, now: &[(String, SystemTime)]) -> bool {
        self.scans += 1;
        let Some(read) = &mut self.read else { return true };
        if now.iter().all(|dead| read.contains(dead)) && (now.is_empty() || self.scans < Self::REREAD) {
            // A process that is alive again, or forgotten, can die again.
            read.retain(|dead| now.contains(dead));
            return false;
        }
        true
    }

    fn set_read(&mut self, now: Vec<(String, SystemTime)>) {
        self.read = Some(now);
        self.scans = 0;
    }
}

/// Sends the rows that processes other than `except` hold.
async fn held(engine: &Engine, scope: &Scope, except: &str, found: &mpsc::Sender<Vec<Due>>) -> Result<(), StoreError> {
    let now = engine.clock.now();
    let mut after: Option<Key> = None;
    loop {
        let keys = engine.store.held_by_others(scope.clone(), except.to_owned(), after.clone(), PAGE);
        let keys = engine.asked("held_by_others", keys).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = Some(last.clone());
        let page = keys.into_iter().map(|key| Due { key, at: now }).collect();
        if found.send(page).await.is_err() {
            return Ok(());
        }
    }
}

/// Sends the rows that are due within `interval`.
async fn due(
    engine: &Engine,
    scope: &Scope,
    interval: Duration,
    found: &mpsc::Sender<Vec<Due>>,
) -> Result<(), StoreError> {
    let now = engine.clock.now();
    let until = now.checked_add(interval).unwrap_or(SystemTime::UNIX_EPOCH + FOREVER);
    let mut after: Option<Due> = None;
    loop {
        let page = engine.asked("due", engine.store.due(scope.clone(), until, after, PAGE)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        if found.send(page).await.is_err() {
            return Ok(());
        }
    }
}

/// Publishes the changes of other processes from the history entry after `position` on, whenever `foreign` receives, until the store
/// is closed.
///
/// After a panic it continues from the `position` it had reached.
pub(crate) async fn follow(engine: Arc<Engine>, mut foreign: broadcast::Receiver<u64>, position: Arc<AtomicU64>) {
    let mut newest = position.load(Ordering::Relaxed);
    let mut failing = false;
    loop {
        match foreign.recv().await {
            // Entries up to here are our own and already published.
            Ok(own) => newest = newest.max(own),
            // Our own entries are not known any more: all entries are read.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        while let Err(error) = catch_up(&engine, &mut newest).await {
            if !failing {
                failing = true;
                tracing::error!(%error, "changes of other processes cannot be read; retrying");
            }
            engine.clock.sleep(RETRY_READ).await;
        }
        failing = false;
        position.store(newest, Ordering::Relaxed);
    }
}

async fn catch_up(engine: &Engine, newest: &mut u64) -> Result<(), StoreError> {
    // Read before the check for listeners: a later listener reads rows that are at least as new.
    let now = engine.asked("last_sequence", engine.store.last_sequence()).await?;
    if !engine.notifier.has_listeners() {
        *newest = now;
        return Ok(());
    }
    loop {
        let query = HistoryQuery { key: None, after: *newest, newest_first: false, limit: PAGE };
        let entries = engine.asked("history", engine.store.history(query)).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        *newest = last.sequence;
        let changed: Vec<Key> = entries.into_iter().map(|entry| entry.key).collect();
        engine.notifier.changed(&changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_at_start_on_a_loss_and_periodically() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let (a, b) = (("a".to_owned(), at(1)), ("b".to_owned(), at(1)));
        let again = ("a".to_owned(), at(9));
        let mut dead = DeadProcesses::default();
        let mut reads = |now: &[(String, SystemTime)]| {
            let reads = dead.must_read(now);
            if reads {
                dead.set_read(now.to_vec());
            }
            reads
        };
        assert!(reads(&[]), "at first");
        assert!(!reads(&[]));
        assert!(reads(std::slice::from_ref(&a)));
        assert!(!reads(std::slice::from_ref(&a)));
        assert!(reads(&[a.clone(), b.clone()]));
        assert!(!reads(std::slice::from_ref(&b)));
        assert!(reads(&[a.clone(), b.clone()]), "it was alive again meanwhile");
        assert!(reads(&[again.clone(), b.clone()]), "its lease was renewed meanwhile");
        let now = [again, b];
        let later: Vec<bool> = (0..DeadProcesses::REREAD * 2).map(|_| reads(&now)).collect();
        assert_eq!(later.iter().filter(|read| **read).count(), 2, "{later:?}");
        assert!((0..DeadProcesses::REREAD * 2).all(|_| !reads(&[])));
    }
}
