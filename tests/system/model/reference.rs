//! The reference model: the store contract over plain collections, one change after the other.

use crate::with;
use fsm_runtime::store::{
    Arm, Attempts, Cause, Change, Checkpoint, Claim, Create, Disarm, Due, Entering, Group, HistoryEntry, HistoryKind,
    Hold, Key, Origin, Override, Prune, Purge, Release, Rewrite, Row, SetDesiredState, Transition, Verdict,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};
use uuid::Uuid;

/// An idempotency key of one incarnation.
type Used = (Key, Uuid, String);

#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) rows: BTreeMap<Key, Row>,
    pub(super) history: Vec<Arc<HistoryEntry>>,
    /// The entry of each key, and its time.
    pub(super) keys: BTreeMap<Used, (Arc<HistoryEntry>, SystemTime)>,
    pub(super) fence: u64,
    sequence: u64,
    pub(super) pruned: u64,
    /// Start and end of each lease.
    pub(super) leases: BTreeMap<String, (SystemTime, SystemTime)>,
    /// The fence of the next claim, where the answer has it: other instances take fences too.
    pub(super) given: Option<u64>,
}

/// Why a change of a group was not made.
enum Miss {
    Moved,
    Duplicate(Box<HistoryEntry>),
    KeyReused(Box<HistoryEntry>),
}

impl Model {
    /// Applies the whole group, or returns the verdict on the change that missed.
    pub(super) fn apply(&mut self, group: &Group, now: SystemTime) -> Verdict {
        let before = self.clone();
        let mut rows = Vec::new();
        for (place, change) in group.changes.iter().enumerate() {
            match self.attempt(change, now) {
                Ok(row) => rows.push(row),
                Err(miss) => {
                    *self = before;
                    return self.verdict(group, place, miss, now);
                }
            }
        }
        Verdict::Committed { rows }
    }

    fn verdict(&self, group: &Group, place: usize, miss: Miss, now: SystemTime) -> Verdict {
        let change = &group.changes[place];
        if self.clone().attempt(change, now).is_ok() {
            // The group conflicts with itself.
            return Verdict::Refused { change: place, reason: OWN_GROUP.to_owned() };
        }
        let current = self.rows.get(change.key()).cloned().map(Box::new);
        match miss {
            Miss::Duplicate(first) => Verdict::Duplicate { change: place, first },
            Miss::KeyReused(first) => Verdict::KeyReused { change: place, first },
            Miss::Moved => match (current, claimed(change)) {
                (Some(current), Some(read)) if read == (current.incarnation, current.version) => {
                    Verdict::Fenced { change: place, current }
                }
                (current, _) => Verdict::Conflict { change: place, current },
            },
        }
    }

    fn attempt(&mut self, change: &Change, now: SystemTime) -> Result<Row, Miss> {
        match change {
            Change::Create(create) => self.create(create, now),
            Change::Transition(transition) => self.transition(transition, now),
            Change::Override(moved) => self.override_to(moved, now),
            Change::SetDesiredState(desired) => self.desired(desired, now),
            Change::Hold(hold) => self.hold(hold, now),
            Change::Claim(claim) => self.claim(claim, now),
            Change::Checkpoint(kept) => self.checkpoint(kept),
            Change::Release(release) => self.release(release, now),
            Change::Arm(arm) => self.arm(arm, now),
            Change::Disarm(disarm) => self.disarm(disarm, now),
            Change::Purge(purge) => self.purge(purge),
            Change::Rewrite(rewrite) => self.rewrite(rewrite),
        }
    }

    fn create(&mut self, create: &Create, now: SystemTime) -> Result<Row, Miss> {
        let Create { key, incarnation, into, cause, idempotency_key, origin } = create;
        if let Some(used) = idempotency_key {
            let life = self.life(key).unwrap_or(*incarnation);
            if let Some((first, _)) = self.keys.get(&(key.clone(), life, used.clone())) {
                let same = first.event.is_none()
                    && (&first.to, first.data.as_ref(), &first.context)
                        == (&into.state, Some(&into.data), &into.context);
                let first = Box::new(HistoryEntry::clone(first));
                return Err(if same { Miss::Duplicate(first) } else { Miss::KeyReused(first) });
            }
        }
        if self.rows.contains_key(key) {
            return Err(Miss::Moved);
        }
        let mut row = Row::new(key.clone(), *incarnation, into.state.clone(), into.data.clone(), now);
        row.schema = into.schema;
        row.context.clone_from(&into.context);
        row.timer_at = into.timer.map(|after| now + after);
        row.retry_at = into.work.then_some(now);
        self.enter(&row, HistoryKind::Transition, None, *cause, idempotency_key.as_deref(), origin, into, now);
        Ok(row)
    }

