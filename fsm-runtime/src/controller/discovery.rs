//! Owns the two ways in which a controller learns of work: the periodic scan of what is due, and the history that other
//! processes write.

use super::event_loop::SCAN;
use crate::{
    engine::Engine,
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
    engine: Arc<Engine>,
    scope: Scope,
    me: String,
    interval: Duration,
    left: Arc<Notify>,
    found: mpsc::Sender<Vec<Due>>,
) {
    let mut gone = Gone::default();
    let mut away = false;
    loop {
        // Counted from the beginning of a round: what falls due while it runs is not in it.
        let next = engine.clock.elapsed().saturating_add(interval);
        let outcome = async {
            let (first, now) = (gone.is_new(), who_is_gone(&engine, &me).await?);
            if gone.is_to_be_read(&now) {
                // At first our own too: when the loop fell, it may have lost sight of what it had claimed.
                held(&engine, &scope, if first { "" } else { &me }, &found).await?;
                gone.was_read(now);
            }
            due(&engine, &scope, interval, &found).await
        }
        .await;
        match outcome {
            Ok(()) if away => {
                away = false;
                engine.health.untroubled(SCAN);
                tracing::info!("the store answers again");
            }
            Err(error) if !away => {
                away = true;
                tracing::error!(%error, "the store cannot be scanned for due work; trying again every {interval:?}");
                engine.health.troubled(SCAN, format!("the store cannot be scanned for due work: {error}"));
            }
            Ok(()) | Err(_) => {}
        }
        // The end of a round: what runs is looked at too, since a word can be lost.
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

/// The processes that are gone and still hold rows, each with the end of its lease: one that holds none is forgotten by the store.
async fn who_is_gone(engine: &Engine, me: &str) -> Result<Vec<(String, SystemTime)>, StoreError> {
    let leases = engine.asked("leases", engine.store.leases(engine.clock.now())).await?;
    let gone = leases.into_iter().filter(|lease| !lease.live && lease.owner != me);
    Ok(gone.map(|lease| (lease.owner, lease.until)).collect())
}

/// When to read what processes hold: at first, and when one more is gone. What is left of those after that is nobody's here, of another
/// machine or shard, say, and to look at all that is being worked on at each scan would be in vain. Pure.
#[derive(Default)]
struct Gone {
    /// As they were when it was read last; `None` before that.
    read: Option<Vec<(String, SystemTime)>>,
    /// How many scans ago that was.
    since: u32,
}

impl Gone {
    /// Read again after so many scans all the same: clocks jump, and who was gone may have been alive for a look.
    const AGAIN: u32 = 12;

    fn is_new(&self) -> bool {
        self.read.is_none()
    }

    fn is_to_be_read(&mut self, now: &[(String, SystemTime)]) -> bool {
        self.since += 1;
        let Some(read) = &mut self.read else { return true };
        if now.iter().all(|gone| read.contains(gone)) && (now.is_empty() || self.since < Self::AGAIN) {
            // Who is back, or forgotten, can go once more.
            read.retain(|gone| now.contains(gone));
            return false;
        }
        true
    }

    fn was_read(&mut self, now: Vec<(String, SystemTime)>) {
        self.read = Some(now);
        self.since = 0;
    }
}

/// What processes hold, `apart` from that one.
async fn held(engine: &Engine, scope: &Scope, apart: &str, found: &mpsc::Sender<Vec<Due>>) -> Result<(), StoreError> {
    let now = engine.clock.now();
    let mut after: Option<Key> = None;
    loop {
        let keys = engine.store.held_by_others(scope.clone(), apart.to_owned(), after.clone(), PAGE);
        let keys = engine.asked("held_by_others", keys).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = Some(last.clone());
        let page = keys.into_iter().map(|key| Due { key, at: now }).collect();
        if found.send(page).await.is_err() {
            return Ok(());
        }
    }
}

async fn due(
    engine: &Engine,
    scope: &Scope,
    interval: Duration,
    found: &mpsc::Sender<Vec<Due>>,
) -> Result<(), StoreError> {
    let now = engine.clock.now();
    let until = now.checked_add(interval).unwrap_or(SystemTime::UNIX_EPOCH + Duration::from_hours(100_000 * 366 * 24));
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

/// Tells of what other processes change, as `foreign` says, from the entry after `newest` on, until the store is closed.
///
/// Run again after it fell, it begins at the `position` that it had reached.
pub(crate) async fn follow(engine: Arc<Engine>, mut foreign: broadcast::Receiver<u64>, position: Arc<AtomicU64>) {
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
        while let Err(error) = catch_up(&engine, &mut newest).await {
            if !away {
                away = true;
                tracing::error!(%error, "what other processes change cannot be read; trying again");
            }
            engine.clock.sleep(READ_AGAIN).await;
        }
        away = false;
        position.store(newest, Ordering::Relaxed);
    }
}

async fn catch_up(engine: &Engine, newest: &mut u64) -> Result<(), StoreError> {
    // Read before it is asked who listens: who begins to after that reads rows at least as new.
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
        engine.notifier.notify_waiters(entries.iter().map(|entry| entry.key.clone()));
        engine.notifier.publish(entries.into_iter().map(|entry| entry.key));
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
        let mut gone = Gone::default();
        let mut reads = |now: &[(String, SystemTime)]| {
            let reads = gone.is_to_be_read(now);
            if reads {
                gone.was_read(now.to_vec());
            }
            reads
        };
        assert!(reads(&[]), "at first");
        assert!(!reads(&[]));
        assert!(reads(std::slice::from_ref(&a)));
        assert!(!reads(std::slice::from_ref(&a)));
        assert!(reads(&[a.clone(), b.clone()]));
        assert!(!reads(std::slice::from_ref(&b)));
        assert!(reads(&[a.clone(), b.clone()]), "it was back meanwhile");
        assert!(reads(&[again.clone(), b.clone()]), "it had its lease renewed meanwhile");
        let now = [again, b];
        let later: Vec<bool> = (0..Gone::AGAIN * 2).map(|_| reads(&now)).collect();
        assert_eq!(later.iter().filter(|read| **read).count(), 2, "{later:?}");
        assert!((0..Gone::AGAIN * 2).all(|_| !reads(&[])));
    }
}
