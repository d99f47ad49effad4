//! Sagas: what was done is undone in reverse order, after a failure, a cancellation and in spite of failing compensations.

use fsm_core::testing::Saga;
use fsm_runtime::{
    HistoryQuery, ListQuery, Machines, TransitionError, clock::ManualClock, prelude::*, store::HistoryKind,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::sync::Notify;

const HOUR: Duration = Duration::from_hours(1);

#[derive(StateMachine, Clone, Debug)]
#[fsm(initial = Reserving, durable, saga(undone = Cancelled), derive(Clone, Debug, Serialize, Deserialize))]
#[on(cancel => undo)]
enum Trip {
    #[state(work, undo = ReleasingSeat, uncertain = skip)]
    #[on(reserved { seat: String } => Charging)]
    #[on(fail => undo)]
    Reserving { traveller: String },
    #[state(work, undo = Refunding, uncertain = undo, exhausted = lost)]
    #[on(charged => Deciding)]
    #[on(fail => undo, by = worker)]
    #[on(lost => undo)]
    Charging { traveller: String, seat: String },
    #[on(agree => Ticketing)]
    #[on(fail => undo)]
    Deciding { traveller: String, seat: String },
    #[state(work, undo = none)]
    #[on(ticketed => Booked)]
    #[on(fail => undo)]
    Ticketing { traveller: String, seat: String },
    #[state(work)]
    #[on(refunded => undo)]
    Refunding { seat: String },
    #[state(work)]
    #[on(released => undo)]
    ReleasingSeat { seat: String },
    #[state(end)]
    Booked,
    #[state(end)]
    Cancelled,
}

/// What a provider does when it is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Error,
    Never,
}

/// Answers as it is told to, and notes what it has done.
#[derive(Clone, Default)]
struct Providers {
    answers: Arc<Mutex<HashMap<&'static str, Answer>>>,
    done: Arc<Mutex<Vec<String>>>,
    /// A call that is never answered was made.
    reached: Arc<Notify>,
}

impl Providers {
    fn will(&self, call: &'static str, answer: Answer) {
        self.answers.lock().unwrap().insert(call, answer);
    }

    fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }

    async fn call(&self, cancelled: impl Future<Output = ()>, call: &'static str, of: &str) -> Result<bool, WorkError> {
        let answer = self.answers.lock().unwrap().get(call).copied().unwrap_or(Answer::Yes);
        if answer == Answer::No {
            return Ok(false);
        }
        self.done.lock().unwrap().push(format!("{call} {of}"));
        match answer {
            Answer::Yes | Answer::No => Ok(true),
            Answer::Error => Err("the line is dead".into()),
            Answer::Never => {
                self.reached.notify_one();
                cancelled.await;
                self.done.lock().unwrap().push(format!("{call} ends"));
                Err("it was cancelled".into())
            }
        }
    }
}

impl trip::Workers for Providers {
    async fn reserving(&self, task: trip::Task<trip::Reserving>) -> Outcome<trip::Reserving> {
        if self.call(task.cancelled(), "reserve", &task.traveller).await? {
            task.reserved("12A".into())
        } else {
            task.fail()
        }
    }

    async fn charging(&self, task: trip::Task<trip::Charging>) -> Outcome<trip::Charging> {
        if self.call(task.cancelled(), "charge", &task.traveller).await? { task.charged() } else { task.fail() }
    }

    async fn ticketing(&self, task: trip::Task<trip::Ticketing>) -> Outcome<trip::Ticketing> {
        if self.call(task.cancelled(), "ticket", &task.seat).await? { task.ticketed() } else { task.fail() }
    }

    async fn refunding(&self, task: trip::Task<trip::Refunding>) -> Outcome<trip::Refunding> {
        self.call(task.cancelled(), "refund", task.id()).await?;
        task.refunded()
    }

    async fn releasing_seat(&self, task: trip::Task<trip::ReleasingSeat>) -> Outcome<trip::ReleasingSeat> {
        self.call(task.cancelled(), "release", &task.seat).await?;
        task.released()
    }
}

struct World {
    clock: ManualClock,
    runtime: Runtime,
    trips: Machines<Trip>,
    providers: Providers,
}

impl World {
    async fn new() -> Self {
        let (clock, providers) = (ManualClock::new(SystemTime::UNIX_EPOCH + HOUR), Providers::default());
        let builder = Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock()).max_attempts(2);
        let runtime = builder.machine::<Trip, _>(providers.clone()).start().await.unwrap();
        Self { clock, trips: runtime.machines(), runtime, providers }
    }

    async fn create(&self, id: &str) {
        self.trips.create(id, trip::Reserving { traveller: "Ada".into() }).await.unwrap();
    }

    async fn visited(&self, id: &str) -> Vec<trip::State> {
        let history = self.trips.history(id, &HistoryQuery::new()).await.unwrap().items;
        let entered = history.iter().filter(|entry| entry.kind == HistoryKind::Transition);
        entered.map(|entry| entry.to.parse().unwrap()).collect()
    }

    async fn half_undone(&self) -> Vec<String> {
        let rows = self.trips.rows(&ListQuery::all().half_undone()).await.unwrap().items;
        rows.iter()
            .map(|row| format!("{} in {}: {}", row.key.id, row.state, row.parked.as_deref().unwrap_or("not parked")))
            .collect()
    }
}

