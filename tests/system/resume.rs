//! `history(Superstate)` in a durable machine: the row of the state that waits holds the state to go back to.

use fsm_runtime::{
    HistoryQuery, OldState, Outcome, Runtime,
    clock::ManualClock,
    prelude::*,
    store::{HistoryKind, sqlite::Sqlite},
};
use order::{AnyRecord, State, choice::HeldResume, event};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_hours(1);
/// The limit for anything that happens without the manual clock advancing.
const PATIENCE: Duration = Duration::from_secs(20);

/// An order that can be held.
#[derive(StateMachine)]
#[fsm(
    initial = Placed,
    durable,
    derive(Clone, Debug, PartialEq, Serialize, Deserialize),
    group(Active, on(hold { by: String } => Held), group(Fulfilment, on(cancel => Cancelled)))
)]
enum Order {
    #[state(in = Active, name = "NEW")]
    #[on(pay { cents: u64 } => Packing)]
    Placed { item: String },
    /// A worker packs it.
    #[state(work, in = Fulfilment)]
    #[on(packed { parcel: u32 } => Shipping)]
    Packing { item: String, cents: u64 },
    /// On its way for at most a day.
    #[state(in = Fulfilment)]
    #[after("1d", arrive)]
    #[on(arrive => Arrived, auto)]
    Shipping { parcel: u32 },
    /// For an hour.
    #[after("1h", resume)]
    #[on(resume => history(Active, deep), auto)]
    Held { by: String, was: order::history::Active },
    #[state(end)]
    Arrived,
    #[state(end)]
    Cancelled,
}

/// Packs nothing heavy: those wait until they are cancelled.
struct Packer;

impl order::Workers for Packer {
    async fn packing(&self, task: order::Task<order::Packing>) -> Outcome<order::Packing> {
        if task.item == "anvil" {
            task.cancelled().await;
            return Err("cancelled".into());
        }
        task.packed(7)
    }
}

async fn client(store: &Sqlite, clock: &ManualClock) -> Runtime {
    Runtime::builder(store.clone()).clock(clock.clock()).start().await.unwrap()
}

async fn working(store: &Sqlite, clock: &ManualClock) -> Runtime {
    Runtime::builder(store.clone()).clock(clock.clock()).machine::<Order, _>(Packer).start().await.unwrap()
}