    fn transition(&mut self, transition: &Transition, now: SystemTime) -> Result<Row, Miss> {
        let Transition {
            key,
            incarnation,
            version,
            fence,
            from,
            event,
            payload,
            into,
            cause,
            not_before: _,
            idempotency_key,
            origin,
        } = transition;
        if let Some(used) = idempotency_key
            && let Some((first, _)) = self.keys.get(&(key.clone(), *incarnation, used.clone()))
        {
            let same = first.event.as_ref() == Some(event) && first.payload.as_ref() == Some(payload);
            let first = Box::new(HistoryEntry::clone(first));
            return Err(if same { Miss::Duplicate(first) } else { Miss::KeyReused(first) });
        }
        let row = self.read_as(key, *incarnation, *version)?;
        if fence.is_some_and(|fence| fence != row.fence) || row.schema > into.schema {
            return Err(Miss::Moved);
        }
        let owner = row.owner.clone().filter(|_| fence.is_none());
        let row = with(new_stay(row, into, now), |row| {
            row.owner = owner;
            row.context.clone_from(&into.context);
        });
        let event = Some((from.as_str(), event.as_str(), payload.as_str()));
        self.enter(&row, HistoryKind::Transition, event, *cause, idempotency_key.as_deref(), origin, into, now);
        Ok(row)
    }

    fn override_to(&mut self, moved: &Override, now: SystemTime) -> Result<Row, Miss> {
        let Override { key, incarnation, version, from, into, why, origin } = moved;
        let row = self.read_as(key, *incarnation, *version)?;
        if row.schema > into.schema {
            return Err(Miss::Moved);
        }
        let context = into.context.clone().or_else(|| row.context.clone());
        let row = with(new_stay(row, into, now), |row| row.context = context);
        let event = Some((from.as_str(), "moved", why.as_str()));
        self.enter(&row, HistoryKind::Override, event, Cause::Operator, None, origin, into, now);
        Ok(row)
    }

    fn desired(&mut self, set: &SetDesiredState, now: SystemTime) -> Result<Row, Miss> {
        let row = self.read_as(&set.key, set.incarnation, set.version)?;
        if row.desired != set.seen {
            return Err(Miss::Moved);
        }
        let row = self.put(with(row, |row| {
            row.desired.clone_from(&set.desired);
            row.desired_at = set.due.map(|due| now + due);
            row.desired_by.clone_from(&set.desired_by);
        }));
        if let Some(note) = &set.note {
            self.note(&row, (note.about, &note.text), note.cause, &note.origin, now);
        }
        Ok(row)
    }

    fn hold(&mut self, hold: &Hold, now: SystemTime) -> Result<Row, Miss> {
        let row = self.read_as(&hold.key, hold.incarnation, hold.version)?;
        if row.hold != hold.seen {
            return Err(Miss::Moved);
        }
        let row = self.put(with(row, |row| row.hold.clone_from(&hold.hold)));
        if let Some(note) = &hold.note {
            self.note(&row, (note.about, &note.text), note.cause, &note.origin, now);
        }
        Ok(row)
    }

    fn claim(&mut self, claim: &Claim, now: SystemTime) -> Result<Row, Miss> {
        let row = self.read_as(&claim.key, claim.incarnation, claim.version)?;
        if row.fence != claim.fence || row.parked.is_some() || row.hold.is_some() {
            return Err(Miss::Moved);
        }
        let live = |owner: &String| self.leases.get(owner).is_some_and(|(_, until)| *until > now);
        if row.owner.as_ref().is_some_and(|owner| *owner != claim.owner && live(owner)) {
            return Err(Miss::Moved);
        }
        let next = self.given.unwrap_or(self.fence + 1);
        if next <= self.fence {
            return Err(Miss::Moved);
        }
        self.fence = next;
        let crashed = row.attempt > 0 && row.owner.as_ref().is_some_and(|owner| *owner != claim.owner);
        Ok(self.put(with(row, |row| {
            row.owner = Some(claim.owner.clone());
            row.fence = next;
            row.attempt += 1;
            if crashed {
                failed(row, Claim::CRASH, now);
            }
            row.retry_at = None;
        })))
    }

