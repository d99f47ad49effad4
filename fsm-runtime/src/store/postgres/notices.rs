//! Notices of what other processes change: by notifications of the server, and by polling, which finds what a notification missed.
//!
//! A transaction that notifies holds a lock of the whole server until it has committed. So no transaction that changes rows does:
//! each process collects the buckets that it has changed, and notifies of them a little later.

use super::{
    connect::Role,
    core::{Core, Driver},
    failure::Failure,
    history::Look,
    session::Connected,
    statement::Statement,
};
use crate::{
    store::{Buckets, Change, Notice, StoreError},
    sync::Mutex,
};
use std::{
    collections::HashSet,
    fmt::Write as _,
    future::Future,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio_postgres::Row;
use uuid::Uuid;

/// In the payload of a notification, after the id: that leases have changed, and that entries under leases have.
const LEASES: &str = "leases";
const ENTRIES: &str = "entries";
/// How long changed buckets are collected before others are notified.
const COLLECT: Duration = Duration::from_millis(10);
/// How soon a gap in the history is looked at again: at first, and if its transaction stays open.
const GAP: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));
/// How often a connection without notifications is probed, and how long it may take to answer. Nothing else shows that
/// a connection is cut off.
const PING: Duration = Duration::from_secs(5);
/// The pauses between attempts to connect.
const RECONNECT: (u64, u64) = (50, 1_000);
/// The capacity of the channel of notices. A receiver that falls further behind gets `Lagged`.
const NOTICES: usize = 64;
/// The most of this process's own numbers that are kept; with more, its own changes are noticed like those of others.
const OWN: usize = 1 << 16;

/// What is known of changes, between the lanes, the connection for notifications, and the watch.
pub(super) struct Notices {
    /// Names this store object in notifications, which it gets, too.
    id: Uuid,
    sender: broadcast::Sender<Notice>,
    /// Entries that this process has written, and that the watch has not passed.
    own: Mutex<HashSet<u64>>,
    /// Buckets that this process has changed since its last notification.
    changed: Mutex<Buckets>,
    /// Whether leases have changed since the last notification.
    leases: AtomicBool,
    notify: Notify,
    /// Whether entries under leases have changed since the last notification.
    entry_news: AtomicBool,
    /// Sent when entries under leases may have changed.
    entries: watch::Sender<()>,
    /// Wakes the watch.
    heard: Notify,
    /// Whether a reader of the history stopped before entries that are committed.
    held_back: AtomicBool,
}

impl Notices {
    pub(super) fn new() -> Self {
        Self {
            id: Uuid::now_v7(),
            sender: broadcast::Sender::new(NOTICES),
            own: Mutex::default(),
            changed: Mutex::default(),
            leases: AtomicBool::new(false),
            notify: Notify::new(),
            entry_news: AtomicBool::new(false),
            entries: watch::Sender::new(()),
            heard: Notify::new(),
            held_back: AtomicBool::new(false),
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.sender.subscribe()
    }

    /// Takes the numbers of entries from a row of a change.
    pub(super) fn wrote(&self, row: &Row) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        let numbers = row.len().checked_sub(1).and_then(|last| row.try_get::<_, Option<Vec<i64>>>(last).ok().flatten());
        let Some(numbers) = numbers else { return };
        let mut own = self.own.lock();
        if own.len() < OWN {
            own.extend(numbers.into_iter().filter_map(|number| u64::try_from(number).ok()));
        }
    }

    /// Rows were changed. A claim, a release without a note, and a checkpoint have no entry, and need no notice.
    pub(super) fn changed<'a>(&self, changes: impl Iterator<Item = &'a Change>) {
        let told = |change: &&Change| match change {
            Change::Claim(_) | Change::SaveCheckpoint(_) => false,
            Change::Release(release) => release.note.is_some(),
            _ => true,
        };
        let buckets: Buckets = changes.filter(told).map(|change| change.key().bucket()).collect();
        if !buckets.is_empty() {
            self.changed.lock().extend(&buckets);
            self.notify.notify_one();
        }
    }

    /// Entries under leases were changed through this object. Others are notified, even if no bucket has changed.
    pub(super) fn entries_changed(&self) {
        self.entries.send_replace(());
        self.entry_news.store(true, Ordering::Relaxed);
        self.notify.notify_one();
    }

    pub(super) fn entry_changes(&self) -> watch::Receiver<()> {
        self.entries.subscribe()
    }

    /// Another process has changed what the payload of its notification says.
    fn heard(&self, payload: &str) {
        for word in payload.split(':').skip(1) {
            match word {
                // There may be no receiver.
                LEASES => {
                    let _ = self.sender.send(Notice::new(Buckets::NONE, 0));
                }
                ENTRIES => {
                    self.entries.send_replace(());
                }
                _buckets => self.heard.notify_one(),
            }
        }
    }

    /// Notifications may have been missed.
    fn missed(&self) {
        self.entries.send_replace(());
        self.heard.notify_one();
    }

    /// A process has come, leaves, or has ended: others look at the leases.
    pub(super) fn leases_changed(&self) {
        self.leases.store(true, Ordering::Relaxed);
        self.notify.notify_one();
    }

    /// A reader has stopped at a gap of the history: it gets a notice when the gap is over.
    pub(super) fn hold_back(&self) {
        self.held_back.store(true, Ordering::Relaxed);
        self.heard.notify_one();
    }
}

/// Starts the tasks that notify, listen and poll. They end with the store.
pub(super) fn start(core: &Arc<Core>, driver: &Driver) {
    if !core.target.pooled {
        driver.spawn(notify(core.clone()));
    }
    driver.spawn(watch(core.clone()));
}

