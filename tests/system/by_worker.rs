//! `by = worker`: the worker and the runtime fire the event, callers do not.

use fsm_runtime::{
    CallerEvent, Durable, ErrorKind, GroupError, Machines, Outcome, PendingTransition, Runtime, TransitionError,
    WorkError, clock::ManualClock, prelude::*, store::sqlite::Sqlite,
};
use payment::{Event, EventKind, State, event};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// A payment, whose outcome only the worker reports.
#[derive(StateMachine)]
#[fsm(initial = Placed | Charging, durable, derive(Serialize, Deserialize))]
enum Payment {
    #[on(charge { card: String } => Charging)]
    #[on(fail { why: String } => Failed)]
    #[on(lapse => Lapsed, by = worker)]
    #[after("1h", lapse)]
    Placed,
    #[state(work, exhausted = fail { why: error.to_string() })]
    #[on(paid { receipt: String } => Paid, guard = has_receipt, by = worker)]
    #[on(fail => Failed, by = worker)]
    #[on(cancel => Cancelled)]
    Charging { card: String },
    #[state(end)]
    Paid { receipt: String },
    #[state(end)]
    Failed { why: String },
    #[state(end)]
    Cancelled,
    #[state(end)]
    Lapsed,
}

impl payment::Charging {
    fn of(card: &str) -> Self {
        Self { card: card.to_owned() }
    }
}

fn has_receipt(_: &payment::Charging, paid: &event::Paid) -> Result<(), &'static str> {
    if paid.receipt.is_empty() { Err("there is no receipt") } else { Ok(()) }
}

struct Bank;