    fn checkpoint(&mut self, kept: &Checkpoint) -> Result<Row, Miss> {
        let row = self.read_as(&kept.key, kept.incarnation, kept.version)?;
        if row.fence != kept.fence || row.owner.is_none() {
            return Err(Miss::Moved);
        }
        Ok(self.put(with(row, |row| row.checkpoint = Some(kept.checkpoint.clone()))))
    }

    fn release(&mut self, release: &Release, now: SystemTime) -> Result<Row, Miss> {
        let row = self.read_as(&release.key, release.incarnation, release.version)?;
        if row.fence != release.fence || row.owner != release.owner {
            return Err(Miss::Moved);
        }
        let row = self.put(with(row, |row| {
            row.owner = None;
            row.retry_at = release.retry.map(|retry| now + retry);
            row.attempt = match release.attempts {
                Attempts::Keep => row.attempt,
                Attempts::GiveBack => row.attempt.saturating_sub(1),
                Attempts::Reset => 0,
            };
            if let Some(error) = &release.error {
                failed(row, error, now);
            }
            row.parked.clone_from(&release.parked);
            row.parked_at = release.parked.as_ref().map(|_| now);
        }));
        if let Some(note) = &release.note {
            self.note(&row, (note.about, &note.text), note.cause, &note.origin, now);
        }
        Ok(row)
    }

    fn arm(&mut self, arm: &Arm, now: SystemTime) -> Result<Row, Miss> {
        let row = self.read_as(&arm.key, arm.incarnation, arm.version)?;
        let work = arm.work && row.retry_at.is_none() && row.owner.is_none() && row.parked.is_none();
        let timer = arm.timer.filter(|_| row.timer_at.is_none());
        if !work && timer.is_none() {
            return Err(Miss::Moved);
        }
        let row = self.put(with(row, |row| {
            row.retry_at = if work { Some(now) } else { row.retry_at };
            row.timer_at = timer.map_or(row.timer_at, |after| Some(row.updated + after));
        }));
        self.note(&row, ("armed", &arm.reason), Cause::Operator, &Origin::default(), now);
        Ok(row)
    }

    fn disarm(&mut self, disarm: &Disarm, now: SystemTime) -> Result<Row, Miss> {
        let row = self.read_as(&disarm.key, disarm.incarnation, disarm.version)?;
        let row = self.put(with(row, |row| row.timer_at = None));
        self.note(&row, ("timer dropped", &disarm.reason), Cause::Timer, &Origin::default(), now);
        Ok(row)
    }

    fn purge(&mut self, purge: &Purge) -> Result<Row, Miss> {
        let row = self.read_as(&purge.key, purge.incarnation, purge.version)?;
        self.rows.remove(&purge.key);
        self.history.retain(|entry| entry.key != purge.key);
        self.keys.retain(|(key, _, _), _| *key != purge.key);
        Ok(row)
    }

    fn rewrite(&mut self, rewrite: &Rewrite) -> Result<Row, Miss> {
        let row = self.read_as(&rewrite.key, rewrite.incarnation, rewrite.version)?;
        if row.schema >= rewrite.schema {
            return Err(Miss::Moved);
        }
        let Rewrite { state, data, context, schema, .. } = rewrite.clone();
        Ok(self.put(with(row, |row| {
            row.state = state;
            row.data = data;
            row.context = context;
            row.schema = schema;
        })))
    }

    fn read_as(&self, key: &Key, incarnation: Uuid, version: u64) -> Result<Row, Miss> {
        let row = self.rows.get(key).ok_or(Miss::Moved)?;
        if (row.incarnation, row.version) == (incarnation, version) { Ok(row.clone()) } else { Err(Miss::Moved) }
    }

    fn put(&mut self, row: Row) -> Row {
        self.rows.insert(row.key.clone(), row.clone());
        row
    }

    /// The row in its new state, with its entry and its key.
    #[expect(clippy::too_many_arguments, reason = "as many as the entry has sources")]
    fn enter(
        &mut self,
        row: &Row,
        kind: HistoryKind,
        event: Option<(&str, &str, &str)>,
        cause: Cause,
        used: Option<&str>,
        origin: &Origin,
        into: &Entering,
        now: SystemTime,
    ) {
        if into.remove {
            self.rows.remove(&row.key);
        } else {
            self.put(row.clone());
        }
        let mut entry = self.entry(row, kind, cause, origin, now);
        entry.from = event.map(|(from, ..)| from.to_owned());
        entry.event = event.map(|(_, event, _)| event.to_owned());
        entry.payload = event.map(|(.., payload)| payload.to_owned());
        entry.data = Some(row.data.clone());
        entry.context.clone_from(&row.context);
        entry.idempotency_key = used.map(str::to_owned);
        let entry = Arc::new(entry);
        if let Some(used) = used {
            self.keys.insert((row.key.clone(), row.incarnation, used.to_owned()), (entry.clone(), now));
        }
        self.history.push(entry);
    }

