//! The slots of one state over all processes of a store: the entries of this process in the queues of the store, and the calls of the store
//! for them. Pure: this module collects the calls, and `slot_entries` makes them.
//!
//! In each queue, a process has one entry for each slot that it can use, and the first `limit` live entries have the slots. New entries are
//! added at the end, so an entry that has a slot keeps it until it is removed or expires.
//!
//! ```text
//!           enter            among the first         take
//!   wanted ──────▶ Entering ──▶ Waiting ──────▶ Free ──────▶ Used ──▶ removed
//!                                                 ▲           │
//!                                                 └───────────┘
//!                                     the work ends within the turn of the entry
//! ```
//!
//! During its turn, an entry is passed on to the next local work that waits, without a call of the store. A turn is short, so that other
//! processes get slots. After the turn, the entry is removed when its work ends, and local work that still waits adds a new entry at the end
//! of the queue.

use super::gate::LimitKey;
use crate::{
    controller::lease::timeline::{LeaseTimeline, Phase},
    store::Key,
};
use std::{collections::HashMap, mem, time::Duration};
use uuid::Uuid;

/// The turn: how long an entry with a slot is passed on, and how long it may wait for local work to use it.
const TURN: Duration = Duration::from_secs(1);
/// How often a queue is read if there is no notification, and the pause after an entry could not be added.
const POLL: Duration = Duration::from_secs(1);
/// The shortest time between two reads of a queue without a notification, and between two attempts to renew.
const PAUSE: Duration = Duration::from_millis(10);

/// The queue of one state and limit key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) struct QueueId {
    pub(super) machine: &'static str,
    pub(super) state: &'static str,
    pub(super) lane: LimitKey,
}

/// A call of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Call {
    /// Adds an entry at the end of a queue.
    Enter {
        queue: QueueId,
        id: String,
        ttl: Duration,
    },
    /// Reads the first `limit` entries of a queue.
    Look {
        queue: QueueId,
        limit: usize,
    },
    Renew {
        queue: QueueId,
        id: String,
        ttl: Duration,
    },
    Remove {
        id: String,
    },
}

/// The answer to a call that was requested at `asked`. `done: false` and `None` are errors of the store.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::controller) enum Answer {
    Entered {
        id: String,
        asked: Duration,
        done: bool,
    },
    /// The ids of the first entries, and the time until the first of these entries expires.
    Looked(Option<(Vec<String>, Duration)>),
    /// Whether the entry is live.
    Renewed {
        id: String,
        asked: Duration,
        live: Option<bool>,
    },
}

/// The loss of a slot, for the worker that uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The lease was not renewed in time or has expired, so the worker is cancelled.
    Cancel(Key),
    /// The lease is about to expire, so the worker is aborted.
    Abort(Key),
}

/// The result of [`SharedSlots::tick`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Elapsed {
    pub(super) losses: Vec<Loss>,
    /// The lanes that had a free slot for longer than a turn, and have left their queue.
    pub(super) left: Vec<LimitKey>,
}

/// The slots of one state.
pub(super) struct SharedSlots {
    machine: &'static str,
    state: &'static str,
    limit: usize,
    /// The most entries of one queue that this process can use.
    most: usize,
    ttl: Duration,
    /// The time between the cancellation of a worker and its abort.
    grace: Duration,
    queues: HashMap<LimitKey, Queue>,
    calls: Vec<Call>,
    /// Whether the process is shutting down.
    closed: bool,
    summary: Option<Summary>,
}

/// Values that are computed from all queues, and cached until a queue changes.
#[derive(Clone, Copy, Default)]
struct Summary {
    /// The time of the next [`tick`](SharedSlots::tick).
    next: Option<Duration>,
    /// The number of entries of which it is not known yet whether they have a slot.
    unsettled: usize,
    /// The number of queues in which entries wait.
    waiting: u32,
}

#[derive(Default)]
struct Queue {
    /// The entries, in the order in which they were requested.
    entries: Vec<Entry>,
    /// The number of local instances that wait for a slot.
    wanted: usize,
    look: NextLook,
    /// After an error of the store, the time before which no entry is added.
    enter_after: Option<Duration>,
}

#[derive(Default)]
struct NextLook {
    at: Duration,
    in_flight: bool,
    /// Whether an entry has changed since the read in flight began.
    again: bool,
}