#[tokio::test]
async fn u1_each_failure_undoes_what_was_done_in_reverse() {
    let mut failed = BTreeSet::new();
    for failure in Saga::<Trip>::each_failure() {
        let world = World::new().await;
        let (at, event) = (failure.at(), failure.event().unwrap());
        let answer = match event {
            trip::EventKind::Fail => Answer::No,
            trip::EventKind::Lost => Answer::Error,
            _ => Answer::Never,
        };
        let call = match at {
            trip::State::Reserving => "reserve",
            trip::State::Charging => "charge",
            _ => "ticket",
        };
        world.providers.will(call, answer);
        world.create("t").await;
        if matches!(at, trip::State::Deciding | trip::State::Ticketing) {
            world.runtime.run_until_idle().await.unwrap();
        }
        if at == trip::State::Ticketing {
            world.trips.fire("t", trip::event::Agree).await.unwrap();
        }
        match event {
            trip::EventKind::Cancel => {
                if at != trip::State::Deciding {
                    world.providers.reached.notified().await;
                }
                world.trips.fire("t", trip::event::Cancel).await.unwrap();
            }
            _ if at == trip::State::Deciding => {
                world.trips.fire("t", trip::event::Fail).await.unwrap();
            }
            _ => {}
        }
        world.runtime.run_for(&world.clock, HOUR).await.unwrap();
        failure.assert_undone(world.visited("t").await);
        let undone = failure.undone().into_iter().map(|state| match state {
            trip::State::Refunding => "refund t",
            _ => "release 12A",
        });
        let calls = world.providers.done();
        assert_eq!(&calls[calls.len() - undone.len()..], undone.collect::<Vec<_>>(), "{failure}");
        failed.insert(format!("{at}/{event}: {}", failure.undone().len()));
    }
    let expected = [
        "Charging/cancel: 2",
        "Charging/fail: 1",
        "Charging/lost: 2",
        "Deciding/cancel: 2",
        "Deciding/fail: 2",
        "Reserving/cancel: 0",
        "Reserving/fail: 0",
        "Ticketing/cancel: 2",
        "Ticketing/fail: 2",
    ];
    assert_eq!(failed.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn u3_a_failing_compensation_is_parked_and_listed() {
    let world = World::new().await;
    world.providers.will("ticket", Answer::No);
    world.providers.will("refund", Answer::Error);
    world.create("t").await;
    world.runtime.run_until_idle().await.unwrap();
    assert_eq!(world.half_undone().await, [""; 0]);
    world.trips.fire("t", trip::event::Agree).await.unwrap();
    world.runtime.run_for(&world.clock, HOUR).await.unwrap();
    assert_eq!(world.half_undone().await, ["t in Refunding: 2 attempts failed, the last with: the line is dead"]);
    let waited = world.trips.wait_for("t", trip::State::Cancelled, Duration::ZERO).await.unwrap_err().to_string();
    assert!(waited.contains("it is half undone: the compensation of `Charging` is parked"), "{waited}");
    let early = world.trips.fire("t", trip::Event::from(trip::event::Refunded)).await.unwrap_err();
    assert!(matches!(early, TransitionError::ByWorker { .. }), "{early}");
    let again = world.trips.fire("t", trip::event::Cancel).await.unwrap_err();
    assert!(matches!(again, TransitionError::NotAccepted { .. }), "{again}");
    world.providers.will("refund", Answer::Yes);
    world.trips.unpark("t").await.unwrap();
    world.runtime.run_for(&world.clock, HOUR).await.unwrap();
    assert_eq!(world.trips.get("t").await.unwrap().state(), trip::State::Cancelled);
    assert_eq!(world.providers.done()[2..], ["refund t", "refund t", "refund t", "release 12A"]);
    assert_eq!(world.half_undone().await, [""; 0]);
}

#[tokio::test]
async fn u2_an_interrupted_step_is_undone_if_it_says_so() {
    let world = World::new().await;
    world.providers.will("charge", Answer::Never);
    world.create("t").await;
    world.providers.reached.notified().await;
    world.trips.fire("t", trip::event::Cancel).await.unwrap();
    world.runtime.run_until_idle().await.unwrap();
    assert_eq!(world.providers.done(), ["reserve Ada", "charge Ada", "charge ends", "refund t", "release 12A"]);
    world.providers.will("reserve", Answer::Never);
    world.create("u").await;
    world.providers.reached.notified().await;
    world.trips.fire("u", trip::event::Cancel).await.unwrap();
    world.runtime.run_until_idle().await.unwrap();
    assert_eq!(world.providers.done()[5..], ["reserve Ada", "reserve ends"], "it says `skip`");
    assert_eq!(world.trips.get("u").await.unwrap().state(), trip::State::Cancelled);
}
