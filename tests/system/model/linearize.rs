//! Whether what many callers were told can be explained: for each instance, an order of all calls in which each takes effect
//! between its call and its answer, and in which the naive store gives the very answers that were given (Wing and Gong's
//! search, with Lowe's memory of where it has been). What was never answered took effect at any time after its call, or never.

use super::{
    op::{self, ENDED, OWNERS, Op},
    reference::Model,
};
use crate::with;
use fsm_runtime::store::{HistoryEntry, HistoryKind, HistoryQuery, Key, Prune, Row, Store, Verdict};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime},
};

/// One call and its answer, with times of one clock for all processes, in nanoseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) called: u64,
    /// `None` where the caller did not live to hear it, or had gone.
    pub(super) answered: Option<u64>,
    pub(super) asked: Asked,
    /// In words, so that it can be compared: of a group, the answer to each change that got one.
    pub(super) answer: Vec<Option<Answer>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Asked {
    Group(Vec<Op>),
    Get(u8),
    /// Some rows that ended before; which ones is not told.
    ForgetEnded {
        before: u64,
    },
    /// All keys used before.
    ForgetKeys {
        before: u64,
    },
    /// The history before, as far as no key holds it.
    ForgetHistory {
        before: u64,
    },
    /// A process's lease, for so long.
    Renew {
        owner: u8,
        ttl: Duration,
    },
    EndLease {
        owner: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    words: String,
    /// Of the row that was shown.
    fence: Option<u64>,
    committed: bool,
}

impl Call {
    /// Whether it was answered that all of it was made.
    pub(super) fn made(&self) -> bool {
        !self.answer.is_empty()
            && self.answer.iter().all(|answer| answer.as_ref().is_some_and(|answer| answer.committed))
    }
}

/// A store's clock at a time of the callers'.
pub(super) fn at(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(nanos / 1_000)
}

/// The answer to each change of a group.
pub(super) fn answers(verdict: &Verdict, changes: usize) -> Vec<Option<Answer>> {
    let seen = |what: &str, row: Option<&Row>| Answer {
        words: format!("{what} {}", row.map_or_else(|| "nothing".to_owned(), row_words)),
        fence: row.map(|row| row.fence),
        committed: what == "committed",
    };
    let told = |what: &str, first: &HistoryEntry| Answer {
        words: format!("{what} {}", entry_words(first)),
        fence: Some(first.fence),
        committed: false,
    };
    let missed = match verdict {
        Verdict::Committed { rows } => return rows.iter().map(|row| Some(seen("committed", Some(row)))).collect(),
        Verdict::Conflict { current, .. } => seen("conflict", current.as_deref()),
        Verdict::Fenced { current, .. } => seen("fenced", Some(current)),
        Verdict::Duplicate { first, .. } => told("duplicate", first),
        Verdict::KeyReused { first, .. } => told("key reused", first),
        Verdict::Refused { reason, .. } => Answer { words: format!("refused {reason}"), fence: None, committed: false },
        other => panic!("an unknown verdict: {other:?}"),
    };
    let mut answers = vec![None; changes];
    answers[verdict.change().expect("a miss has a place")] = Some(missed);
    answers
}

/// The answer to a look at a row.
pub(super) fn looked(row: Option<&Row>) -> Vec<Option<Answer>> {
    let words = row.map_or_else(|| "nothing".to_owned(), row_words);
    vec![Some(Answer { words, fence: row.map(|row| row.fence), committed: false })]
}

fn row_words(row: &Row) -> String {
    let Row { data, context, incarnation, error, .. } = row;
    let due = [row.timer_at, row.retry_at, row.desired_at];
    let times = due.into_iter().chain([row.parked_at, Some(row.created), Some(row.updated)]);
    let times: Vec<Option<u128>> = times.map(|time| time.map(micros)).collect();
    let entered = (row.entered, row.schema, &row.checkpoint);
    format!("{row:?} {incarnation} {entered:?} {data} {context:?} {error:?} {times:?}")
}

/// All but the sequence, which the instance alone does not tell.
fn entry_words(entry: &HistoryEntry) -> String {
    let HistoryEntry { incarnation, schema, fence, payload, data, idempotency_key, actor, at, .. } = entry;
    let entry = with(entry.clone(), |entry| entry.sequence = 0);
    format!(
        "{entry:?} {incarnation} {schema} {fence} {payload:?} {data:?} {idempotency_key:?} {actor:?} {}",
        micros(*at)
    )
}

fn micros(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_micros()
}

/// What a call is to one instance.
struct Event<'a> {
    called: u64,
    /// The end of time where there was no answer.
    answered: u64,
    /// Whether it took effect for certain.
    certain: bool,
    act: Act<'a>,
}

impl Event<'_> {
    /// Whether it leaves everything as it is, whenever it takes effect. What has merely nothing to do at this moment may have
    /// later, such as forgetting keys.
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
    /// Renewed, or ended.
    Lease {
        owner: &'static str,
        until: Option<SystemTime>,
        now: SystemTime,
    },
}