    fn note(&mut self, row: &Row, (about, text): (&str, &str), cause: Cause, origin: &Origin, now: SystemTime) {
        let mut entry = self.entry(row, HistoryKind::Note, cause, origin, now);
        entry.from = Some(row.state.clone());
        entry.event = Some(about.to_owned());
        entry.payload = Some(text.to_owned());
        self.history.push(Arc::new(entry));
    }

    fn entry(&mut self, row: &Row, kind: HistoryKind, cause: Cause, origin: &Origin, now: SystemTime) -> HistoryEntry {
        self.sequence += 1;
        let (key, to, cause) = (row.key.clone(), row.state.clone(), cause.as_str().to_owned());
        let mut entry = HistoryEntry::new(self.sequence, key, row.incarnation, kind, to, cause, now);
        entry.version = row.version;
        entry.schema = row.schema;
        entry.fence = row.fence;
        entry.actor.clone_from(&origin.actor);
        entry.trace.clone_from(&origin.trace);
        entry
    }

    /// Takes a lease for `owner` until `until`, and returns the start of its first one.
    pub(super) fn take_lease(&mut self, owner: &str, until: SystemTime, now: SystemTime) -> SystemTime {
        let lease = self.leases.entry(owner.to_owned()).or_insert((now, until));
        lease.1 = until;
        lease.0
    }

    /// Extends the lease of `owner` until `until`, if it is live.
    pub(super) fn renew_lease(&mut self, owner: &str, until: SystemTime, now: SystemTime) -> bool {
        let live = self.leases.get_mut(owner).filter(|(_, until)| *until > now);
        live.map(|lease| lease.1 = until).is_some()
    }

    pub(super) fn end_lease(&mut self, owner: &str, now: SystemTime) {
        if let Some((_, until)) = self.leases.get_mut(owner) {
            *until = now.min(*until);
        }
    }

    /// Lapsed leases without claims.
    pub(super) fn gone(&self, now: SystemTime) -> Vec<String> {
        let held = |owner: &String| self.rows.values().any(|row| row.owner.as_ref() == Some(owner));
        let lapsed = self.leases.iter().filter(|(_, (_, until))| *until <= now);
        lapsed.map(|(owner, _)| owner).filter(|owner| !held(owner)).cloned().collect()
    }

    pub(super) fn forget_leases(&mut self, gone: &[String]) {
        self.leases.retain(|owner, _| !gone.contains(owner));
    }

    /// Prunes one batch of each kind, and returns the count.
    pub(super) fn prune(&mut self, prune: &Prune) -> u64 {
        let mut forgotten = 0;
        if let Some(before) = prune.keys_before {
            let mut old: Vec<_> = self.keys.iter().filter(|(_, (_, at))| *at < before).collect();
            old.sort_by_key(|(used, (_, at))| (*at, (*used).clone()));
            let old: Vec<Used> = old.into_iter().take(prune.limit).map(|(used, _)| used.clone()).collect();
            forgotten += old.len();
            for used in old {
                self.keys.remove(&used);
            }
        }
        if let Some(before) = prune.history_before {
            let held = self.keys.values().map(|(first, _)| first.sequence).min().unwrap_or(u64::MAX);
            let old = self.history.iter().take(prune.limit).take_while(|e| e.sequence < held && e.at < before).count();
            if let Some(last) = old.checked_sub(1) {
                self.pruned = self.pruned.max(self.history[last].sequence);
            }
            self.history.drain(..old);
            forgotten += old;
        }
        if let Some(before) = prune.ended_before {
            for (machine, state) in &prune.ended {
                let ended = self.rows.values().filter(|row| *row.key.machine == **machine && row.state == *state);
                let ended = ended.filter(|row| row.updated < before);
                let mut ended: Vec<_> = ended.map(|row| (row.schema, row.updated, row.key.clone())).collect();
                ended.sort();
                ended.truncate(prune.limit);
                forgotten += ended.len();
                for (.., key) in ended {
                    self.rows.remove(&key);
                }
            }
        }
        u64::try_from(forgotten).expect("few")
    }

    /// The sequence of the newest entry ever written.
    pub(super) fn newest(&self) -> u64 {
        self.sequence
    }

