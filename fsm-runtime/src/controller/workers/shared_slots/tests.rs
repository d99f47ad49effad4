use super::*;
use crate::clock::ManualClock;
use proptest::prelude::*;
use std::{collections::VecDeque, time::SystemTime};

const TTL: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);

fn key(n: usize) -> Key {
    Key::new("M", format!("{n:03}"))
}

/// The entries of one queue in a store.
#[derive(Default)]
struct Store(Vec<(String, Duration)>);

impl Store {
    fn answer(&mut self, call: Call, now: Duration) -> Option<Answer> {
        match call {
            Call::Enter { id, ttl, .. } => {
                self.0.push((id.clone(), now + ttl));
                Some(Answer::Entered { id, asked: now, done: true })
            }
            Call::Look { limit, .. } => {
                self.0.retain(|(_, until)| *until > now);
                let first = &self.0[..limit.min(self.0.len())];
                let lapses = first.iter().map(|(_, until)| until.saturating_sub(now)).min().unwrap_or(Duration::MAX);
                Some(Answer::Looked(Some((first.iter().map(|(id, _)| id.clone()).collect(), lapses))))
            }
            Call::Renew { id, ttl, .. } => {
                let live = self.0.iter_mut().find(|(of, until)| *of == id && *until > now);
                let renewed = live.map(|(_, until)| *until = now + ttl).is_some();
                Some(Answer::Renewed { id, asked: now, live: Some(renewed) })
            }
            Call::Remove { id } => {
                self.0.retain(|(of, _)| *of != id);
                None
            }
        }
    }
}

/// The slots of one process.
struct Process {
    slots: SharedSlots,
    losses: Vec<Loss>,
}

impl Process {
    fn new(limit: usize) -> Self {
        Self { slots: SharedSlots::new(("M", "S"), limit, 9, (TTL, SECOND)), losses: Vec::new() }
    }

    /// Makes calls until there are none left.
    fn settle(&mut self, store: &mut Store, clock: &ManualClock) {
        let now = clock.clock().elapsed();
        loop {
            self.losses.extend(self.slots.tick(now).losses);
            let calls = self.slots.take_calls();
            if calls.is_empty() {
                return;
            }
            for call in calls {
                if let Some(answer) = store.answer(call, now) {
                    self.losses.extend(self.slots.answered(&None, answer, now).0);
                }
            }
        }
    }

    fn take(&mut self, n: usize, clock: &ManualClock) -> bool {
        self.slots.take(&None, &key(n), clock.clock().elapsed())
    }

    fn free(&mut self, n: usize, clock: &ManualClock) -> bool {
        self.slots.free(&None, &key(n), clock.clock().elapsed())
    }
}

fn world(limit: usize) -> (ManualClock, Store, Process, Process) {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    (clock, Store::default(), Process::new(limit), Process::new(limit))
}

#[test]
fn c24_the_first_processes_have_the_slots() {
    let (clock, mut store, mut a, mut b) = world(2);
    let now = clock.clock().elapsed();
    a.slots.want(&None, 1, now);
    assert_eq!((a.slots.unsettled(), a.take(1, &clock)), (1, false), "it is not known yet");
    a.settle(&mut store, &clock);
    b.slots.want(&None, 7, now);
    b.settle(&mut store, &clock);
    assert_eq!(store.0.len(), 3, "no more entries than slots for each process");
    assert!(a.take(1, &clock) && b.take(2, &clock));
    assert!(!a.take(3, &clock) && !b.take(3, &clock));
    assert_eq!((b.slots.unsettled(), b.slots.waiting()), (0, 1));
    assert!(a.free(1, &clock), "within its turn");
    a.slots.give_back_unused(|_| false, now);
    a.settle(&mut store, &clock);
    assert_eq!((store.0.len(), a.slots.next()), (2, None), "nothing of it is left");
    b.slots.changed(now);
    b.settle(&mut store, &clock);
    assert!(b.take(3, &clock) && !b.take(4, &clock));
}

#[test]
fn c24_a_slot_is_passed_on_for_a_turn_and_goes_to_others_then() {
    let (clock, mut store, mut a, mut b) = world(1);
    a.slots.want(&None, 3, Duration::ZERO);
    a.settle(&mut store, &clock);
    b.slots.want(&None, 1, Duration::ZERO);
    b.settle(&mut store, &clock);
    assert!(a.take(1, &clock));
    clock.advance(SECOND / 2);
    assert!(a.free(1, &clock) && a.take(2, &clock));
    a.settle(&mut store, &clock);
    assert_eq!(store.0.len(), 2, "without a call");
    clock.advance(SECOND / 2);
    assert!(!a.free(2, &clock));
    a.settle(&mut store, &clock);
    b.slots.changed(clock.clock().elapsed());
    b.settle(&mut store, &clock);
    assert!(b.take(9, &clock) && !a.take(3, &clock), "it is behind");
    assert!(b.free(9, &clock));
    b.slots.give_back_unused(|_| false, clock.clock().elapsed());
    b.settle(&mut store, &clock);
    clock.advance(POLL);
    a.settle(&mut store, &clock);
    assert!(a.take(3, &clock));
}