struct Entry {
    id: String,
    stage: Stage,
    timeline: LeaseTimeline,
    /// The time of the next renewal; `None` while one is in flight.
    renew_at: Option<Duration>,
    /// The time at which the entry got its slot.
    since: Duration,
    /// Whether the worker that uses the slot was cancelled.
    cancelled: bool,
}

#[derive(PartialEq, Eq)]
enum Stage {
    /// The entry is being added.
    Entering,
    /// The entry is not known to have a slot. `looked` is whether the queue was read since the entry was added.
    Waiting { looked: bool },
    /// The entry has a slot that no local work uses.
    Free,
    /// The entry has a slot that this work uses.
    Used(Key),
}

impl SharedSlots {
    /// `limit` slots of `state`, of which this process can use at most `most`.
    pub(super) fn new(
        (machine, state): (&'static str, &'static str),
        limit: usize,
        most: usize,
        (ttl, grace): (Duration, Duration),
    ) -> Self {
        let most = most.min(limit).max(1);
        let (queues, calls, closed, summary) = (HashMap::new(), Vec::new(), false, None);
        Self { machine, state, limit, most, ttl, grace, queues, calls, closed, summary }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Uses a free slot of `lane` for `key`. Returns whether there was one.
    pub(super) fn take(&mut self, lane: &LimitKey, key: &Key, now: Duration) -> bool {
        let Some(queue) = self.queues.get_mut(lane) else { return false };
        let held = |entry: &&mut Entry| entry.stage == Stage::Free && entry.timeline.phase(now) == Phase::Held;
        let Some(entry) = queue.entries.iter_mut().find(held) else { return false };
        entry.stage = Stage::Used(key.clone());
        queue.wanted = queue.wanted.saturating_sub(1);
        self.summary = None;
        true
    }

    /// Whether `key` has a slot of `lane` whose lease is valid.
    pub(super) fn has(&self, lane: &LimitKey, key: &Key, now: Duration) -> bool {
        let used = |entry: &Entry| matches!(&entry.stage, Stage::Used(by) if by == key);
        let held = |entry: &Entry| used(entry) && !entry.cancelled && entry.timeline.phase(now) == Phase::Held;
        self.queues.get(lane).is_some_and(|queue| queue.entries.iter().any(held))
    }

    /// Frees the slot of `key`, whose work has ended. Returns whether other local work can use the slot.
    pub(super) fn free(&mut self, lane: &LimitKey, key: &Key, now: Duration) -> bool {
        let closed = self.closed;
        let Some((queue, place)) = self.used(lane, key) else { return false };
        let entry = &mut queue.entries[place];
        let passed_on = !closed && now.saturating_sub(entry.since) < TURN && entry.timeline.phase(now) == Phase::Held;
        if passed_on {
            // If the worker was cancelled, the lease was renewed since.
            (entry.stage, entry.cancelled) = (Stage::Free, false);
        } else {
            let id = queue.entries.remove(place).id;
            self.calls.push(Call::Remove { id });
        }
        self.balance(lane, now);
        passed_on
    }

    /// Removes the entry whose slot `key` uses, because the lane has to wait for another limit before it can use a slot.
    pub(super) fn give_back(&mut self, lane: &LimitKey, key: &Key) {
        let Some((queue, place)) = self.used(lane, key) else { return };
        let id = queue.entries.remove(place).id;
        self.calls.push(Call::Remove { id });
    }

    fn used(&mut self, lane: &LimitKey, key: &Key) -> Option<(&mut Queue, usize)> {
        self.summary = None;
        let queue = self.queues.get_mut(lane)?;
        let place = queue.entries.iter().position(|entry| matches!(&entry.stage, Stage::Used(by) if by == key))?;
        Some((queue, place))
    }

    /// Records that at least `wanted` local instances of `lane` wait for a slot.
    pub(super) fn want(&mut self, lane: &LimitKey, wanted: usize, now: Duration) {
        let queue = self.queues.entry(lane.clone()).or_default();
        queue.wanted = queue.wanted.max(wanted);
        self.balance(lane, now);
    }

    /// Records that at most `wanted` local instances of `lane` wait for a slot.
    pub(super) fn want_at_most(&mut self, lane: &LimitKey, wanted: usize, now: Duration) {
        let Some(queue) = self.queues.get_mut(lane) else { return };
        queue.wanted = queue.wanted.min(wanted);
        self.balance(lane, now);
    }

    /// A lane that has a free slot and for which `right` returns `true`.
    pub(super) fn free_lane(&self, right: impl Fn(&LimitKey) -> bool) -> Option<LimitKey> {
        let has_free = |queue: &Queue| queue.entries.iter().any(|entry| entry.stage == Stage::Free);
        self.queues.iter().find(|(lane, queue)| has_free(queue) && right(lane)).map(|(lane, _)| lane.clone())
    }

    /// Gives back the free slots of lanes for which `waits` returns `false`.
    pub(super) fn give_back_unused(&mut self, waits: impl Fn(&LimitKey) -> bool, now: Duration) {
        while let Some(lane) = self.free_lane(|lane| !waits(lane)) {
            self.leave(&lane, now);
        }
    }

    /// Leaves the queue of `lane`: removes its free and waiting entries.
    pub(super) fn leave(&mut self, lane: &LimitKey, now: Duration) {
        let Some(queue) = self.queues.get_mut(lane) else { return };
        let free = queue.entries.extract_if(.., |entry| entry.stage == Stage::Free);
        self.calls.extend(free.map(|entry| Call::Remove { id: entry.id }));
        self.want_at_most(lane, 0, now);
    }

    /// Adds missing entries, and removes waiting entries that no local work can use.
    fn balance(&mut self, lane: &LimitKey, now: Duration) {
        self.summary = None;
        let Some(queue) = self.queues.get_mut(lane) else { return };
        let used = queue.entries.iter().filter(|entry| matches!(entry.stage, Stage::Used(_))).count();
        let wanted = if self.closed { 0 } else { queue.wanted };
        let target = (used + wanted).min(self.most);
        if queue.entries.len() < target && queue.enter_after.is_none_or(|after| after <= now) {
            queue.enter_after = None;
            let id = QueueId { machine: self.machine, state: self.state, lane: lane.clone() };
            for _ in queue.entries.len()..target {
                let entry = Entry::new(LeaseTimeline { renewed: now, ttl: self.ttl, grace: self.grace });
                self.calls.push(Call::Enter { queue: id.clone(), id: entry.id.clone(), ttl: self.ttl });
                queue.entries.push(entry);
            }
        }
        // The last entries have waited for the shortest time.
        for place in (0..queue.entries.len()).rev() {
            if queue.entries.len() > target && matches!(queue.entries[place].stage, Stage::Waiting { .. }) {
                let id = queue.entries.remove(place).id;
                self.calls.push(Call::Remove { id });
            }
        }
        if queue.entries.is_empty() && wanted == 0 {
            self.queues.remove(lane);
        }
    }

    /// Handles an answer. Returns the slot that is lost, if any, and whether local work can have a slot of `lane` now.
    pub(super) fn answered(&mut self, lane: &LimitKey, answer: Answer, now: Duration) -> (Option<Loss>, bool) {
        self.summary = None;
        match answer {
            Answer::Entered { id, asked, done } => {
                self.entered(lane, id, asked, done, now);
                (None, false)
            }
            Answer::Looked(first) => (None, self.looked(lane, first, now)),
            Answer::Renewed { id, asked, live } => (self.renewed(lane, &id, asked, live, now), false),
        }
    }

    fn entered(&mut self, lane: &LimitKey, id: String, asked: Duration, done: bool, now: Duration) {
        let queue = self.queues.get_mut(lane);
        let Some((queue, place)) = queue.and_then(|queue| queue.place(&id).map(|place| (queue, place))) else {
            // The entry is no longer needed.
            self.calls.push(Call::Remove { id });
            return;
        };
        let entry = &mut queue.entries[place];
        entry.timeline.renewed = asked;
        if !done || entry.timeline.phase(now) == Phase::Lost {
            queue.entries.remove(place);
            // The entry may have been added although the call failed.
            self.calls.push(Call::Remove { id });
            queue.enter_after = Some(now.saturating_add(POLL));
        } else {
            entry.stage = Stage::Waiting { looked: false };
            entry.renew_at = Some(asked.saturating_add(LeaseTimeline::interval(self.ttl)));
            queue.look.at = now;
            queue.look.again = true;
        }
        self.balance(lane, now);
    }

    fn looked(&mut self, lane: &LimitKey, first: Option<(Vec<String>, Duration)>, now: Duration) -> bool {
        let Some(queue) = self.queues.get_mut(lane) else { return false };
        queue.look.in_flight = false;
        let (first, lapses) = first.unwrap_or((Vec::new(), POLL));
        let mut free = false;
        for entry in &mut queue.entries {
            let Stage::Waiting { looked } = &mut entry.stage else { continue };
            if first.contains(&entry.id) {
                (entry.stage, entry.since, free) = (Stage::Free, now, true);
            } else {
                *looked |= !queue.look.again;
            }
        }
        let pause = if queue.look.again { Duration::ZERO } else { lapses.clamp(PAUSE, POLL) };
        queue.look.at = now.saturating_add(pause);
        self.summary = None;
        free
    }

    fn renewed(
        &mut self,
        lane: &LimitKey,
        id: &str,
        asked: Duration,
        live: Option<bool>,
        now: Duration,
    ) -> Option<Loss> {
        let queue = self.queues.get_mut(lane)?;
        let place = queue.place(id)?;
        let entry = &mut queue.entries[place];
        match live {
            Some(true) => {
                entry.timeline.renewed = entry.timeline.renewed.max(asked);
                entry.renew_at = Some(entry.timeline.renewed.saturating_add(LeaseTimeline::interval(self.ttl)));
                None
            }
            Some(false) => {
                tracing::warn!(
                    id,
                    machine = self.machine,
                    state = self.state,
                    "the lease of a slot over all processes has expired; the slot is lost"
                );
                let entry = queue.entries.remove(place);
                self.balance(lane, now);
                entry.user().map(Loss::Cancel)
            }
            None => {
                entry.renew_at = Some(now.saturating_add((self.ttl / 30).max(PAUSE)));
                None
            }
        }
    }

    /// Entries have changed in the store: requests a read of the queues in which entries wait.
    pub(super) fn changed(&mut self, now: Duration) {
        for queue in self.queues.values_mut().filter(|queue| queue.waits()) {
            (queue.look.at, queue.look.again) = (now, true);
        }
        self.summary = None;
    }

    /// Renews entries, reads queues and adds entries that are due, and finds slots that are lost.
    pub(super) fn tick(&mut self, now: Duration) -> Elapsed {
        if self.next().is_none_or(|next| next > now) {
            return Elapsed::default();
        }
        self.summary = None;
        let (mut losses, mut lanes) = (Vec::new(), Vec::new());
        let (machine, state, ttl) = (self.machine, self.state, self.ttl);
        for (lane, queue) in &mut self.queues {
            let id = || QueueId { machine, state, lane: lane.clone() };
            for entry in queue.entries.extract_if(.., |entry| entry.is_lost(now)) {
                match entry.stage {
                    // Not removed: the rest of the lease protects the slot until the abort has taken effect.
                    Stage::Used(key) => losses.push(Loss::Abort(key)),
                    _ => self.calls.push(Call::Remove { id: entry.id }),
                }
                lanes.push(lane.clone());
            }
            for entry in &mut queue.entries {
                if entry.stage == Stage::Entering {
                    continue;
                }
                if let Stage::Used(key) = &entry.stage
                    && entry.timeline.phase(now) == Phase::Draining
                    && !mem::replace(&mut entry.cancelled, true)
                {
                    losses.push(Loss::Cancel(key.clone()));
                }
                if entry.renew_at.take_if(|at| *at <= now).is_some() {
                    self.calls.push(Call::Renew { queue: id(), id: entry.id.clone(), ttl });
                }
            }
            if queue.look_at().is_some_and(|at| at <= now) {
                (queue.look.in_flight, queue.look.again) = (true, false);
                self.calls.push(Call::Look { queue: id(), limit: self.limit });
            }
            if queue.enter_after.is_some_and(|after| after <= now) {
                lanes.push(lane.clone());
            }
        }
        let over = |entry: &Entry| entry.stage == Stage::Free && entry.turn_ends() <= now;
        let unused = self.queues.iter().filter(|(_, queue)| queue.entries.iter().any(over));
        let left: Vec<LimitKey> = unused.map(|(lane, _)| lane.clone()).collect();
        for lane in &left {
            self.leave(lane, now);
        }
        for lane in lanes {
            self.balance(&lane, now);
        }
        Elapsed { losses, left }
    }

    /// The time at which [`tick`](Self::tick) has to be called.
    pub(super) fn next(&mut self) -> Option<Duration> {
        self.summary().next
    }

    /// The number of entries of which it is not known yet whether they have a slot.
    pub(super) fn unsettled(&mut self) -> usize {
        self.summary().unsettled
    }

    /// The number of queues in which entries wait for changes in the store.
    pub(super) fn waiting(&mut self) -> u32 {
        self.summary().waiting
    }

    /// Whether the answer to a call that is in flight or due can show that work has a slot, without a change by other processes.
    pub(super) fn is_looking(&mut self, now: Duration) -> bool {
        let looks = |queue: &Queue| queue.waits() && (queue.look.in_flight || queue.look.at <= now);
        self.summary().unsettled > 0 || self.queues.values().any(looks)
    }

    /// Takes the calls to make.
    pub(super) fn take_calls(&mut self) -> Vec<Call> {
        mem::take(&mut self.calls)
    }

    /// Removes all entries except those that are used, and adds no further ones. Called at the shutdown of the process.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.forget_unused();
    }

