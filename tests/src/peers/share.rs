//! Processes that write one file at the same time, and follow the history.

use super::{PROCESSES, commit, create};
use crate::calls::caller::nanos;
use fsm_runtime::store::{HistoryQuery, Notice, Store, sqlite::Sqlite};
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

const CALLERS: usize = 4;
/// All write until each has made this many changes, or one of them [`UNFAIR`] times as many.
pub const CHANGES: u64 = 300;
pub const UNFAIR: u64 = 8;

/// Writes until every process has written enough, and follows the changes of the others.
pub async fn share(path: &Path, me: usize) {
    let store = Sqlite::open(path).await.unwrap();
    let (made, busy, enough) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let acknowledged: Arc<Mutex<Vec<(String, u64)>>> = Arc::default();
    let mut followed = Followed {
        store: store.clone(),
        announced: store.notices(),
        me,
        last: 0,
        counts: [0; PROCESSES],
        seen: Vec::new(),
    };
    commit(&store, create(&format!("{me}/here")), &busy).await;
    followed.until(|counts| counts.iter().all(|count| *count > 0)).await;

    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (store, made, busy, enough, acknowledged) =
            (store.clone(), made.clone(), busy.clone(), enough.clone(), acknowledged.clone());
        callers.spawn(async move {
            for n in 0.. {
                if enough.load(Ordering::Relaxed) || made.load(Ordering::Relaxed) >= CHANGES * UNFAIR {
                    break;
                }
                let id = format!("{me}/{caller}-{n}");
                commit(&store, create(&id), &busy).await;
                made.fetch_add(1, Ordering::Relaxed);
                acknowledged.lock().unwrap().push((id, nanos()));
            }
        });
    }
    followed.until(|counts| counts.iter().all(|count| *count >= CHANGES)).await;
    enough.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    println!("made {} busy {}", made.load(Ordering::Relaxed), busy.load(Ordering::Relaxed));
    for (id, at) in acknowledged.lock().unwrap().iter() {
        println!("acknowledged {id} {at}");
    }
    for (id, at) in &followed.seen {
        println!("seen {id} {at}");
    }
}

/// The history as one process reads it, with its own changes and those of the others.
struct Followed {
    store: Sqlite,
    announced: tokio::sync::broadcast::Receiver<Notice>,
    me: usize,
    last: u64,
    counts: [u64; PROCESSES],
    seen: Vec<(String, u64)>,
}

impl Followed {
    async fn until(&mut self, right: impl Fn(&[u64; PROCESSES]) -> bool) {
        const PAGE: usize = 256;
        while !right(&self.counts) {
            let query =
                HistoryQuery { key: None, by_operators: false, after: self.last, newest_first: false, limit: PAGE };
            let page = self.store.history(query).await.unwrap();
            let at = nanos();
            for entry in &page {
                assert_eq!(entry.sequence, self.last + 1, "no sequence is skipped");
                self.last = entry.sequence;
                let (number, _) = entry.key.id.split_once('/').unwrap();
                let writer: usize = number.parse().unwrap();
                self.counts[writer] += 1;
                if writer != self.me {
                    self.seen.push((entry.key.id.to_string(), at));
                }
            }
            if page.len() < PAGE && !right(&self.counts) {
                // Only the changes of other processes are announced.
                let _ = tokio::time::timeout(Duration::from_secs(1), self.announced.recv()).await;
            }
        }
    }
}
