//! Makes the calls of the store for slots over all processes, in tasks outside of the event loop, and receives the store's notifications of
//! changed entries.

use super::shared_slots::{Answer, Call, QueueId};
use crate::{
    engine::Engine,
    store::{MAX_KEY_BYTES, NewEphemeral, StoreError},
};
use std::{future::pending, mem, pin::Pin, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::Sleep};

/// The kind of the entries.
const KIND: &str = "slot";
/// The shortest time between two notifications of changes, multiplied by the number of waiting queues. Notifications can be frequent, and
/// each causes a read of each waiting queue. In real time, because it limits the load on the store.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest time between two notifications, for many waiting queues.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The calls in flight, and the notifications of changed entries.
pub(in crate::controller) struct SlotEntries {
    engine: Arc<Engine>,
    /// A description of this process, the holder of its entries, for people.
    holder: Arc<str>,
    calls: JoinSet<Option<Answered>>,
    /// The notifications of changes; `None` if no state has slots over all processes.
    changes: Option<Changes>,
}

struct Changes {
    entries: watch::Receiver<()>,
    /// The number of queues in which entries wait for changes.
    waiting: u32,
    /// The pause after a notification.
    pause: Option<Pin<Box<Sleep>>>,
}

/// The answer to a call about a queue.
pub(in crate::controller) struct Answered {
    pub(super) queue: QueueId,
    pub(super) answer: Answer,
}

/// An event for the event loop.
pub(in crate::controller) enum EntryEvent {
    Answered(Answered),
    /// Entries have changed in the store.
    Changed,
    /// An entry was removed.
    Removed,
    /// A call panicked, so that its answer is lost.
    Lost,
}

impl SlotEntries {
    /// `used` is whether any state has slots over all processes.
    pub(in crate::controller) fn new(engine: Arc<Engine>, holder: &str, used: bool) -> Self {
        let entries = engine.store.ephemerals().filter(|_| used);
        let changes = entries.map(|entries| Changes { entries: entries.entry_changes(), waiting: 0, pause: None });
        Self { engine, holder: holder.into(), calls: JoinSet::new(), changes }
    }

    /// Makes `calls`. `waiting` is the number of queues in which entries wait for changes from now on.
    pub(in crate::controller) fn make(&mut self, calls: Vec<Call>, waiting: u32) {
        if let Some(changes) = &mut self.changes {
            changes.wait(waiting);
        }
        let (mut removed, others): (Vec<Call>, Vec<Call>) =
            calls.into_iter().partition(|call| matches!(call, Call::Remove { .. }));
        for call in others {
            // Entries are removed before a new one is added, because the new entry may get one of their slots.
            let first = if matches!(call, Call::Enter { .. }) { mem::take(&mut removed) } else { Vec::new() };
            self.spawn(first, call);
        }
        for call in removed {
            self.spawn(Vec::new(), call);
        }
    }

    fn spawn(&mut self, first: Vec<Call>, call: Call) {
        let (engine, holder, asked) = (self.engine.clone(), self.holder.clone(), self.engine.clock.elapsed());
        self.calls.spawn(async move {
            for call in first {
                answer(&engine, &holder, call, asked).await;
            }
            answer(&engine, &holder, call, asked).await
        });
    }

    /// The next event. Cancel safe.
    pub(in crate::controller) async fn next_event(&mut self) -> EntryEvent {
        let Self { calls, changes, .. } = self;
        let answered = async {
            match calls.join_next().await {
                Some(Ok(Some(answered))) => EntryEvent::Answered(answered),
                Some(Ok(None)) => EntryEvent::Removed,
                Some(Err(_)) => EntryEvent::Lost,
                None => pending().await,
            }
        };
        let changed = async {
            match changes {
                Some(changes) => changes.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            answered = answered => answered,
            () = changed => EntryEvent::Changed,
        }
    }

    /// Whether a call is in flight.
    pub(in crate::controller) fn is_busy(&self) -> bool {
        !self.calls.is_empty()
    }
}

impl Changes {
    /// Sets the number of queues in which entries wait for changes.
    fn wait(&mut self, waiting: u32) {
        if self.waiting == 0 && waiting > 0 {
            // The first read of the queue sees earlier changes.
            self.entries.mark_unchanged();
        }
        self.waiting = waiting;
    }