    /// Removes all entries except those that are used, and adds new ones where they are needed. Called when answers may have been lost.
    pub(super) fn recover(&mut self, now: Duration) {
        self.forget_unused();
        let lanes: Vec<LimitKey> = self.queues.keys().cloned().collect();
        for lane in lanes {
            if let Some(queue) = self.queues.get_mut(&lane) {
                queue.look = NextLook::default();
                queue.entries.iter_mut().for_each(|entry| entry.renew_at = Some(now));
            }
            self.balance(&lane, now);
        }
    }

    fn forget_unused(&mut self) {
        self.summary = None;
        for queue in self.queues.values_mut() {
            let unused = queue.entries.extract_if(.., |entry| !matches!(entry.stage, Stage::Used(_)));
            self.calls.extend(unused.map(|entry| Call::Remove { id: entry.id }));
        }
    }

    fn summary(&mut self) -> Summary {
        if let Some(summary) = self.summary {
            return summary;
        }
        let mut summary = Summary::default();
        for queue in self.queues.values() {
            let times = queue.entries.iter().flat_map(Entry::times).chain(queue.look_at()).chain(queue.enter_after);
            summary.next = summary.next.into_iter().chain(times).min();
            summary.unsettled += queue.entries.iter().filter(|entry| entry.is_unsettled()).count();
            summary.waiting += u32::from(queue.waits());
        }
        *self.summary.insert(summary)
    }
}

