//! Discovery of work: the periodic scan for due rows, and what other processes change.

use super::{
    WatchedScope,
    lease::{peers, request::held_by},
    waits,
};
use crate::{
    clock::FOREVER,
    engine::{Engine, background::BackgroundTasks},
    membership::{Assignment, Membership},
    store::{Buckets, ChangeListener as _, Due, Held, Key, Notice, Scope, StoreError},
    supervisor::Supervisor,
};
use fsm_core::Graph;
use std::{
    collections::HashMap,
    mem,
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

/// What a scan has found.
pub(super) enum Found {
    /// Rows that are due until the next scan, or whose process is gone.
    Due(Vec<Due>),
    /// Rows in buckets of other processes whose owner has had no live lease for too long.
    Abandoned(Vec<Key>),
    /// What this process has claimed. Ends a scan.
    Held(Vec<Held>),
}

/// Starts the scan, the watch over other processes, and the scan of the `waiting` machines. They stop when the returned supervisor does.
pub(super) async fn start(
    engine: &Arc<Engine>,
    membership: Arc<Membership>,
    interval: Duration,
    scope: WatchedScope,
    waiting: Vec<&'static Graph>,
    found: mpsc::Sender<Found>,
) -> Option<Supervisor> {
    let left = Arc::new(Notify::new());
    // Read before the first scan: that scan finds the rows of processes that have ended by then, and a later end is detected.
    let known = peers::alive(engine, &membership).await.unwrap_or_default();
    let me = membership.owner().to_owned();
    let watch = {
        let (engine, left) = (engine.clone(), left.clone());
        move |_| peers::watch(engine.clone(), membership.clone(), known.clone(), left.clone())
    };
    let mut tasks = BackgroundTasks::new(&engine.clock, &engine.health);
    let engine = engine.clone();
    if !waiting.is_empty() {
        let (engine, scope, found) = (engine.clone(), scope.clone(), found.clone());
        tasks = tasks.with(waits::WAITS, move |_| {
            waits::rescan(engine.clone(), waiting.clone(), scope.clone(), interval, found.clone())
        });
    }
    let scan = move |_| scan(engine.clone(), scope.clone(), me.clone(), interval, left.clone(), found.clone());
    let started = tasks.with(SCAN, scan).with(PEERS, watch).start().await;
    started.inspect_err(|error| tracing::error!(%error, "the scan for due work could not be started")).ok()
}

/// Sends the rows that are due until the next scan, those of dead processes, and what this process has claimed: every `interval`, and
/// whenever a process has `left` or the buckets of `scope` change.
///
/// An outage of the store is logged once, and the scan is repeated at the next interval. Returns when the receiver is dropped.
async fn scan(
    engine: Arc<Engine>,
    mut scope: WatchedScope,
    me: String,
    interval: Duration,
    left: Arc<Notify>,
    found: mpsc::Sender<Found>,
) {
    let (mut failing, mut abandoned) = (false, Abandoned::default());
    loop {
        // Counted from the start of the scan, which does not include what falls due while it runs.
        let next = engine.clock.elapsed().saturating_add(interval);
        let present = scope.assignment();
        let outcome = async {
            for scope in present.scopes() {
                orphaned(&engine, &scope, &found).await?;
                due(&engine, &scope, interval, &found).await?;
            }
            for (rank, scope) in present.overdue_scopes() {
                overdue(&engine, scope, patience(rank, interval), &found).await?;
            }
            abandoned.scan(&engine, &present, interval, &found).await?;
            held_by(&engine, &me).await
        }
        .await;
        match outcome {
            Ok(held) => {
                if mem::take(&mut failing) {
                    engine.health.recover(SCAN);
                    tracing::info!("the store can be scanned again");
                }
                if found.send(Found::Held(held)).await.is_err() {
                    return;
                }
            }
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, "the store cannot be scanned for due work; retrying every {interval:?}");
                engine.health.degrade(SCAN, format!("the store cannot be scanned for due work: {error}"));
            }
            Err(_) => {}
        }
        tokio::select! {
            () = engine.clock.sleep(next.saturating_sub(engine.clock.elapsed())) => {}
            () = left.notified() => {}
            () = scope.changed() => {}
            () = found.closed() => return,
        }
    }
}

/// Sends the rows whose process has no live lease.
async fn orphaned(engine: &Engine, scope: &Scope, found: &mpsc::Sender<Found>) -> Result<(), StoreError> {
    let now = engine.now();
    let mut after: Option<Key> = None;
    loop {
        let keys = engine.asked("orphaned", engine.store.orphaned(scope.clone(), after, PAGE, now)).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = Some(last.clone());
        let page = keys.into_iter().map(|key| Due { key, at: now }).collect();
        if found.send(Found::Due(page)).await.is_err() {
            return Ok(());
        }
    }
}