#[test]
fn c24_a_free_slot_that_no_work_takes_is_given_back() {
    let (clock, mut store, mut a, _) = world(2);
    a.slots.want(&None, 2, Duration::ZERO);
    a.settle(&mut store, &clock);
    a.slots.give_back_unused(|_| true, Duration::ZERO);
    a.settle(&mut store, &clock);
    assert_eq!(store.0.len(), 2, "local work has no slot of its process yet");
    clock.advance(TURN);
    let elapsed = a.slots.tick(clock.clock().elapsed());
    assert_eq!(elapsed, Elapsed { losses: Vec::new(), left: vec![None] });
    a.settle(&mut store, &clock);
    assert!(store.0.is_empty());
}

#[test]
fn c24_a_worker_is_stopped_before_the_lease_of_its_slot_ends() {
    let (clock, mut store, mut a, mut b) = world(1);
    a.slots.want(&None, 1, Duration::ZERO);
    a.settle(&mut store, &clock);
    assert!(a.take(1, &clock));
    for _ in 0..40 {
        clock.advance(SECOND);
        a.settle(&mut store, &clock);
    }
    assert!(a.losses.is_empty(), "it is renewed");
    let has = |a: &Process| a.slots.has(&None, &key(1), clock.clock().elapsed());
    assert!(has(&a));
    // The store no longer answers.
    let (mut losses, mut seconds) = (Vec::new(), 0);
    while losses.len() < 2 {
        clock.advance(SECOND / 2);
        seconds += 1;
        losses.extend(a.slots.tick(clock.clock().elapsed()).losses);
        a.slots.take_calls();
    }
    assert_eq!(losses, [Loss::Cancel(key(1)), Loss::Abort(key(1))]);
    assert!(!has(&a));
    assert!(SECOND / 2 * seconds < TTL, "{seconds}");
    assert!(!a.free(1, &clock), "it is not removed before its abort has taken effect");
    b.slots.want(&None, 1, clock.clock().elapsed());
    b.settle(&mut store, &clock);
    assert!(!b.take(2, &clock));
    clock.advance(TTL / 3);
    b.settle(&mut store, &clock);
    assert!(b.take(2, &clock));
}

#[test]
fn c24_a_slot_that_has_lapsed_is_lost() {
    let (clock, mut store, mut a, _) = world(1);
    a.slots.want(&None, 1, Duration::ZERO);
    a.settle(&mut store, &clock);
    assert!(a.take(1, &clock));
    store.0.clear();
    clock.advance(TTL / 3);
    a.settle(&mut store, &clock);
    assert_eq!(a.losses, [Loss::Cancel(key(1))]);
    assert!(!a.free(1, &clock));
}

#[test]
fn c24_an_entry_that_could_not_be_added_is_tried_again() {
    let (clock, mut store, mut a, _) = world(1);
    a.slots.want(&None, 1, Duration::ZERO);
    let [Call::Enter { id, .. }] = &a.slots.take_calls()[..] else { panic!("one entry") };
    let failed = Answer::Entered { id: id.clone(), asked: Duration::ZERO, done: false };
    assert_eq!(a.slots.answered(&None, failed, Duration::ZERO), (None, false));
    assert_eq!(a.slots.take_calls(), [Call::Remove { id: id.clone() }], "it may have been added");
    assert_eq!(a.slots.next(), Some(POLL));
    clock.advance(POLL);
    a.settle(&mut store, &clock);
    assert!(a.take(1, &clock));
}

#[test]
fn c24_a_process_that_shuts_down_leaves_the_queue() {
    let (clock, mut store, mut a, _) = world(2);
    a.slots.want(&None, 2, Duration::ZERO);
    a.settle(&mut store, &clock);
    assert!(a.take(1, &clock));
    // One more entry is being added.
    a.slots.want(&Some("other".into()), 1, Duration::ZERO);
    let [Call::Enter { id, .. }] = &a.slots.take_calls()[..] else { panic!("one entry") };
    a.slots.close();
    a.settle(&mut store, &clock);
    assert_eq!(store.0.len(), 1, "the one that is used");
    let entered = Answer::Entered { id: id.clone(), asked: Duration::ZERO, done: true };
    a.slots.answered(&Some("other".into()), entered, Duration::ZERO);
    assert_eq!(a.slots.take_calls(), [Call::Remove { id: id.clone() }]);
    assert!(!a.free(1, &clock));
    a.slots.want(&None, 1, Duration::ZERO);
    a.settle(&mut store, &clock);
    assert!(store.0.is_empty());
}