impl Queue {
    fn place(&self, id: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == id)
    }

    fn waits(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.stage, Stage::Waiting { .. }))
    }

    /// The time of the next read, if one is needed.
    fn look_at(&self) -> Option<Duration> {
        (!self.look.in_flight && self.waits()).then_some(self.look.at)
    }
}

impl Entry {
    fn new(timeline: LeaseTimeline) -> Self {
        let (id, stage) = (Uuid::now_v7().to_string(), Stage::Entering);
        Self { id, stage, timeline, renew_at: None, since: Duration::ZERO, cancelled: false }
    }

    fn is_unsettled(&self) -> bool {
        matches!(self.stage, Stage::Entering | Stage::Waiting { looked: false })
    }

    /// Whether the lease is about to expire. An entry that is being added has no lease yet.
    fn is_lost(&self, now: Duration) -> bool {
        self.stage != Stage::Entering && self.timeline.phase(now) == Phase::Lost
    }

    fn turn_ends(&self) -> Duration {
        self.since.saturating_add(TURN)
    }

    /// The times at which [`SharedSlots::tick`] has to handle the entry.
    fn times(&self) -> impl Iterator<Item = Duration> + use<> {
        let (drains, lost) = (self.timeline.draining_at(), self.timeline.lost_at());
        let (cancels, turn, lost) = match &self.stage {
            Stage::Entering => (None, None, None),
            Stage::Waiting { .. } => (None, None, Some(lost)),
            Stage::Free => (None, Some(self.turn_ends()), Some(lost)),
            Stage::Used(_) => ((!self.cancelled).then_some(drains), None, Some(lost)),
        };
        let renew_at = self.renew_at.filter(|_| self.stage != Stage::Entering);
        cancels.into_iter().chain(turn).chain(lost).chain(renew_at)
    }

    fn user(self) -> Option<Key> {
        match self.stage {
            Stage::Used(key) => Some(key),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
