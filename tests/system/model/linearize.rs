//! Linearizability: for each instance, the search for an order of all calls in which each takes effect between its call and its
//! answer, and in which the reference model gives the same answers (Wing and Gong's search, with Lowe's memory of states already
//! tried). A call without an answer took effect at any time after its call, or never.

use super::reference::Model;
use crate::with;
use fsm_runtime::store::{HistoryEntry, HistoryKind, HistoryQuery, Key, Prune, Row, Store};
use std::{
    collections::{BTreeSet, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::SystemTime,
};
use tests::calls::{
    call::{Answer, Asked, Call, answers, at, entry_words, looked, micros, row_words},
    op::{self, ENDED, OWNERS, Op},
};

/// A call as one instance sees it.
struct Event<'a> {
    called: u64,
    /// `u64::MAX` without an answer.
    answered: u64,
    /// Whether it certainly took effect.
    certain: bool,
    act: Act<'a>,
}

impl Event<'_> {
    /// Whether it changes nothing, whenever it takes effect. An event with nothing to do now may have an effect later,
    /// such as pruning keys.
    fn only_looks(&self) -> bool {
        match &self.act {
            Act::Get { .. } => true,
            Act::Change { answer, .. } => answer.is_some_and(|answer| !answer.committed),
            Act::ForgetEnded { .. } | Act::ForgetKeys { .. } | Act::Lease { .. } => false,
        }
    }
}

enum Act<'a> {
    Change {
        op: &'a Op,
        answer: Option<&'a Answer>,
        now: SystemTime,
    },
    Get {
        answer: &'a Answer,
    },
    ForgetEnded {
        before: SystemTime,
    },
    ForgetKeys {
        before: SystemTime,
    },
    /// Taken, or ended.
    Lease {
        owner: &'static str,
        until: Option<SystemTime>,
        now: SystemTime,
    },
}

/// Checks every instance, and the order over all instances.
pub(super) async fn check(store: &dyn Store, calls: &[Call], instances: u8) {
    let all = HistoryQuery { key: None, by_operators: false, after: 0, newest_first: false, limit: usize::MAX };
    let history = store.history(all).await.expect("history");
    let forgotten = calls.iter().filter_map(|call| match call.asked {
        Asked::ForgetHistory { before } => Some(at(before)),
        _ => None,
    });
    let forgotten_before = forgotten.max();
    for instance in 0..instances {
        let key = op::key(instance);
        let row = store.get(key.clone()).await.expect("a look").map(|row| with(row, |row| row.shard = 0));
        let entries: Vec<HistoryEntry> = history.iter().filter(|entry| entry.key == key).cloned().collect();
        let events = events(calls, instance);
        Search::new(&events, key, row, &entries, forgotten_before).run();
    }
    order(calls, &history);
}

fn events(calls: &[Call], instance: u8) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    for call in calls {
        let mut event = |act, certain| {
            let answered = call.answered.unwrap_or(u64::MAX);
            events.push(Event { called: call.called, answered, certain: certain && call.answered.is_some(), act });
        };
        match &call.asked {
            Asked::Group(ops) => {
                let Some(place) = ops.iter().position(|op| op.instance == instance) else { continue };
                let answer = call.answer.get(place).and_then(Option::as_ref);
                // Another change of the group missed, so this one was not made.
                if call.answered.is_some() && answer.is_none() {
                    continue;
                }
                event(Act::Change { op: &ops[place], answer, now: at(call.called) }, true);
            }
            Asked::Get(looked) if *looked == instance => {
                if let Some(Some(answer)) = call.answer.first() {
                    event(Act::Get { answer }, true);
                }
            }
            Asked::ForgetEnded { before } => event(Act::ForgetEnded { before: at(*before) }, false),
            Asked::ForgetKeys { before } => event(Act::ForgetKeys { before: at(*before) }, true),
            // Only the final history depends on a pruned entry: entries of keys are kept.
            Asked::Get(_) | Asked::ForgetHistory { .. } => {}
            Asked::TakeLease { owner, ttl } => {
                let (owner, now) = (OWNERS[usize::from(*owner)], at(call.called));
                event(Act::Lease { owner, until: Some(now + *ttl), now }, true);
            }
            Asked::EndLease { owner } => {
                event(Act::Lease { owner: OWNERS[usize::from(*owner)], until: None, now: at(call.called) }, true);
            }
        }
    }
    events.sort_by_key(|event| event.called);
    events
}

