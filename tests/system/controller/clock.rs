//! A manual clock that moves from one due time to the next.

use super::HOUR;
use fsm_runtime::{Builder, IdleError, Machines, Runtime, clock::ManualClock, prelude::*};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_hours(24);
const START: SystemTime = SystemTime::UNIX_EPOCH;

/// An invoice, which is sent by a worker, and reminded of once.
#[derive(StateMachine)]
#[fsm(initial = Sending, durable, derive(Serialize, Deserialize))]
enum Invoice {
    #[state(work)]
    #[on(sent => Open)]
    Sending,
    #[on(overdue => Overdue)]
    #[after("14d", overdue)]
    Open,
    #[on(give_up => Lost)]
    #[after("30d", give_up)]
    Overdue,
    #[state(end)]
    Lost,
}

/// Fails twice.
struct Post;

impl invoice::Workers for Post {
    async fn sending(&self, task: invoice::Task<invoice::Sending>) -> Outcome<invoice::Sending> {
        if task.attempt() < 3 {
            return Err(WorkError::retry_after(HOUR, "the mail server is unavailable"));
        }
        task.sent()
    }
}

fn builder(clock: &ManualClock) -> Builder {
    Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock()).machine::<Invoice, _>(Post)
}

#[tokio::test]
async fn time_passes_from_one_due_time_to_the_next() {
    let clock = ManualClock::new(START);
    let runtime = builder(&clock).start().await.unwrap();
    let invoices: Machines<Invoice> = runtime.machines();
    invoices.create("a", invoice::Sending).await.unwrap();
    let state = async || invoices.get("a").await.unwrap().state();

    assert_eq!(runtime.run_for(&clock, Duration::ZERO).await.unwrap(), Some(START + HOUR), "the first attempt");
    assert_eq!(runtime.run_for(&clock, DAY).await.unwrap(), Some(START + HOUR * 2 + DAY * 14), "all attempts");
    assert_eq!((state().await, clock.clock().now()), (invoice::State::Open, START + DAY));
    runtime.run_for(&clock, DAY * 13 + HOUR).await.unwrap();
    assert_eq!(state().await, invoice::State::Open, "not before it is due");
    runtime.run_for(&clock, HOUR).await.unwrap();
    assert_eq!(state().await, invoice::State::Overdue, "due at the end");
    assert_eq!(runtime.run_for(&clock, DAY * 365).await.unwrap(), None);
    assert_eq!((state().await, clock.clock().now()), (invoice::State::Lost, START + HOUR * 2 + DAY * (14 + 365)));

    let other = runtime.run_for(&ManualClock::new(START), DAY).await.unwrap_err();
    assert!(matches!(other, IdleError::OtherClock), "{other}");
}

#[tokio::test]
async fn an_automatic_clock_advances_by_itself() {
    let clock = ManualClock::new(START).automatic();
    let runtime = builder(&clock).start().await.unwrap();
    let invoices: Machines<Invoice> = runtime.machines();
    for id in ["a", "b"] {
        invoices.create(id, invoice::Sending).await.unwrap();
        let wait = invoices.wait_for(id, invoice::State::Lost, Duration::MAX);
        let lost = tokio::time::timeout(super::PATIENCE, wait).await.expect("no time is to be computed").unwrap();
        assert_eq!(lost.version(), 4);
    }
    assert_eq!(clock.clock().now(), START + (HOUR * 2 + DAY * 44) * 2, "only to due times");
    runtime.shutdown(HOUR).await;
}