/// The name of the channel of a store.
fn channel(core: &Core) -> String {
    format!("fsm {}", core.options.schema)
}

/// Keeps a connection that notifies and listens.
async fn notify(core: Arc<Core>) {
    let own = core.notices.id.to_string();
    loop {
        let (heard, mut payloads) = mpsc::unbounded_channel();
        if let Ok(client) = core.target.connect(Role::Notifications, Some(heard), Duration::MAX).await {
            let connected = Connected::new(client, &core.target, &core.texts);
            let listen = format!("SET synchronous_commit = off; LISTEN \"{}\"", channel(&core));
            if connected.execute(&listen).await.is_ok() {
                // Whatever was changed before is found by the watch, and by those that wait for entries.
                core.notices.missed();
                listen_and_notify(&core, &connected, &own, &mut payloads).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(RECONNECT.0..RECONNECT.1))).await;
    }
}

/// Returns when the connection is broken.
async fn listen_and_notify(
    core: &Core,
    connected: &Connected,
    own: &str,
    payloads: &mut mpsc::UnboundedReceiver<String>,
) {
    loop {
        tokio::select! {
            payload = payloads.recv() => match payload {
                Some(payload) if payload.starts_with(own) => {}
                Some(payload) => core.notices.heard(&payload),
                None => return,
            },
            () = core.notices.notify.notified() => {
                // Not collected: a process that leaves does so once, and the others wait for it.
                if core.notices.leases.swap(false, Ordering::Relaxed)
                    && !notified(core, connected, format!("{own}:{LEASES}")).await
                {
                    return;
                }
                tokio::time::sleep(COLLECT).await;
                let buckets = mem::take(&mut *core.notices.changed.lock());
                let mut payload = own.to_owned();
                if !buckets.is_empty() {
                    payload = format!("{payload}:{}", hexadecimal(&buckets));
                }
                if core.notices.entry_news.swap(false, Ordering::Relaxed) {
                    payload = format!("{payload}:{ENTRIES}");
                }
                if payload != own && !notified(core, connected, payload).await {
                    return;
                }
            }
            () = tokio::time::sleep(PING) => {
                if !is_answered(connected.execute("SELECT 1")).await {
                    return;
                }
            }
        }
    }
}

/// Notifies the other processes. Returns whether the connection still works.
async fn notified(core: &Core, connected: &Connected, payload: String) -> bool {
    let statement = Statement::new("SELECT pg_notify($1, $2)").text(channel(core)).text(payload);
    is_answered(connected.query(&statement)).await
}

async fn is_answered<T>(call: impl Future<Output = Result<T, Failure>>) -> bool {
    tokio::time::timeout(PING, call).await.is_ok_and(|answer| answer.is_ok())
}

/// The set as 256 hexadecimal digits: the payload of a notification has less than 8,000 bytes.
fn hexadecimal(buckets: &Buckets) -> String {
    let mut digits = String::with_capacity(256);
    for digit in 0..crate::store::BUCKETS / 4 {
        let bits = (0..4).filter(|bit| buckets.contains(digit * 4 + bit)).map(|bit| 1_u16 << bit).sum::<u16>();
        // Writing to a text does not fail.
        let _ = write!(digits, "{bits:x}");
    }
    digits
}

/// Sends notices of what others have changed, whenever something was heard, and at each poll.
async fn watch(core: Arc<Core>) {
    let mut position = loop {
        match core.settled_to().await {
            Ok(position) => break position,
            // Its own callers see the error.
            Err(_) => tokio::time::sleep(core.options.poll).await,
        }
    };
    let (mut gap, mut before) = (GAP.0, position);
    loop {
        let pause = match look(&core, &mut position).await {
            Ok(true) => {
                gap = if position == before { (gap * 2).min(GAP.1) } else { GAP.0 };
                gap
            }
            Ok(false) | Err(_) => core.options.poll,
        };
        before = position;
        tokio::select! {
            () = core.notices.heard.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Sends a notice of the entries after `position`, and moves it. Returns whether there are entries that cannot be delivered yet.
async fn look(core: &Core, position: &mut u64) -> Result<bool, StoreError> {
    const PAGE: usize = 4_096;
    if core.notices.sender.receiver_count() == 0 {
        return Ok(false);
    }
    let held_back = core.notices.held_back.swap(false, Ordering::Relaxed);
    let Look { upto, high, .. } = core.settled_now(*position).await?;
    if upto > *position {
        let entries = core.buckets_between(*position, upto, PAGE).await?;
        let buckets = if entries.len() == PAGE {
            Buckets::ALL
        } else {
            let own = core.notices.own.lock();
            // What was held back is new to this process, too.
            entries.iter().filter(|(number, _)| held_back || !own.contains(number)).map(|(_, bucket)| *bucket).collect()
        };
        if !buckets.is_empty() {
            // Without a receiver, only the position advances.
            let _ = core.notices.sender.send(Notice::new(buckets, *position));
        }
        core.notices.own.lock().retain(|number| *number > upto);
        *position = upto;
    }
    let gap = upto < high;
    if gap {
        core.notices.held_back.store(true, Ordering::Relaxed);
    }
    Ok(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_buckets_is_256_digits() {
        let some: Buckets = [0, 5, 1_023].into_iter().collect();
        let digits = hexadecimal(&some);
        assert_eq!((digits.len(), &digits[..4], &digits[252..]), (256, "1200", "0008"));
        assert_eq!(hexadecimal(&Buckets::ALL), "f".repeat(256));
    }
}