/// The search for an order of one instance's events.
struct Search<'a> {
    events: &'a [Event<'a>],
    key: Key,
    row: Option<Row>,
    history: Vec<String>,
    /// The latest time before which the history may be pruned.
    forgotten_before: Option<SystemTime>,
    /// Fences that no answer contains, for claims with a lost answer.
    unclaimed: Vec<u64>,
    done: Vec<bool>,
    order: Vec<usize>,
    /// The longest order found, for the report.
    best: Vec<usize>,
    dead_ends: HashSet<(Vec<bool>, u64)>,
    steps: u64,
}

impl<'a> Search<'a> {
    fn new(
        events: &'a [Event<'a>],
        key: Key,
        row: Option<Row>,
        entries: &[HistoryEntry],
        forgotten_before: Option<SystemTime>,
    ) -> Self {
        let mut fences: BTreeSet<u64> =
            entries.iter().map(|entry| entry.fence).chain(row.iter().map(|row| row.fence)).collect();
        for event in events {
            match &event.act {
                Act::Change { answer: Some(answer), .. } | Act::Get { answer } => fences.extend(answer.fence),
                _ => {}
            }
        }
        for event in events {
            if let Act::Change { op, answer: Some(Answer { committed: true, fence: Some(fence), .. }), .. } = &event.act
                && op.claims()
            {
                fences.remove(fence);
            }
        }
        Self {
            events,
            key,
            row,
            history: entries.iter().map(entry_words).collect(),
            forgotten_before,
            unclaimed: fences.into_iter().filter(|fence| *fence > 0).collect(),
            done: vec![false; events.len()],
            order: Vec::new(),
            best: Vec::new(),
            dead_ends: HashSet::new(),
            steps: 0,
        }
    }

    fn run(mut self) {
        if self.go_on(&Model::default()) {
            return;
        }
        let script: Vec<String> = self.best.iter().map(|place| self.describe(*place)).collect();
        let left = (0..self.events.len()).filter(|place| !self.best.contains(place)).map(|place| self.describe(place));
        let left: Vec<String> = left.take(20).collect();
        panic!(
            "{}: no order explains the answers.\nAs far as it goes:\n{}\nThen one of:\n{}\nAt the end: {}",
            self.key,
            script.join("\n"),
            left.join("\n"),
            self.row.as_ref().map_or_else(|| "nothing".to_owned(), row_words),
        );
    }

    fn describe(&self, place: usize) -> String {
        let Event { called, answered, act, .. } = &self.events[place];
        let act = match act {
            Act::Change { op, answer, .. } => format!("{op:?} => {:?}", answer.map(|answer| &answer.words)),
            Act::Get { answer } => format!("get => {}", answer.words),
            Act::ForgetEnded { .. } => "forget ended".to_owned(),
            Act::ForgetKeys { .. } => "forget keys".to_owned(),
            Act::Lease { owner, until, .. } => format!("{owner} until {:?}", until.map(micros)),
        };
        format!("  {called}..{answered} {act}")
    }

    fn go_on(&mut self, model: &Model) -> bool {
        self.steps += 1;
        assert!(self.steps < 1_000_000, "{}: the search for an order took too long", self.key);
        if self.order.len() > self.best.len() {
            self.best.clone_from(&self.order);
        }
        let open = |place: &usize| !self.done[*place];
        let certain = (0..self.events.len()).filter(open).filter(|place| self.events[*place].certain);
        let Some(first_answer) = certain.map(|place| self.events[place].answered).min() else {
            if self.is_the_end(model) {
                return true;
            }
            return self.try_those(model, u64::MAX);
        };
        self.try_those(model, first_answer)
    }

    /// Tries each event called before `until`, the earliest pending answer.
    fn try_those(&mut self, model: &Model, until: u64) -> bool {
        let state = (self.done.clone(), fingerprint(model, &self.key));
        if self.dead_ends.contains(&state) {
            return false;
        }
        for place in 0..self.events.len() {
            let events = self.events;
            let event = &events[place];
            if event.called > until {
                break;
            }
            // An uncertain event took effect before its answer, if at all.
            if self.done[place] || !event.certain && event.answered < self.latest_call() {
                continue;
            }
            for next in self.outcomes(model, &event.act) {
                let changed = fingerprint(&next, &self.key) != state.1;
                if !event.certain && !changed {
                    continue;
                }
                self.done[place] = true;
                self.order.push(place);
                if self.go_on(&next) {
                    return true;
                }
                self.order.pop();
                self.done[place] = false;
                // An event without effect can come first, unless it excludes an uncertain event.
                let shuts_out = |other: &usize| {
                    let other = &self.events[*other];
                    !other.certain && other.answered < event.called
                };
                if event.only_looks()
                    && !(0..self.events.len()).filter(|other| !self.done[*other]).any(|other| shuts_out(&other))
                {
                    self.dead_ends.insert(state);
                    return false;
                }
            }
        }
        self.dead_ends.insert(state);
        false
    }

    /// The latest call among the placed events: no later event was answered before it.
    fn latest_call(&self) -> u64 {
        self.order.iter().map(|place| self.events[*place].called).max().unwrap_or_default()
    }

    /// The possible models after the event, if its answer is possible.
    fn outcomes(&self, model: &Model, act: &Act<'_>) -> Vec<Model> {
        let mut next = model.clone();
        match act {
            Act::Change { op, answer, now } => {
                let group = op::group(std::slice::from_ref(*op));
                let given: Vec<Option<u64>> = match answer {
                    Some(answer) => vec![answer.fence.filter(|_| answer.committed && op.claims())],
                    None if op.claims() => self.unclaimed.iter().copied().map(Some).collect(),
                    None => vec![None],
                };
                let outcomes = given.into_iter().filter_map(|given| {
                    let mut next = model.clone();
                    next.given = given;
                    let verdict = next.apply(&group, *now);
                    let same = answer.is_none_or(|answer| {
                        answers(&verdict, 1)[0].as_ref().is_some_and(|found| found.words == answer.words)
                    });
                    same.then_some(next)
                });
                return outcomes.collect();
            }
            Act::Get { answer } => {
                if looked(model.rows.get(&self.key))[0].as_ref() != Some(*answer) {
                    return Vec::new();
                }
            }
            Act::ForgetEnded { before } => {
                let ended = vec![(self.key.machine.to_string(), ENDED.to_owned())];
                next.prune(&Prune { ended, ended_before: Some(*before), limit: 1, ..Prune::default() });
            }
            Act::ForgetKeys { before } => {
                next.prune(&Prune { keys_before: Some(*before), limit: usize::MAX, ..Prune::default() });
            }
            Act::Lease { owner, until, now } => {
                match until {
                    Some(until) => drop(next.take_lease(owner, *until, *now)),
                    None => next.end_lease(owner, *now),
                }
                // Other instances decide whether a lapsed lease is still needed: it was pruned, or kept.
                let mut outcomes = vec![next.clone()];
                for gone in next.gone(*now) {
                    let mut forgotten = outcomes.clone();
                    for model in &mut forgotten {
                        model.forget_leases(std::slice::from_ref(&gone));
                    }
                    outcomes.extend(forgotten);
                }
                return outcomes;
            }
        }
        vec![next]
    }

    fn is_the_end(&self, model: &Model) -> bool {
        let Some(forgotten) = model.history.len().checked_sub(self.history.len()) else { return false };
        let (forgotten, kept) = model.history.split_at(forgotten);
        model.rows.get(&self.key) == self.row.as_ref()
            && forgotten.iter().all(|entry| self.forgotten_before.is_some_and(|before| entry.at < before))
            && kept.iter().zip(&self.history).all(|(entry, found)| entry_words(entry) == *found)
    }
}