#[test]
fn c24_lost_answers_are_made_up_for() {
    let (clock, mut store, mut a, _) = world(1);
    a.slots.want(&None, 1, Duration::ZERO);
    for call in a.slots.take_calls() {
        store.answer(call, Duration::ZERO);
    }
    a.slots.recover(Duration::ZERO);
    a.settle(&mut store, &clock);
    assert_eq!(store.0.len(), 1);
    assert!(a.take(1, &clock));
}

/// A step of the model.
#[derive(Clone, Copy, Debug)]
enum Step {
    Advance(u64),
    /// The process makes a call.
    Call(usize),
    /// The process gets an answer.
    Answer(usize),
    Want(usize),
    End(usize),
    /// The process is suspended, or resumes.
    Stop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1_u64..4_000).prop_map(Step::Advance),
        8 => (0_usize..3).prop_map(Step::Call),
        8 => (0_usize..3).prop_map(Step::Answer),
        3 => (0_usize..3).prop_map(Step::Want),
        3 => (0_usize..3).prop_map(Step::End),
        1 => (0_usize..3).prop_map(Step::Stop),
    ]
}

/// A process whose calls and answers can take any time. The store executes a request late, with the time at which the request was made.
struct Slow {
    process: Process,
    calls: VecDeque<(Call, Duration)>,
    answers: VecDeque<Answer>,
    running: Vec<Key>,
    wanted: usize,
    stopped: bool,
}

impl Slow {
    fn advance(&mut self, now: Duration, next: &mut usize) {
        if self.stopped {
            return;
        }
        for loss in self.process.slots.tick(now).losses {
            if let Loss::Abort(key) = loss {
                self.running.retain(|running| *running != key);
            }
        }
        while self.wanted > 0 && self.process.slots.take(&None, &key(*next), now) {
            self.running.push(key(*next));
            (*next, self.wanted) = (*next + 1, self.wanted - 1);
        }
        self.process.slots.give_back_unused(|_| self.wanted > 0, now);
        if self.wanted > 0 {
            self.process.slots.want(&None, self.wanted, now);
        }
        self.calls.extend(self.process.slots.take_calls().into_iter().map(|call| (call, now)));
    }

    /// Takes an answer into account. Work whose slot is lost ends.
    fn answered(&mut self, answer: Answer, now: Duration) {
        if let Some(Loss::Cancel(key)) = self.process.slots.answered(&None, answer, now).0 {
            self.running.retain(|running| *running != key);
        }
    }

    /// The work that runs. A suspended process aborts work whose slot is lost as soon as it resumes.
    fn working(&self, now: Duration) -> usize {
        self.running.iter().filter(|key| !self.stopped || self.process.slots.has(&None, key, now)).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// However long calls take, and whichever process is suspended, at most as much work runs as there are slots. Once all processes and
    /// the store answer again, all work gets a slot.
    #[test]
    fn c24_no_more_work_runs_than_there_are_slots(
        limit in 1_usize..4,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (mut now, mut store, mut next) = (Duration::ZERO, Store::default(), 0);
        let mut all: Vec<Slow> = (0..3).map(|_| Slow {
            process: Process::new(limit), calls: VecDeque::new(), answers: VecDeque::new(), running: Vec::new(),
            wanted: 0, stopped: false,
        }).collect();
        for step in steps {
            match step {
                Step::Advance(millis) => now += Duration::from_millis(millis),
                Step::Call(n) if !all[n].stopped => if let Some((call, asked)) = all[n].calls.pop_front() {
                    all[n].answers.extend(store.answer(call, asked));
                },
                Step::Answer(n) if !all[n].stopped => if let Some(answer) = all[n].answers.pop_front() {
                    all[n].answered(answer, now);
                },
                Step::Want(n) => all[n].wanted += 2,
                Step::End(n) if !all[n].stopped => if let Some(key) = all[n].running.pop() {
                    all[n].process.slots.free(&None, &key, now);
                },
                Step::Stop(n) => all[n].stopped = !all[n].stopped,
                _ => {}
            }
            for it in &mut all {
                it.advance(now, &mut next);
            }
            let working: usize = all.iter().map(|it| it.working(now)).sum();
            prop_assert!(working <= limit, "{working} of {limit}");
        }
        for it in &mut all {
            it.stopped = false;
        }
        for _ in 0..1_000 {
            now += Duration::from_millis(50);
            for it in &mut all {
                while let Some(answer) = it.answers.pop_front() {
                    it.answered(answer, now);
                }
                while let Some((call, asked)) = it.calls.pop_front() {
                    if let Some(answer) = store.answer(call, asked) {
                        it.answered(answer, now);
                    }
                }
                if let Some(key) = it.running.pop() {
                    it.process.slots.free(&None, &key, now);
                }
                it.advance(now, &mut next);
            }
            prop_assert!(all.iter().map(|it| it.working(now)).sum::<usize>() <= limit);
        }
        prop_assert!(all.iter().all(|it| it.wanted == 0), "work waits forever");
    }
}