/// Checks every instance, and what holds between them.
pub(super) async fn check(store: &dyn Store, calls: &[Call], instances: u8) {
    let all = HistoryQuery { key: None, after: 0, newest_first: false, limit: usize::MAX };
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
                // Another change of the group missed: this one was not made.
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
            // No answer depends on a forgotten entry but the history at the end: what a key answers with is held.
            Asked::Get(_) | Asked::ForgetHistory { .. } => {}
            Asked::Renew { owner, ttl } => {
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
    /// The latest time before which the history may have been forgotten.
    forgotten_before: Option<SystemTime>,
    /// Fences that nobody was told of as his own, for claims whose answer was lost.
    unclaimed: Vec<u64>,
    done: Vec<bool>,
    order: Vec<usize>,
    /// The longest order that was found, for the report.
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
        let told: Vec<String> = self.best.iter().map(|place| self.tell(*place)).collect();
        let left = (0..self.events.len()).filter(|place| !self.best.contains(place)).map(|place| self.tell(place));
        let left: Vec<String> = left.take(20).collect();
        panic!(
            "{}: no order explains the answers.\nAs far as it goes:\n{}\nThen one of:\n{}\nAt the end: {}",
            self.key,
            told.join("\n"),
            left.join("\n"),
            self.row.as_ref().map_or_else(|| "nothing".to_owned(), row_words),
        );
    }

    fn tell(&self, place: usize) -> String {
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

    /// Tries each event that was called before `until`, the first answer that is still to be given.
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
            // One that need not have happened happened before it was answered, if at all.
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
                // What cannot change anything loses nothing by coming first, unless it shuts out one that need not have happened.
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

    /// The latest call among the events that have happened: nothing happens after that and was answered before it.
    fn latest_call(&self) -> u64 {
        self.order.iter().map(|place| self.events[*place].called).max().unwrap_or_default()
    }

    /// What the model can be after the event, if it can have been answered as it was.
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
                    Some(until) => drop(next.renew(owner, *until, *now)),
                    None => next.end_lease(owner, *now),
                }
                // Whether more is held under a lapsed lease, other instances say: it was forgotten, or kept.
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

/// All that the answers to later calls, and the end, can depend on: two orders of the same calls may differ in nothing but the
/// middle of the history.
fn fingerprint(model: &Model, key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    model.rows.get(key).map(row_words).hash(&mut hasher);
    for entry in &model.history {
        // The rest of an entry follows from these.
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

/// What holds between instances: sequences and fences grow from a call that was answered to one that came after, and the
/// entries of a group stand side by side.
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
                // It may have been purged since, or forgotten.
                written.extend(entry.map(|entry| entry.sequence));
            }
        }
        sequences.extend(written.iter().map(|sequence| (*sequence, call.called, answered)));
        if written.len() == ops.len() {
            assert!(written.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a group apart: {call:?} {written:?}");
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

/// Orders that the search once did not find.
mod found {
    use super::{Asked, Call, answers, at, check, looked};
    use crate::model::op::{self, Kind, Pick, Seen};
    use fsm_runtime::store::{Prune, Store, sqlite::Sqlite};

    const REST: u8 = 0;
    const REMOVED: u8 = 4;

    /// Calls in the order in which they took effect; the times say no more than that some were at once.
    struct Told {
        store: Sqlite,
        seen: Seen,
        calls: Vec<Call>,
    }

    impl Told {
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
    async fn keys_are_forgotten_though_there_was_none_at_the_call() {
        let mut told = Told::new();
        told.change(0, 1, Kind::Create, REST, 4, None).await;
        told.change(12, 20, Kind::Transition, REMOVED, 4, None).await;
        told.change(10, 20, Kind::Create, REMOVED, 4, Some(0)).await;
        told.forget_keys(11, 20).await;
        told.change(30, 31, Kind::Create, REST, 4, Some(0)).await;
        check(&told.store, &told.calls, 1).await;
    }

    #[tokio::test]
    async fn what_is_removed_on_entry_comes_in_any_order() {
        let mut told = Told::new();
        told.change(11, 20, Kind::Create, REMOVED, 4, None).await;
        told.change(10, 20, Kind::Create, REMOVED, 4, None).await;
        told.change(30, 31, Kind::Create, REMOVED, 4, None).await;
        told.change(40, 41, Kind::Create, REMOVED, 4, None).await;
        check(&told.store, &told.calls, 1).await;
    }

    #[tokio::test]
    async fn what_was_wished_and_taken_back_at_once() {
        let mut told = Told::new();
        told.change(0, 1, Kind::Create, REST, 4, None).await;
        // No desired but a time to look, and neither: no note of either.
        told.change(11, 20, Kind::Wish, 0, 8, None).await;
        told.change(10, 20, Kind::Wish, 0, 12, None).await;
        told.look(30, 31).await;
        check(&told.store, &told.calls, 1).await;
    }
}