fn clock() -> ManualClock {
    ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

#[tokio::test]
async fn c21_a_held_instance_resumes_where_it_was() {
    let (dir, clock) = (TempDir::new().unwrap(), clock());
    let path = dir.path().join("orders.db");
    let runtime = client(&Sqlite::open(&path).await.unwrap(), &clock).await;
    let orders = runtime.machines::<Order>();
    let placed = orders.create("o", order::Placed { item: "book".into() }).await.unwrap();
    let held = placed.hold("ada".into()).await.unwrap();
    assert_eq!((held.by.as_str(), held.was.state()), ("ada", State::Placed));
    let row = orders.row("o").await.unwrap();
    assert_eq!(row.data, r#"{"by":"ada","was":{"NEW":{"item":"book"}}}"#, "the stored name, as in the row");
    runtime.shutdown(Duration::ZERO).await;

    let runtime = client(&Sqlite::open(&path).await.unwrap(), &clock).await;
    let orders = runtime.machines::<Order>();
    let Some(held) = orders.get_in::<order::Held>("o").await.unwrap() else { panic!("it is held") };
    let HeldResume::Placed(placed) = held.resume().await.unwrap() else { panic!("it was placed") };
    assert_eq!(placed.item, "book");
    let packing = placed.pay(900).await.unwrap();
    let _ = packing.hold("bob".into()).await.unwrap();
    let AnyRecord::Packing(packing) = orders.fire("o", event::Resume).await.unwrap() else { panic!("it was packed") };
    assert_eq!((packing.item.as_str(), packing.cents, packing.version()), ("book", 900, 6));
    let entries = orders.history("o", &HistoryQuery::new()).await.unwrap().items;
    let states: Vec<_> =
        entries.iter().filter(|entry| entry.kind == HistoryKind::Transition).map(|entry| &*entry.to).collect();
    assert_eq!(states, ["NEW", "Held", "NEW", "Packing", "Held", "Packing"]);
}

#[tokio::test]
async fn c21_work_and_timers_begin_again_at_a_resume() {
    let (store, clock) = (Sqlite::in_memory().unwrap(), clock());
    let runtime = working(&store, &clock).await;
    let orders = runtime.machines::<Order>();
    let placed = orders.create("o", order::Placed { item: "anvil".into() }).await.unwrap();
    let packing = placed.pay(900).await.unwrap();
    let held = packing.hold("ada".into()).await.unwrap();
    let row = orders.row("o").await.unwrap();
    assert_eq!((row.state.as_str(), row.timer_at), ("Held", Some(held.entered() + HOUR)));
    // Its timer resumes it, and its worker is started again.
    clock.advance(HOUR);
    let AnyRecord::Packing(packing) = orders.wait_for("o", State::Packing, PATIENCE).await.unwrap() else { panic!() };
    let _ = packing.cancel().await.unwrap();
    let light = orders.create("p", order::Placed { item: "book".into() }).await.unwrap();
    let held = light.hold("ada".into()).await.unwrap();
    let HeldResume::Placed(placed) = held.resume().await.unwrap() else { panic!("it was placed") };
    let _ = placed.pay(900).await.unwrap();
    let AnyRecord::Shipping(shipping) = orders.wait_for("p", State::Shipping, PATIENCE).await.unwrap() else {
        panic!()
    };
    clock.advance(Duration::from_mins(30));
    let held = shipping.hold("ada".into()).await.unwrap();
    let HeldResume::Shipping(shipping) = held.resume().await.unwrap() else { panic!("it was shipped") };
    let row = orders.row("p").await.unwrap();
    assert_eq!(row.timer_at, Some(shipping.entered() + 24 * HOUR), "the state is entered again, and its timer with it");
    assert_eq!(shipping.parcel, 7);
}

#[tokio::test]
async fn c21_a_desired_state_resumes_what_is_held() {
    let (store, clock) = (Sqlite::in_memory().unwrap(), clock());
    let runtime = working(&store, &clock).await;
    let orders = runtime.machines::<Order>();
    let placed = orders.create("o", order::Placed { item: "book".into() }).await.unwrap();
    let packing = placed.pay(900).await.unwrap();
    let AnyRecord::Shipping(shipping) = orders.wait_for("o", State::Shipping, PATIENCE).await.unwrap() else {
        panic!()
    };
    drop(packing);
    let _ = shipping.hold("ada".into()).await.unwrap();
    let _ = orders.converge("o", State::Arrived).await.unwrap();
    let _ = orders.wait_for("o", State::Arrived, PATIENCE).await.unwrap();
}

mod next {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// The order of the next release: `Placed` has a currency, and `Packing` has become `Wrapping`.
    #[derive(StateMachine)]
    #[fsm(initial = Placed, version = 2, durable, derive(Serialize, Deserialize))]
    #[fsm(group(Active, on(hold { by: String } => Held)))]
    pub(super) enum Order {
        #[state(in = Active, name = "NEW")]
        #[on(pay { cents: u64 } => Wrapping)]
        Placed { item: String, currency: String },
        #[state(in = Active, was = "Packing")]
        #[on(arrive => Arrived)]
        Wrapping { item: String, cents: u64 },
        #[on(resume => history(Active))]
        Held { by: String, was: order::history::Active },
        #[state(end)]
        Arrived,
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn step(mut old: OldState) -> Result<OldState, BoxError> {
    match old.state.as_str() {
        "NEW" => old.data["currency"] = "EUR".into(),
        "Held" => old.in_history("/was", step)?,
        _ => {}
    }
    Ok(old)
}

#[tokio::test]
async fn c21_a_migration_reaches_the_state_in_a_history() {
    let (store, clock) = (Sqlite::in_memory().unwrap(), clock());
    let runtime = client(&store, &clock).await;
    let orders = runtime.machines::<Order>();
    for id in ["placed", "packing"] {
        let _ = orders.create(id, order::Placed { item: "book".into() }).await.unwrap();
    }
    let _ = orders.fire("packing", event::Pay { cents: 900 }).await.unwrap();
    for id in ["placed", "packing"] {
        let _ = orders.fire(id, event::Hold { by: "ada".into() }).await.unwrap();
    }
    runtime.shutdown(Duration::ZERO).await;
    let runtime = Runtime::builder(store).clock(clock.clock()).migrate::<next::Order>(1, step).start().await.unwrap();
    let orders = runtime.machines::<next::Order>();
    let resumed = orders.fire("placed", next::order::event::Resume).await.unwrap();
    let next::order::AnyRecord::Placed(placed) = resumed else { panic!("it was placed") };
    assert_eq!((placed.item.as_str(), placed.currency.as_str()), ("book", "EUR"));
    let resumed = orders.fire("packing", next::order::event::Resume).await.unwrap();
    let next::order::AnyRecord::Wrapping(wrapping) = resumed else { panic!("a former name is read in a history, too") };
    assert_eq!((wrapping.item.as_str(), wrapping.cents), ("book", 900));
}