    /// Completes at the next notification of a change. Cancel safe.
    async fn next(&mut self) {
        if self.waiting == 0 {
            pending::<()>().await;
        }
        if let Some(pause) = &mut self.pause {
            pause.as_mut().await;
            self.pause = None;
        }
        if self.entries.changed().await.is_err() {
            pending::<()>().await;
        }
        self.pause = Some(Box::pin(tokio::time::sleep((PAUSE * self.waiting).min(LONGEST_PAUSE))));
    }
}

/// Makes `call`. A removal has no answer: if it fails, the entry expires.
async fn answer(engine: &Engine, holder: &str, call: Call, asked: Duration) -> Option<Answered> {
    let entries = engine.store.ephemerals()?;
    let now = engine.now();
    let failed = |what: &str, error: StoreError| {
        tracing::debug!(%error, "an entry of a slot over all processes could not be {what}");
    };
    let (queue, answer) = match call {
        Call::Enter { queue, id, ttl } => {
            let (name, holder) = (queue.name(), holder.to_owned());
            let new = NewEphemeral { kind: KIND, name, id: id.clone(), holder, value: None, ttl };
            let entered = engine.asked("enter", entries.enter(new, now)).await;
            let done = entered.map_err(|error| failed("added; it is tried again", error)).is_ok();
            (queue, Answer::Entered { id, asked, done })
        }
        Call::Look { queue, limit } => {
            let first = entries.first_entries(KIND, queue.name(), limit, now);
            let first = engine.asked("first_entries", first).await;
            let first = first.map_err(|error| failed("looked for; it is tried again", error)).ok();
            let first = first.map(|first| {
                let now = engine.now();
                let left = first.iter().map(|entry| entry.until.duration_since(now).unwrap_or_default()).min();
                (first.into_iter().map(|entry| entry.id).collect(), left.unwrap_or(Duration::MAX))
            });
            (queue, Answer::Looked(first))
        }
        Call::Renew { queue, id, ttl } => {
            let live = engine.asked("renew_entry", entries.renew_entry(id.clone(), ttl, now)).await;
            let live = live.map_err(|error| failed("renewed; it is tried again", error)).ok();
            (queue, Answer::Renewed { id, asked, live })
        }
        Call::Remove { id } => {
            let removed = engine.asked("remove_entry", entries.remove_entry(id, now)).await;
            removed.unwrap_or_else(|error| failed("removed; it expires", error));
            return None;
        }
    };
    Some(Answered { queue, answer })
}

impl QueueId {
    /// The name of the queue in the store. The names of machines and states contain no slash, so names of different queues differ. Stores
    /// limit names: longer ones are truncated, and limit keys whose truncated names are equal share their slots.
    fn name(&self) -> String {
        let Self { machine, state, lane } = self;
        let mut name = match lane {
            // Not every store accepts NUL in text.
            Some(key) => format!("{machine}/{state}/{}", key.replace('\0', "\u{FFFD}")),
            None => format!("{machine}/{state}"),
        };
        name.truncate(name.floor_char_boundary(MAX_KEY_BYTES));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_queues_fit_into_an_index() {
        let name = |lane: Option<&str>| QueueId { machine: "M", state: "S", lane: lane.map(Into::into) }.name();
        assert_eq!((name(None), name(Some("")), name(Some("a/b"))), ("M/S".into(), "M/S/".into(), "M/S/a/b".into()));
        assert_eq!(name(Some("a\0b")), "M/S/a\u{FFFD}b");
        assert_eq!(name(Some(&"ä".repeat(1_000))).len(), 1_024);
    }
}