impl payment::Workers for Bank {
    async fn charging(&self, task: payment::Task<payment::Charging>) -> Outcome<payment::Charging> {
        match task.card.as_str() {
            "good" => task.paid("from the bank".to_owned()),
            "event" => task.fire(event::Paid { receipt: "as an event".to_owned() }),
            _ => Err(WorkError::permanent("no such card")),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

fn forged() -> event::Paid {
    event::Paid { receipt: "forged".to_owned() }
}

/// Without workers, so that an instance stays where it is.
async fn client() -> (Runtime, Machines<Payment>) {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let payments = runtime.machines::<Payment>();
    (runtime, payments)
}

#[tokio::test]
async fn a2_the_worker_ends_with_an_event_that_is_its_own() {
    let builder = Runtime::builder(Sqlite::in_memory().unwrap());
    let runtime = builder.max_attempts(1).machine::<Payment, _>(Bank).start().await.unwrap();
    let payments = runtime.machines::<Payment>();
    for card in ["good", "event", "bad"] {
        payments.create(card, payment::Charging::of(card)).await.unwrap();
    }
    for (card, receipt) in [("good", "from the bank"), ("event", "as an event")] {
        let payment::AnyRecord::Paid(paid) = payments.wait_for(card, State::Paid, PATIENCE).await.unwrap() else {
            panic!("it is paid")
        };
        assert_eq!(paid.receipt, receipt);
    }
    let payment::AnyRecord::Failed(failed) = payments.wait_for("bad", State::Failed, PATIENCE).await.unwrap() else {
        panic!("it has failed")
    };
    assert_eq!(failed.why, "no such card", "`exhausted` fires it, too");
}

#[tokio::test]
async fn a2_a_timer_fires_an_event_that_callers_cannot() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let builder = Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock());
    let runtime = builder.machine::<Payment, _>(Bank).start().await.unwrap();
    let payments = runtime.machines::<Payment>();
    let placed = payments.create("a", payment::Placed).await.unwrap();
    let refused = payments.fire("a", Event::Lapse(event::Lapse)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    clock.advance(Duration::from_hours(1));
    payments.wait_for(placed.id(), State::Lapsed, PATIENCE).await.unwrap();
}

/// Waits for a payment, which callers cannot report.
#[derive(StateMachine)]
#[fsm(initial = Awaiting, durable, derive(Serialize, Deserialize))]
enum Order {
    #[state(waits(payment: Payment in Paid => paid))]
    #[on(paid => Paid, by = worker)]
    #[on(cancel => Cancelled)]
    Awaiting { payment: String },
    #[state(end)]
    Paid,
    #[state(end)]
    Cancelled,
}

#[tokio::test]
async fn a2_a_wait_fires_an_event_that_callers_cannot() {
    let builder = Runtime::builder(Sqlite::in_memory().unwrap());
    let runtime = builder.machine::<Payment, _>(Bank).machine::<Order, _>(()).start().await.unwrap();
    let (orders, payments) = (runtime.machines::<Order>(), runtime.machines::<Payment>());
    payments.create("p", payment::Placed).await.unwrap();
    let awaiting = orders.create("o", order::Awaiting { payment: "p".to_owned() }).await.unwrap();
    let refused = orders.fire("o", order::Event::Paid(order::event::Paid)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    let accepts = order::AnyRecord::from(awaiting).accepts();
    assert_eq!(accepts, [order::EventKind::Cancel]);
    payments.fire("p", event::Charge { card: "good".to_owned() }).await.unwrap();
    orders.wait_for("o", order::State::Paid, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a1_callers_cannot_fire_it_by_id() {
    let (_runtime, payments) = client().await;
    payments.create("a", payment::Charging::of("good")).await.unwrap();
    for id in ["a", "not created"] {
        let fired = payments.fire(id, Event::from(forged())).await.unwrap_err();
        // The instance is not read: one that does not exist is not reported as such.
        let TransitionError::ByWorker { key, event: EventKind::Paid, state: None } = &fired else { panic!("{fired}") };
        assert_eq!((key.id.as_str(), fired.kind(), fired.is_retryable()), (id, ErrorKind::Forbidden, false));
        let named = Event::from_parts("paid", r#"{"receipt":"forged"}"#).unwrap();
        let keyed = payments.fire_with_key(id, named, "key").await.unwrap_err();
        assert_eq!(
            keyed.to_string(),
            format!(
                "callers cannot fire `paid` on Payment `{id}`: it is `by = worker`; its worker or the runtime fires it, and \
                 an operator moves the instance with `move_to`"
            )
        );
    }
    assert_eq!(payments.row("a").await.unwrap().version, 1);
    let TransitionError::NotAccepted { accepts, .. } =
        payments.fire("a", event::Charge { card: String::new() }).await.unwrap_err()
    else {
        panic!("it is charging")
    };
    assert_eq!(accepts, [EventKind::Cancel]);
    payments.fire("a", event::Cancel).await.unwrap();
}

#[tokio::test]
async fn a1_an_event_can_be_for_callers_in_some_states() {
    let (_runtime, payments) = client().await;
    payments.create("a", payment::Charging::of("good")).await.unwrap();
    let fail = || event::Fail { why: "forged".to_owned() };
    let refused = payments.fire("a", fail()).await.unwrap_err();
    let TransitionError::ByWorker { state: Some(State::Charging), .. } = refused else { panic!("{refused}") };
    assert!(refused.to_string().starts_with("callers cannot fire `fail` on Payment `a` in state `Charging`: "));
    let placed = payments.create("b", payment::Placed).await.unwrap();
    placed.fail("by hand".to_owned()).await.unwrap();
    payments.create("c", payment::Placed).await.unwrap();
    let failed = payments.fire("c", fail()).await.unwrap();
    assert_eq!(failed.state(), State::Failed);
}

#[tokio::test]
async fn a1_a_group_with_a_by_worker_event_changes_nothing() {
    let (runtime, payments) = client().await;
    payments.create("a", payment::Charging::of("good")).await.unwrap();
    for event in [Event::from(forged()), event::Fail { why: String::new() }.into()] {
        let mut group = runtime.group();
        group.add(payments.create("b", payment::Placed));
        group.add(payments.fire("a", event));
        let refused = group.commit().await.unwrap_err();
        assert!(matches!(refused, GroupError::Change { change: 1, kind: ErrorKind::Forbidden, .. }), "{refused:?}");
    }
    assert!(payments.get("b").await.is_err());
}

#[tokio::test]
async fn a1_a_record_says_what_callers_can_fire() {
    let (_runtime, payments) = client().await;
    payments.create("a", payment::Charging::of("good")).await.unwrap();
    let record = payments.get("a").await.unwrap();
    assert_eq!(record.accepts(), [EventKind::Cancel]);
    assert_eq!(State::Charging.accepts(), [EventKind::Paid, EventKind::Fail, EventKind::Cancel]);
    assert!(record.can(EventKind::Cancel) && !record.can(EventKind::Paid) && !record.can(EventKind::Charge));
    let text = "`paid` is `by = worker` in state `Charging` of `Payment`, where callers can fire `cancel`";
    let why = record.why_not(EventKind::Paid).unwrap();
    assert!(why.is_by_worker() && why.to_string() == text, "{why}");
    let charge = record.why_not(EventKind::Charge).unwrap();
    assert!(!charge.is_by_worker());
    assert_eq!(
        charge.to_string(),
        "`charge` is not accepted in state `Charging` of `Payment`, which accepts `cancel`; it is accepted in `Placed`, which \
         cannot be reached from here"
    );
    // The guard is not asked.
    let refused = record.would_accept(&event::Paid { receipt: String::new() }.into()).unwrap_err();
    assert!(refused.by_worker && refused.reason.is_none());
    assert_eq!(refused.to_string(), text);
    record.would_accept(&event::Cancel.into()).unwrap();
    let payment::AnyRecord::Charging(charging) = record else { panic!("it is charging") };
    charging.would_accept(&event::Cancel).unwrap();
}

#[tokio::test]
async fn a_machine_in_memory_is_moved_by_the_program() {
    let charging = payment::Machine::new(payment::Charging::of("good"));
    assert_eq!(charging.paid("x".to_owned()).unwrap().receipt, "x");
    let charging = Payment::Charging { card: "good".to_owned() };
    assert!(charging.can(EventKind::Paid));
    assert_eq!(charging.apply(forged()).unwrap().state(), State::Paid);
}

#[tokio::test]
async fn a2_an_operator_moves_the_instance_all_the_same() {
    let (_runtime, payments) = client().await;
    payments.create("a", payment::Charging::of("good")).await.unwrap();
    let seen = payments.row("a").await.unwrap();
    let paid = payment::Paid { receipt: "by telephone".to_owned() };
    let moved = payments.with_actor("ada").move_to(&seen, paid, "the bank has called").await.unwrap();
    assert_eq!(moved.receipt, "by telephone");
}

/// As a service does for all its machines.
fn fire_named<M: Durable>(machines: &Machines<M>, name: &str, payload: &str) -> PendingTransition<M::AnyRecord, M> {
    machines.fire("a", M::event_from_parts(name, payload).unwrap())
}

fn fire_any<M: CallerEvent<E> + Durable, E>(machines: &Machines<M>, event: E) -> PendingTransition<M::AnyRecord, M> {
    machines.fire("a", event)
}

#[tokio::test]
async fn a1_code_for_all_machines_gets_the_refusal_at_run_time() {
    let (_runtime, payments) = client().await;
    payments.create("a", payment::Placed).await.unwrap();
    let refused = fire_named(&payments, "lapse", "").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    let failed = fire_any(&payments, event::Fail { why: "by hand".to_owned() }).await.unwrap();
    assert_eq!(failed.state(), State::Failed);
}