    /// The incarnation of a key: the present one, or the last one of a removed row.
    fn life(&self, key: &Key) -> Option<Uuid> {
        let last = self.history.iter().rev().find(|entry| entry.key == *key).map(|entry| entry.incarnation);
        self.rows.get(key).map(|row| row.incarnation).or(last)
    }

    pub(super) fn first(&self, key: &Key, used: &str) -> Option<HistoryEntry> {
        self.keys.get(&(key.clone(), self.life(key)?, used.to_owned())).map(|(first, _)| HistoryEntry::clone(first))
    }

    pub(super) fn used(&self) -> impl Iterator<Item = &Used> {
        self.keys.keys()
    }

    /// The rows of `machine`, by id.
    pub(super) fn all(&self, machine: &str) -> Vec<Row> {
        self.rows.values().filter(|row| *row.key.machine == *machine).cloned().collect()
    }

    /// The rows of `machine` that `wanted` selects, ordered by the time of entering the state.
    pub(super) fn by_age(&self, machine: &str, wanted: impl Fn(&Row) -> bool) -> Vec<Row> {
        let mut rows = self.all(machine);
        rows.retain(wanted);
        rows.sort_by_key(|row| (row.updated, row.key.clone()));
        rows
    }

    /// The states and schema versions in which rows of `machine` stand.
    pub(super) fn ranges(&self, machine: &str) -> BTreeSet<(String, u32)> {
        self.all(machine).into_iter().map(|row| (row.state, row.schema)).collect()
    }

    pub(super) fn due(&self, machines: &[String], until: SystemTime) -> Vec<Due> {
        let rows = self.rows.values().filter(|row| machines.iter().any(|machine| **machine == *row.key.machine));
        let mut due: Vec<Due> = rows
            .filter_map(|row| Some(Due::new(row.key.clone(), row.wake_at()?)))
            .filter(|due| due.at <= until)
            .collect();
        due.sort_by_key(|due| (due.at, due.key.clone()));
        due
    }

    pub(super) fn orphaned(&self, machines: &[String], now: SystemTime) -> Vec<Key> {
        let live = |owner: &String| self.leases.get(owner).is_some_and(|(_, until)| *until > now);
        let rows = self.rows.values().filter(|row| machines.iter().any(|machine| **machine == *row.key.machine));
        rows.filter(|row| row.owner.as_ref().is_some_and(|owner| !live(owner))).map(|row| row.key.clone()).collect()
    }

    pub(super) fn held_by(&self, owner: &str) -> Vec<Key> {
        let rows = self.rows.values().filter(|row| row.owner.as_deref() == Some(owner));
        rows.map(|row| row.key.clone()).collect()
    }
}

fn failed(row: &mut Row, error: &str, now: SystemTime) {
    row.error = Some(error.to_owned());
    row.error_at = Some(now);
    row.first_error.get_or_insert_with(|| error.to_owned());
    row.first_error_at.get_or_insert(now);
}

/// The row at the start of its next visit.
fn new_stay(row: Row, into: &Entering, now: SystemTime) -> Row {
    with(row, |row| {
        row.state.clone_from(&into.state);
        row.version += 1;
        row.entered = row.version;
        row.schema = into.schema;
        row.data.clone_from(&into.data);
        row.timer_at = into.timer.map(|after| now + after);
        row.retry_at = into.work.then_some(now);
        row.attempt = 0;
        row.checkpoint = None;
        row.parked = None;
        row.parked_at = None;
        row.error = None;
        row.error_at = None;
        row.first_error = None;
        row.first_error_at = None;
        row.desired_at = row.desired.as_ref().map(|_| now);
        row.updated = now;
    })
}

/// The verdict on a group that conflicts with itself.
pub(super) const OWN_GROUP: &str = "an earlier change of the same group is in its way";

/// The incarnation and version that the holder of a claim has read.
fn claimed(change: &Change) -> Option<(Uuid, u64)> {
    match change {
        Change::Transition(change) => change.fence.map(|_| (change.incarnation, change.version)),
        Change::Claim(change) => Some((change.incarnation, change.version)),
        Change::Checkpoint(change) => Some((change.incarnation, change.version)),
        Change::Release(change) => Some((change.incarnation, change.version)),
        Change::Create(_)
        | Change::Override(_)
        | Change::SetDesiredState(_)
        | Change::Hold(_)
        | Change::Arm(_)
        | Change::Disarm(_)
        | Change::Purge(_)
        | Change::Rewrite(_) => None,
    }
}