/// Everything that later answers and the end can depend on: two orders of the same calls may differ only in the
/// middle of the history.
fn fingerprint(model: &Model, key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    model.rows.get(key).map(row_words).hash(&mut hasher);
    for entry in &model.history {
        // These determine the rest of an entry.
        let HistoryEntry { incarnation, version, kind, event, payload, fence, at, .. } = &**entry;
        (incarnation, version, kind.as_str(), event, payload, fence, at).hash(&mut hasher);
    }
    for (used, (first, at)) in &model.keys {
        (used, first.sequence, at).hash(&mut hasher);
    }
    model.leases.hash(&mut hasher);
    model.fence.hash(&mut hasher);
    hasher.finish()
}

/// The order over all instances: sequences and fences grow from an answered call to a later one, and the entries of a
/// group are adjacent.
fn order(calls: &[Call], history: &[HistoryEntry]) {
    let (mut sequences, mut fences) = (Vec::new(), Vec::new());
    for call in calls {
        let (Asked::Group(ops), Some(answered)) = (&call.asked, call.answered) else { continue };
        let mut written = Vec::new();
        for (op, answer) in ops.iter().zip(&call.answer) {
            let Some(answer) = answer.as_ref().filter(|answer| answer.committed) else { continue };
            if op.claims() {
                fences.push((answer.fence.expect("a claimed row has a fence"), call.called, answered));
            }
            if let Some(version) = op.writes() {
                let entry = history.iter().find(|entry| {
                    (&entry.key, entry.incarnation) == (&op.key(), op.incarnation())
                        && entry.version == version
                        && entry.kind != HistoryKind::Note
                });
                // It may have been purged or pruned since.
                written.extend(entry.map(|entry| entry.sequence));
            }
        }
        sequences.extend(written.iter().map(|sequence| (*sequence, call.called, answered)));
        if written.len() == ops.len() {
            assert!(
                written.windows(2).all(|pair| pair[0] + 1 == pair[1]),
                "entries of a group are not adjacent: {call:?} {written:?}"
            );
        }
    }
    for mut numbered in [sequences, fences] {
        numbered.sort_unstable();
        let mut latest = 0;
        for pair in numbered.windows(2) {
            assert_ne!(pair[0].0, pair[1].0, "one number twice: {pair:?}");
        }
        for (number, called, answered) in numbered {
            assert!(answered >= latest, "{number} was answered before a lower number was asked for");
            latest = latest.max(called);
        }
    }
}

