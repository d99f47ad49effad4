//! Records as values, as JSON, and in code that is generic over machines.

#![allow(clippy::needless_pass_by_value, reason = "a `with` takes state and event, though it only reads them")]

use fsm_core::Name as _;
use fsm_runtime::{
    ChangesQuery, Durable, ErrorKind, EventError, ListQuery, Machines, ReadError, TransitionError, clock::ManualClock,
    prelude::*,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Without a context.
#[derive(StateMachine, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[fsm(initial = Cart, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
enum Order {
    #[on(add { cents: u64 } => Cart | Full, with = add)]
    #[on(pay { cents: u64 } => Paid, guard = enough)]
    #[on(drop_it => Dropped)]
    Cart { cents: u64 },
    #[on(empty => Cart)]
    Full { cents: u64 },
    #[state(end)]
    Paid { cents: u64 },
    #[state(end)]
    Dropped,
}

fn add(cart: order::Cart, event: order::event::Add) -> order::choice::CartAdd {
    let cents = cart.cents + event.cents;
    if cents > 100 { order::Full { cents }.into() } else { order::Cart { cents }.into() }
}

fn enough(cart: &order::Cart, event: &order::event::Pay) -> Result<(), &'static str> {
    if event.cents >= cart.cents { Ok(()) } else { Err("not enough") }
}

/// What all states of a ticket share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Owner {
    name: String,
}

/// With a context.
#[derive(StateMachine, Debug, PartialEq)]
#[fsm(initial = Open, durable, context = Owner, derive(Debug, PartialEq, Serialize, Deserialize))]
enum Ticket {
    #[on(close => Closed, guard = owned)]
    Open,
    #[state(end)]
    Closed,
}