/// Sends the rows that are due within `interval`.
async fn due(
    engine: &Engine,
    scope: &Scope,
    interval: Duration,
    found: &mpsc::Sender<Found>,
) -> Result<(), StoreError> {
    let now = engine.now();
    let until = now.checked_add(interval).unwrap_or(SystemTime::UNIX_EPOCH + FOREVER);
    let mut after: Option<Due> = None;
    loop {
        let page = engine.asked("due", engine.store.due(scope.clone(), until, after, PAGE)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        if found.send(Found::Due(page)).await.is_err() {
            return Ok(());
        }
    }
}

/// How long work has to be overdue before the process of a rank takes it over from those before it.
pub(super) fn patience(rank: u32, interval: Duration) -> Duration {
    interval.saturating_mul(rank.saturating_mul(2))
}

/// Sends the rows in buckets of other processes that have been due for longer than `patience`: one page of them, because the others
/// look for the same ones.
async fn overdue(
    engine: &Engine,
    scope: Scope,
    patience: Duration,
    found: &mpsc::Sender<Found>,
) -> Result<(), StoreError> {
    let Some(until) = engine.now().checked_sub(patience) else { return Ok(()) };
    let page = engine.asked("due", engine.store.due(scope, until, None, PAGE)).await?;
    if !page.is_empty() {
        // The receiver may be gone.
        let _ = found.send(Found::Due(page)).await;
    }
    Ok(())
}

/// Rows in buckets of other processes whose owner has no live lease, and since when.
#[derive(Default)]
struct Abandoned(HashMap<Key, Duration>);

impl Abandoned {
    /// Sends the instances that no other process has taken over in time.
    async fn scan(
        &mut self,
        engine: &Engine,
        assignment: &Assignment,
        interval: Duration,
        found: &mpsc::Sender<Found>,
    ) -> Result<(), StoreError> {
        let (now, mut known) = (engine.clock.elapsed(), HashMap::new());
        for scope in assignment.overdue() {
            let mut after: Option<Key> = None;
            loop {
                let scope = scope.clone();
                let keys = engine.asked("orphaned", engine.store.orphaned(scope, after, PAGE, engine.now())).await?;
                let Some(last) = keys.last() else { break };
                after = Some(last.clone());
                known.extend(keys.into_iter().map(|key| {
                    let since = self.0.get(&key).copied().unwrap_or(now);
                    (key, since)
                }));
            }
        }
        let is_late = |key: &Key, since: Duration| {
            let patience = assignment.rank(key).map(|rank| patience(rank, interval));
            patience.is_some_and(|patience| now.saturating_sub(since) >= patience)
        };
        let late: Vec<Key> =
            known.iter().filter(|(key, since)| is_late(key, **since)).map(|(key, _)| key.clone()).collect();
        self.0 = known;
        for page in late.chunks(PAGE) {
            // The receiver may be gone.
            let _ = found.send(Found::Abandoned(page.to_vec())).await;
        }
        Ok(())
    }
}

/// Publishes the keys of what other processes change after the history's sequence `position`, whenever a notice arrives, until the
/// store is closed.
///
/// After a panic it continues from the `position` it had reached.
pub(crate) async fn follow(
    engine: Arc<Engine>,
    mut notices: broadcast::Receiver<Notice>,
    scope: Option<WatchedScope>,
    position: Arc<AtomicU64>,
) {
    let mut newest = position.load(Ordering::Relaxed);
    let mut failing = false;
    loop {
        let buckets = match notices.recv().await {
            // It is about leases.
            Ok(Notice { buckets, .. }) if buckets.is_empty() => continue,
            Ok(Notice { buckets, known_through, .. }) => {
                newest = newest.max(known_through);
                buckets
            }
            // Which of the entries are our own is not known any more: all are read.
            Err(RecvError::Lagged(_)) => Buckets::ALL,
            Err(RecvError::Closed) => return,
        };
        while let Err(error) = catch_up(&engine, scope.as_ref(), buckets, &mut newest).await {
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

async fn catch_up(
    engine: &Engine,
    scope: Option<&WatchedScope>,
    noticed: Buckets,
    newest: &mut u64,
) -> Result<(), StoreError> {
    // Read before the check for listeners: a later listener reads rows that are at least as new.
    let now = engine.asked("last_sequence", engine.store.last_sequence()).await?;
    // A waiting caller may wait for any instance.
    let wanted = match scope.filter(|_| engine.notifier.has_controller()) {
        _ if engine.notifier.has_waiting_callers() => Buckets::ALL,
        Some(scope) => scope.followed(),
        None => Buckets::NONE,
    };
    if wanted.is_empty() {
        *newest = now.max(*newest);
        return Ok(());
    }
    // The position stays: the notices of earlier entries in wanted buckets may still be on their way.
    if (wanted & noticed).is_empty() {
        return Ok(());
    }
    while *newest < now {
        let page = engine.asked("changed", engine.store.changed(*newest, wanted, PAGE)).await?;
        if page.through <= *newest {
            break;
        }
        // Not beyond `now`: a caller that began to wait since may have read its row before what is newer.
        *newest = page.through.min(now);
        let changed: Vec<Key> = page.keys.into_iter().map(|(_, key)| key).collect();
        engine.notifier.changed(&changed);
    }
    Ok(())
}