/// Orders that an earlier search did not find.
mod found {
    use super::check;
    use fsm_runtime::store::{Prune, Store, sqlite::Sqlite};
    use tests::calls::{
        call::{Asked, Call, answers, at, looked},
        op::{self, Kind, Pick, Seen},
    };

    const REST: u8 = 0;
    const REMOVED: u8 = 4;

    /// Calls in the order in which they took effect; the times only show which were concurrent.
    struct Script {
        store: Sqlite,
        seen: Seen,
        calls: Vec<Call>,
    }

    impl Script {
        fn new() -> Self {
            Self { store: Sqlite::in_memory().unwrap(), seen: Seen::default(), calls: Vec::new() }
        }

        async fn change(&mut self, called: u64, answered: u64, kind: Kind, into: u8, dice: u8, key: Option<u8>) {
            let pick = Pick { instance: 0, kind, stale: 0, idempotency_key: key, into, dice };
            let ops = self.seen.group(&[pick]);
            let verdict = self.store.commit(vec![op::group(&ops)], at(called * 1_000)).await.unwrap().remove(0);
            self.seen.see_verdict(&ops, &verdict);
            let answer = answers(&verdict, 1);
            self.push(called, answered, Asked::Group(ops), answer);
            assert!(self.calls.last().unwrap().made(), "{verdict:?}");
        }

        async fn forget_keys(&mut self, called: u64, answered: u64) {
            let before = called * 1_000;
            let prune = Prune { keys_before: Some(at(before)), limit: 1_000, ..Prune::default() };
            self.store.prune(prune).await.unwrap();
            self.push(called, answered, Asked::ForgetKeys { before }, Vec::new());
        }

        async fn look(&mut self, called: u64, answered: u64) {
            let row = self.store.get(op::key(0)).await.unwrap();
            self.push(called, answered, Asked::Get(0), looked(row.as_ref()));
        }

        fn push(&mut self, called: u64, answered: u64, asked: Asked, answer: Vec<Option<super::Answer>>) {
            self.calls.push(Call { called: called * 1_000, answered: Some(answered * 1_000), asked, answer });
        }
    }

    #[tokio::test]
    async fn keys_used_after_the_call_may_be_pruned() {
        let mut script = Script::new();
        script.change(0, 1, Kind::Create, REST, 4, None).await;
        script.change(12, 20, Kind::Transition, REMOVED, 4, None).await;
        script.change(10, 20, Kind::Create, REMOVED, 4, Some(0)).await;
        script.forget_keys(11, 20).await;
        script.change(30, 31, Kind::Create, REST, 4, Some(0)).await;
        check(&script.store, &script.calls, 1).await;
    }

    #[tokio::test]
    async fn removals_on_entry_may_come_in_any_order() {
        let mut script = Script::new();
        script.change(11, 20, Kind::Create, REMOVED, 4, None).await;
        script.change(10, 20, Kind::Create, REMOVED, 4, None).await;
        script.change(30, 31, Kind::Create, REMOVED, 4, None).await;
        script.change(40, 41, Kind::Create, REMOVED, 4, None).await;
        check(&script.store, &script.calls, 1).await;
    }

    #[tokio::test]
    async fn two_empty_desired_states_are_explained() {
        let mut script = Script::new();
        script.change(0, 1, Kind::Create, REST, 4, None).await;
        // No desired state with a due time, and without: neither writes a note.
        script.change(11, 20, Kind::Wish, 0, 8, None).await;
        script.change(10, 20, Kind::Wish, 0, 12, None).await;
        script.look(30, 31).await;
        check(&script.store, &script.calls, 1).await;
    }
}