fn owned(_: &ticket::Open, _: &ticket::event::Close, owner: &Owner) -> Result<(), String> {
    if owner.name.is_empty() { Err("it has no owner".to_owned()) } else { Ok(()) }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct World {
    runtime: Runtime,
    clock: ManualClock,
    _dir: tempfile::TempDir,
}

async fn world() -> Result<World, Failure> {
    let dir = tempfile::tempdir()?;
    let clock = ManualClock::new(UNIX_EPOCH + Duration::from_hours(24_000));
    let store = Sqlite::open(dir.path().join("orders.db")).await?;
    let runtime =
        Runtime::builder(store).clock(clock.clock()).machine::<Order, _>(()).machine::<Ticket, _>(()).start().await?;
    Ok(World { runtime, clock, _dir: dir })
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().try_into().unwrap_or_default()
}

#[tokio::test]
async fn a_record_becomes_the_enum_and_its_parts() -> Result<(), Failure> {
    let World { runtime, _dir, .. } = world().await?;
    let orders = runtime.machines::<Order>();
    let cart = orders.create("a", order::Cart { cents: 5 }).await?;
    assert_eq!(Order::from(cart), Order::Cart { cents: 5 });
    assert_eq!(Order::from(orders.get("a").await?), Order::Cart { cents: 5 });
    assert_eq!(orders.get("a").await?.into_parts(), (Order::Cart { cents: 5 }, ()));

    let owner = Owner { name: "Ada".into() };
    let tickets = runtime.machines::<Ticket>();
    let open = tickets.create("t", (ticket::Open, owner.clone())).await?;
    assert_eq!(open.into_parts(), (ticket::Open, owner.clone()));
    assert_eq!(tickets.get("t").await?.into_parts(), (Ticket::Open, owner));
    assert_eq!(Ticket::from(tickets.get("t").await?), Ticket::Open);
    Ok(())
}

#[tokio::test]
async fn a_stored_choice_becomes_any_record() -> Result<(), Failure> {
    let World { runtime, _dir, .. } = world().await?;
    let orders = runtime.machines::<Order>();
    let any: order::AnyRecord = orders.create("a", order::Cart { cents: 5 }).await?.add(1).await?.into();
    assert_eq!((any.id(), any.version(), any.state()), ("a", 2, order::State::Cart));
    let order::AnyRecord::Cart(cart) = any else { return Err("it is a cart".into()) };
    assert_eq!(Order::from(cart.add(200).await?), Order::Full { cents: 206 });
    Ok(())
}

#[tokio::test]
async fn records_know_when_they_were_created_and_entered() -> Result<(), Failure> {
    let World { runtime, clock, _dir } = world().await?;
    let orders = runtime.machines::<Order>();
    let cart = orders.create_with_key("a", order::Cart { cents: 5 }, "c").await?;
    let created = cart.created().ok_or("a new record knows it")?;
    assert_eq!(cart.entered(), created);
    clock.advance(Duration::from_mins(1));
    let paid = cart.pay(9).await?;
    let later = created + Duration::from_mins(1);
    assert_eq!((paid.created(), paid.entered()), (Some(created), later));
    let any = orders.get("a").await?;
    assert_eq!((any.created(), any.entered()), (Some(created), later));
    let row = orders.row("a").await?;
    assert_eq!((row.created, row.updated), (created, later));
    // The repeated creation has the record as it was.
    let again = orders.create_with_key("a", order::Cart { cents: 5 }, "c").await?;
    assert_eq!((again.version(), again.created(), again.entered()), (1, Some(created), created));

    let mut changes = orders.changes(&ChangesQuery::all().after(0)).await?;
    let first = changes.next().await?.and_then(|change| change.record().ok().flatten()).ok_or("a change")?;
    assert_eq!((first.created(), first.entered()), (Some(created), created));
    let second = changes.next().await?.and_then(|change| change.record().ok().flatten()).ok_or("a change")?;
    assert_eq!((second.created(), second.entered()), (None, later));
    Ok(())
}

#[tokio::test]
async fn a_record_as_json() -> Result<(), Failure> {
    let World { runtime, _dir, .. } = world().await?;
    let orders = runtime.machines::<Order>();
    let cart = orders.create("a", order::Cart { cents: 5 }).await?;
    let at = millis(cart.entered());
    let expected = json!({
        "id": "a", "version": 1, "state": "Cart", "data": { "cents": 5 }, "created": at, "entered": at
    });
    assert_eq!(serde_json::to_value(&cart)?, expected);
    assert_eq!(serde_json::to_value(orders.get("a").await?)?, expected);
    let dropped = serde_json::to_value(cart.drop_it().await?)?;
    assert_eq!((&dropped["state"], &dropped["data"]), (&json!("Dropped"), &Value::Null));

    let tickets = runtime.machines::<Ticket>();
    let open = tickets.create("t", (ticket::Open, Owner { name: "Ada".into() })).await?;
    assert_eq!(serde_json::to_value(&open)?["context"], json!({ "name": "Ada" }));
    let text = serde_json::to_string(&tickets.get("t").await?)?;
    assert!(
        text.starts_with(r#"{"id":"t","version":1,"state":"Open","data":null,"context":{"name":"Ada"},"#),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn a_guard_is_asked_about_a_record() -> Result<(), Failure> {
    let World { runtime, _dir, .. } = world().await?;
    let orders = runtime.machines::<Order>();
    orders.create("a", order::Cart { cents: 5 }).await?;
    let record = orders.get("a").await?;
    assert_eq!(record.would_accept(&order::event::Pay { cents: 5 }.into()), Ok(()));
    let refused = record.would_accept(&order::event::Pay { cents: 4 }.into()).unwrap_err();
    assert_eq!(refused.to_string(), "`pay` was refused in state `Cart` of `Order`: not enough");
    let why = record.why_not(order::EventKind::Empty).ok_or("a cart is not full")?;
    assert_eq!(why.accepted_in().collect::<Vec<_>>(), ["Full"]);
    let tickets = runtime.machines::<Ticket>();
    let open = tickets.create("t", (ticket::Open, Owner { name: String::new() })).await?;
    let any: ticket::AnyRecord = open.into();
    let refused = any.would_accept(&ticket::event::Close.into()).unwrap_err();
    assert_eq!(refused.reason.map(|reason| reason.to_string()).as_deref(), Some("it has no owner"));
    Ok(())
}

#[test]
fn an_event_is_read_from_its_name_and_its_json() {
    let pay = order::Event::from_parts("pay", r#"{"cents": 7}"#).unwrap();
    assert_eq!(pay, order::event::Pay { cents: 7 }.into());
    assert_eq!(order::Event::from_parts(order::EventKind::Pay, r#"{"cents":7}"#).unwrap(), pay);
    for empty in ["", " ", "null", "{}"] {
        assert_eq!(order::Event::from_parts("drop_it", empty).unwrap(), order::event::DropIt.into());
    }
    let unknown = order::Event::from_parts("ship", "").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Invalid);
    let EventError::UnknownName(error) = &unknown else { panic!("{unknown}") };
    assert_eq!(error.known(), ["add", "pay", "drop_it", "empty"]);
    let wrong = order::Event::from_parts("pay", r#"{"cents":"many"}"#).unwrap_err();
    assert!(matches!(wrong, EventError::Payload { event: "pay", .. }), "{wrong:?}");
    assert!(wrong.to_string().contains("expected u64"), "{wrong}");
    assert!(order::Event::from_parts("pay", "").is_err() && order::Event::from_parts("pay", "{}").is_err());
    assert_eq!(serde_json::to_string(&order::Event::from(order::event::DropIt)).unwrap(), "\"DropIt\"");
}

/// Handlers for all machines: they know no type of one.
mod handlers {
    use super::*;

    pub(super) async fn show<M: Durable>(machines: &Machines<M>, id: &str) -> Result<Value, ReadError> {
        let record = machines.get(id).await?;
        let accepts: Vec<_> = record.accepts().iter().map(|event| event.as_str()).collect();
        Ok(json!({ "instance": record, "accepts": accepts, "state": record.state() }))
    }

    pub(super) async fn list<M: Durable>(machines: &Machines<M>) -> Result<Vec<(String, u64)>, ReadError> {
        let page = machines.list(&ListQuery::all().limit(50)).await?;
        page.items
            .into_iter()
            .map(|record| record.map(|record| (record.id().to_owned(), record.version())))
            .collect::<Result<_, _>>()
            .map_err(ReadError::from)
    }

    pub(super) async fn fire<M: Durable>(
        machines: &Machines<M>,
        id: &str,
        event: &str,
        body: &str,
    ) -> Result<M::AnyRecord, Refused<M>> {
        let event = M::event_from_parts(event, body).map_err(Refused::Event)?;
        machines.fire(id, event).await.map_err(|error| Refused::Fired(Box::new(error)))
    }

    #[derive(Debug)]
    pub(super) enum Refused<M: Durable> {
        Event(EventError),
        Fired(Box<TransitionError<M>>),
    }
}

#[tokio::test]
async fn one_set_of_handlers_serves_all_machines() -> Result<(), Failure> {
    let World { runtime, _dir, .. } = world().await?;
    let (orders, tickets) = (runtime.machines::<Order>(), runtime.machines::<Ticket>());
    orders.create("a", order::Cart { cents: 5 }).await?;
    tickets.create("t", (ticket::Open, Owner { name: "Ada".into() })).await?;

    let shown = handlers::show(&orders, "a").await?;
    assert_eq!((&shown["state"], &shown["accepts"]), (&json!("Cart"), &json!(["add", "pay", "drop_it"])));
    let shown = handlers::show(&tickets, "t").await?;
    assert_eq!((&shown["instance"]["context"]["name"], &shown["accepts"]), (&json!("Ada"), &json!(["close"])));

    let paid = handlers::fire(&orders, "a", "pay", r#"{"cents":8}"#).await.map_err(|error| format!("{error:?}"))?;
    assert_eq!(paid.state(), order::State::Paid);
    let refused = handlers::fire(&tickets, "t", "pay", "").await.err();
    assert!(matches!(refused, Some(handlers::Refused::Event(EventError::UnknownName(_)))));
    let refused = handlers::fire(&orders, "a", "drop_it", "").await.err();
    let Some(handlers::Refused::Fired(error)) = refused else { return Err("it is paid".into()) };
    assert_eq!(error.kind(), ErrorKind::NotAccepted);
    assert_eq!(handlers::list(&orders).await?, [("a".to_owned(), 2)]);
    Ok(())
}
