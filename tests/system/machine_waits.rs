//! Machines whose states wait for instances of other machines. The clock stands still unless a test moves it.

use fsm_runtime::{
    Builder, HistoryQuery, ListQuery, Machines, Members, Runtime, StartError,
    clock::ManualClock,
    prelude::*,
    store::{Buckets, Key, Row},
};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than twelve intervals of the scan of due work.
const RESCAN: Duration = Duration::from_secs(61);
const HOUR: Duration = Duration::from_hours(1);

#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
#[on(remove => Removed)]
enum Payment {
    #[on(capture => Captured)]
    #[on(refuse => Refused)]
    Open,
    #[on(settle => Settled)]
    Captured,
    #[on(retry => Open)]
    #[on(close => Closed)]
    Refused,
    #[state(end)]
    Settled,
    #[state(end)]
    Closed,
    #[state(end, remove)]
    Removed,
}

#[derive(StateMachine)]
#[fsm(initial = Placed, durable, derive(Serialize, Deserialize))]
enum Order {
    #[on(checkout { payment: String } => Awaiting)]
    Placed,
    #[state(waits(
        payment: Payment in Captured => paid,
        payment: Payment in Refused => refuse { reason: "refused".into() },
    ))]
    #[on(paid => Paid, guard = is_allowed)]
    #[on(refuse { reason: String } => Refused)]
    #[on(cancel => Cancelled)]
    Awaiting { payment: String },
    #[on(cancel => Cancelled)]
    Paid,
    #[on(checkout => Awaiting)]
    Refused { reason: String },
    #[state(end)]
    Cancelled,
}

fn is_allowed(order: &order::Awaiting, _: &order::event::Paid) -> Result<(), &'static str> {
    if order.payment == "forged" { Err("the payment is forged") } else { Ok(()) }
}

/// Waits for several, also while it works.
#[derive(StateMachine)]
#[fsm(initial = Waiting | Working, durable, derive(Serialize, Deserialize))]
enum Build {
    #[state(waits(
        all(jobs): Payment in Captured | Settled => pass,
        any(jobs): Payment in Closed | missing => fail,
        at_least(2, jobs): Payment in Refused => doubt,
    ))]
    #[on(pass => Passed)]
    #[on(fail => Failed)]
    #[on(doubt => Doubted)]
    #[on(replace { jobs: Vec<String> } => _)]
    Waiting { jobs: Vec<String> },
    #[state(work, waits(0: Payment in Captured => pass))]
    #[on(pass => Passed)]
    Working(String),
    #[state(end)]
    Passed,
    #[state(end)]
    Failed,
    #[state(end)]
    Doubted,
}

struct Builders(tokio::sync::mpsc::UnboundedSender<&'static str>);

impl build::Workers for Builders {
    async fn working(&self, task: build::Task<build::Working>) -> Outcome<build::Working> {
        let _ = self.0.send("begins");
        task.cancelled().await;
        let _ = self.0.send("is cancelled");
        Err(WorkError::permanent("it was cancelled"))
    }
}

struct World {
    clock: ManualClock,
    runtime: Runtime,
    orders: Machines<Order>,
    payments: Machines<Payment>,
}

fn clock() -> ManualClock {
    ManualClock::new(SystemTime::UNIX_EPOCH + HOUR)
}

fn builder(store: Sqlite, clock: &ManualClock) -> Builder {
    // The lease outlasts every jump of the clock.
    Runtime::builder(store).clock(clock.clock()).lease_ttl(HOUR * 10_000)
}

impl World {
    async fn on(store: Sqlite, clock: ManualClock) -> Self {
        let runtime = builder(store, &clock).machine::<Order, _>(()).start().await.unwrap();
        let (orders, payments) = (runtime.machines(), runtime.machines());
        Self { clock, runtime, orders, payments }
    }

    async fn new() -> Self {
        Self::on(Sqlite::in_memory().unwrap(), clock()).await
    }

    /// Order `id` awaits payment `payment`.
    async fn order(&self, id: &str, payment: &str) {
        self.orders.create(id, order::Placed).await.unwrap().checkout(payment.into()).await.unwrap();
    }

    async fn state(&self, id: &str) -> order::State {
        self.runtime.run_until_idle().await.unwrap();
        self.orders.get(id).await.unwrap().state()
    }

    async fn reaches(&self, id: &str, state: order::State) {
        self.orders.wait_for(id, state, HOUR).await.unwrap();
    }

    async fn row(&self, id: &str, right: impl Fn(&Row) -> bool) -> Row {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let row = self.orders.row(id).await.unwrap();
            if right(&row) {
                return row;
            }
            assert!(std::time::Instant::now() < deadline, "the row stays {row:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn history(&self, id: &str) -> Vec<String> {
        let entries = self.orders.history(id, &HistoryQuery::new().limit(100)).await.unwrap().items;
        entries.iter().map(|it| format!("{} ({})", it.event.as_deref().unwrap_or("created"), it.cause)).collect()
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

async fn fire(payments: &Machines<Payment>, id: &str, event: impl Into<payment::Event>) {
    payments.fire(id, event).await.unwrap();
}

#[tokio::test]
async fn w1_the_event_is_fired_once_when_the_other_gets_there() {
    let world = World::new().await;
    world.payments.create("p", payment::Open).await.unwrap();
    world.order("o", "p").await;
    assert_eq!(world.state("o").await, order::State::Awaiting);
    fire(&world.payments, "p", payment::event::Capture).await;
    assert_eq!(world.state("o").await, order::State::Paid);
    assert_eq!(world.history("o").await, ["created (caller)", "checkout (caller)", "paid (wait)"]);
}

#[tokio::test]
async fn w1_the_other_may_have_been_there_before() {
    let world = World::new().await;
    world.payments.create("p", payment::Open).await.unwrap().capture().await.unwrap();
    world.order("o", "p").await;
    assert_eq!(world.state("o").await, order::State::Paid);
}

#[tokio::test]
async fn w1_each_wait_fires_its_own_event() {
    let world = World::new().await;
    world.payments.create("p", payment::Open).await.unwrap().refuse().await.unwrap();
    world.order("o", "p").await;
    assert_eq!(world.state("o").await, order::State::Refused);
    // Another wait, for another payment.
    world.payments.create("q", payment::Open).await.unwrap();
    let order::AnyRecord::Refused(refused) = world.orders.get("o").await.unwrap() else { panic!() };
    assert_eq!(refused.reason, "refused");
    refused.checkout("q".into()).await.unwrap();
    fire(&world.payments, "q", payment::event::Capture).await;
    assert_eq!(world.state("o").await, order::State::Paid);
}

#[tokio::test]
async fn w1_an_instance_that_was_left_waits_no_more() {
    let world = World::new().await;
    world.payments.create("p", payment::Open).await.unwrap();
    world.order("o", "p").await;
    assert_eq!(world.state("o").await, order::State::Awaiting);
    world.orders.fire("o", order::event::Cancel).await.unwrap();
    fire(&world.payments, "p", payment::event::Capture).await;
    assert_eq!(world.state("o").await, order::State::Cancelled);
}

#[tokio::test]
async fn w1_many_wait_for_one() {
    let world = World::new().await;
    world.payments.create("p", payment::Open).await.unwrap();
    for i in 0..100 {
        world.order(&i.to_string(), "p").await;
    }
    fire(&world.payments, "p", payment::event::Capture).await;
    world.runtime.run_until_idle().await.unwrap();
    let query = ListQuery::in_state(order::State::Paid).limit(200);
    assert_eq!(world.orders.list(&query).await.unwrap().items.len(), 100);
}

/// Both processes see each change; the event is fired once.
async fn two_controllers(first: Sqlite, second: Sqlite, client: Sqlite) {
    let clock = clock();
    let (one, two) = (World::on(first, clock.clone()).await, World::on(second, clock.clone()).await);
    let client = builder(client, &clock).start().await.unwrap();
    let (orders, payments) = (client.machines::<Order>(), client.machines::<Payment>());
    for i in 0..20 {
        let id = i.to_string();
        payments.create(&id, payment::Open).await.unwrap();
        orders.create(&id, order::Placed).await.unwrap().checkout(id.clone()).await.unwrap();
    }
    for i in 0..20 {
        fire(&payments, &i.to_string(), payment::event::Capture).await;
    }
    for i in 0..20 {
        soon(one.reaches(&i.to_string(), order::State::Paid)).await;
        assert_eq!(two.history(&i.to_string()).await, ["created (caller)", "checkout (caller)", "paid (wait)"]);
    }
}

#[tokio::test]
async fn w1_runtimes_on_one_store_object_fire_once() {
    let store = Sqlite::in_memory().unwrap();
    two_controllers(store.clone(), store.clone(), store).await;
}

#[tokio::test]
async fn w1_runtimes_on_one_file_fire_once() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    let open = async || Sqlite::open(&path).await.unwrap();
    two_controllers(open().await, open().await, open().await).await;
}

#[tokio::test]
async fn w1_a_worker_that_moves_the_other_wakes_the_waiter() {
    #[derive(Clone)]
    struct Clerk;
    impl parcel::Workers for Clerk {
        async fn packing(&self, task: parcel::Task<parcel::Packing>) -> Outcome<parcel::Packing> {
            task.sent()
        }
    }
    let clock = clock();
    let runtime = builder(Sqlite::in_memory().unwrap(), &clock)
        .machine::<Parcel, _>(Clerk)
        .machine::<Shipment, _>(())
        .start()
        .await
        .unwrap();
    let (parcels, shipments) = (runtime.machines::<Parcel>(), runtime.machines::<Shipment>());
    // Both in one commit, so that the shipment never waits for a parcel that does not exist.
    let mut group = runtime.group();
    group.add(parcels.create("p", parcel::Packing));
    group.add(shipments.create("s", shipment::Waiting { parcel: "p".into() }));
    group.commit().await.unwrap();
    runtime.run_until_idle().await.unwrap();
    assert_eq!(shipments.get("s").await.unwrap().state(), shipment::State::Gone);
}

#[derive(StateMachine)]
#[fsm(initial = Packing, durable, derive(Serialize, Deserialize))]
enum Parcel {
    #[state(work)]
    #[on(sent => Sent)]
    Packing,
    #[state(end, remove)]
    Sent,
}

/// `Sent` removes the parcel: its history tells that it was there.
#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum Shipment {
    #[state(waits(parcel: Parcel in Sent => sent))]
    #[on(sent => Gone)]
    Waiting { parcel: String },
    #[state(end)]
    Gone,
}

/// A change by other means than the library, of which nothing notifies.
fn capture_unnoticed(path: &Path, id: &str) {
    let sql = rusqlite::Connection::open(path).unwrap();
    let changed = sql.execute(
        "UPDATE fsm_instances SET state = 'Captured', version = version + 1 WHERE machine = 'Payment' AND id = ?1",
        [id],
    );
    assert_eq!(changed.unwrap(), 1);
}

#[tokio::test]
async fn w2_a_lost_notification_is_found_by_the_scan() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    let world = World::on(Sqlite::open(&path).await.unwrap(), clock()).await;
    world.payments.create("p", payment::Open).await.unwrap();
    world.order("o", "p").await;
    assert_eq!(world.state("o").await, order::State::Awaiting);
    capture_unnoticed(&path, "p");
    assert_eq!(world.state("o").await, order::State::Awaiting, "nothing has notified");
    world.clock.advance(RESCAN);
    soon(world.reaches("o", order::State::Paid)).await;
}

#[tokio::test]
async fn w2_a_file_without_an_index_of_states_is_scanned() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    let open = async || Sqlite::options().state_index(false).open(&path).await.unwrap();
    let clock = clock();
    let world = World::on(open().await, clock.clone()).await;
    world.payments.create("p", payment::Open).await.unwrap();
    world.order("o", "p").await;
    world.orders.create("placed", order::Placed).await.unwrap();
    assert_eq!(world.state("o").await, order::State::Awaiting);
    capture_unnoticed(&path, "p");
    world.clock.advance(RESCAN);
    soon(world.reaches("o", order::State::Paid)).await;
    assert_eq!(world.state("placed").await, order::State::Placed);
}

/// The process of the order does not work on the bucket of the payment, and nothing but the change itself makes it look.
#[tokio::test]
async fn w2_an_instance_in_a_bucket_of_another_process_is_noticed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    let clock = clock();
    let own: Buckets = [Key::new("Order", "o").bucket()].into_iter().collect();
    assert!(!own.contains_key(&Key::new("Payment", "p")));
    let store = Sqlite::open(&path).await.unwrap();
    let members = Members::buckets(tokio::sync::watch::channel(own).1);
    let runtime = builder(store, &clock).members(members).machine::<Order, _>(()).start().await.unwrap();
    let client = builder(Sqlite::open(&path).await.unwrap(), &clock).start().await.unwrap();
    let (orders, payments) = (client.machines::<Order>(), client.machines::<Payment>());
    payments.create("p", payment::Open).await.unwrap();
    payments.create("q", payment::Open).await.unwrap();
    // Its own process looks at once, before the payment changes.
    let own = (runtime.machines::<Order>(), runtime.machines::<Payment>());
    own.0.create("o", order::Placed).await.unwrap().checkout("p".into()).await.unwrap();
    runtime.run_until_idle().await.unwrap();
    // It has read the history of the order when it sees a later change.
    let seen = own.1.wait_for("q", payment::State::Captured, HOUR);
    let (seen, ()) = tokio::join!(seen, fire(&payments, "q", payment::event::Capture));
    seen.unwrap();
    fire(&payments, "p", payment::event::Capture).await;
    soon(orders.wait_for("o", order::State::Paid, HOUR)).await.unwrap();
}

/// Nobody has looked at the payment and the order since, and the slow scan does not run.
#[tokio::test]
async fn w2_waits_in_a_bucket_that_is_gained_are_looked_at() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    let clock = clock();
    let client = builder(Sqlite::open(&path).await.unwrap(), &clock).start().await.unwrap();
    let (orders, payments) = (client.machines::<Order>(), client.machines::<Payment>());
    let (gain, buckets) = tokio::sync::watch::channel(Buckets::NONE);
    let store = Sqlite::open(&path).await.unwrap();
    let runtime =
        builder(store, &clock).members(Members::buckets(buckets)).machine::<Order, _>(()).start().await.unwrap();
    payments.create("p", payment::Open).await.unwrap();
    orders.create("o", order::Placed).await.unwrap().checkout("p".into()).await.unwrap();
    fire(&payments, "p", payment::event::Capture).await;
    runtime.run_until_idle().await.unwrap();
    assert_eq!(orders.get("o").await.unwrap().state(), order::State::Awaiting);
    gain.send_replace(Buckets::ALL);
    soon(orders.wait_for("o", order::State::Paid, HOUR)).await.unwrap();
}

#[tokio::test]
async fn w2_what_happens_while_no_process_runs_is_found_at_start() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    let open = async || Sqlite::open(&path).await.unwrap();
    let clock = clock();
    let first = World::on(open().await, clock.clone()).await;
    first.payments.create("p", payment::Open).await.unwrap();
    first.order("o", "p").await;
    assert_eq!(first.state("o").await, order::State::Awaiting);
    // As when a process is killed: it sends no notification.
    drop(first);
    let client = builder(open().await, &clock).start().await.unwrap();
    fire(&client.machines(), "p", payment::event::Capture).await;
    let (orders, payments) = (client.machines::<Order>(), client.machines::<Payment>());
    payments.create("q", payment::Open).await.unwrap().refuse().await.unwrap();
    orders.create("new", order::Placed).await.unwrap().checkout("q".into()).await.unwrap();
    let second = World::on(open().await, clock).await;
    assert_eq!(second.state("o").await, order::State::Paid);
    assert_eq!(second.state("new").await, order::State::Refused);
    assert_eq!(second.history("o").await, ["created (caller)", "checkout (caller)", "paid (wait)"]);
}

#[tokio::test]
async fn w3_a_state_that_the_other_leaves_at_once_counts() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    let clock = clock();
    let client = builder(Sqlite::open(&path).await.unwrap(), &clock).start().await.unwrap();
    let (orders, payments) = (client.machines::<Order>(), client.machines::<Payment>());
    // Both happen after the wait has begun, and before a controller looks.
    payments.create("p", payment::Open).await.unwrap();
    orders.create("o", order::Placed).await.unwrap().checkout("p".into()).await.unwrap();
    fire(&payments, "p", payment::event::Capture).await;
    fire(&payments, "p", payment::event::Settle).await;
    // Before the wait has begun.
    payments.create("q", payment::Open).await.unwrap().capture().await.unwrap().settle().await.unwrap();
    orders.create("late", order::Placed).await.unwrap().checkout("q".into()).await.unwrap();
    let world = World::on(Sqlite::open(&path).await.unwrap(), clock).await;
    assert_eq!(world.state("o").await, order::State::Paid);
    assert_eq!(world.state("late").await, order::State::Awaiting);
    let parked = world.orders.row("late").await.unwrap().parked.unwrap();
    assert_eq!(parked, "waits: none of its waits can end: Payment `q` is in `Settled`");
}

#[tokio::test]
async fn w3_where_the_other_is_now_comes_first() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    let clock = clock();
    let client = builder(Sqlite::open(&path).await.unwrap(), &clock).start().await.unwrap();
    let (orders, payments) = (client.machines::<Order>(), client.machines::<Payment>());
    payments.create("p", payment::Open).await.unwrap();
    orders.create("o", order::Placed).await.unwrap().checkout("p".into()).await.unwrap();
    for event in
        [payment::Event::from(payment::event::Refuse), payment::event::Retry.into(), payment::event::Capture.into()]
    {
        fire(&payments, "p", event).await;
    }
    let world = World::on(Sqlite::open(&path).await.unwrap(), clock).await;
    assert_eq!(world.state("o").await, order::State::Paid, "not `Refused`, which it has passed");
}

async fn builds() -> (Runtime, Machines<Build>, Machines<Payment>, tokio::sync::mpsc::UnboundedReceiver<&'static str>) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let builder = builder(Sqlite::in_memory().unwrap(), &clock()).machine::<Build, _>(Builders(sender));
    let runtime = builder.start().await.unwrap();
    let (builds, payments) = (runtime.machines(), runtime.machines());
    (runtime, builds, payments, receiver)
}

#[tokio::test]
async fn w4_all_any_and_at_least_n_of_several_instances() {
    let (runtime, builds, payments, _calls) = builds().await;
    for id in ["a", "b", "c"] {
        payments.create(id, payment::Open).await.unwrap();
    }
    let jobs = || vec!["a".to_owned(), "b".into(), "c".into(), "a".into()];
    let state = async |id: &str| {
        runtime.run_until_idle().await.unwrap();
        builds.get(id).await.unwrap().state()
    };
    builds.create("all", build::Waiting { jobs: jobs() }).await.unwrap();
    fire(&payments, "a", payment::event::Capture).await;
    fire(&payments, "b", payment::event::Capture).await;
    assert_eq!(state("all").await, build::State::Waiting);
    fire(&payments, "c", payment::event::Capture).await;
    assert_eq!(state("all").await, build::State::Passed);
    // `Settled` counts as well.
    fire(&payments, "a", payment::event::Settle).await;
    builds.create("settled", build::Waiting { jobs: jobs() }).await.unwrap();
    assert_eq!(state("settled").await, build::State::Passed);
    builds.create("none", build::Waiting { jobs: Vec::new() }).await.unwrap();
    assert_eq!(state("none").await, build::State::Passed, "all of none");

    for id in ["d", "e", "f"] {
        payments.create(id, payment::Open).await.unwrap();
    }
    let jobs = || vec!["d".to_owned(), "e".into(), "f".into()];
    builds.create("doubted", build::Waiting { jobs: jobs() }).await.unwrap();
    fire(&payments, "d", payment::event::Refuse).await;
    assert_eq!(state("doubted").await, build::State::Waiting);
    fire(&payments, "e", payment::event::Refuse).await;
    assert_eq!(state("doubted").await, build::State::Doubted);

    fire(&payments, "e", payment::event::Retry).await;
    builds.create("failed", build::Waiting { jobs: jobs() }).await.unwrap();
    assert_eq!(state("failed").await, build::State::Waiting);
    fire(&payments, "d", payment::event::Close).await;
    assert_eq!(state("failed").await, build::State::Failed);
}

#[tokio::test]
async fn w4_an_internal_transition_changes_what_is_waited_for() {
    let (runtime, builds, payments, _calls) = builds().await;
    payments.create("a", payment::Open).await.unwrap();
    payments.create("b", payment::Open).await.unwrap();
    builds.create("x", build::Waiting { jobs: vec!["a".into()] }).await.unwrap();
    runtime.run_until_idle().await.unwrap();
    builds.fire("x", build::event::Replace { jobs: vec!["b".into()] }).await.unwrap();
    runtime.run_until_idle().await.unwrap();
    fire(&payments, "a", payment::event::Capture).await;
    runtime.run_until_idle().await.unwrap();
    assert_eq!(builds.get("x").await.unwrap().state(), build::State::Waiting);
    fire(&payments, "b", payment::event::Capture).await;
    runtime.run_until_idle().await.unwrap();
    assert_eq!(builds.get("x").await.unwrap().state(), build::State::Passed);
}

#[tokio::test]
async fn w4_a_missing_instance_counts_where_it_is_declared() {
    let (runtime, builds, payments, _calls) = builds().await;
    payments.create("a", payment::Open).await.unwrap();
    let waiting = |jobs: &[&str]| build::Waiting { jobs: jobs.iter().map(|&job| job.to_owned()).collect() };
    let state = async |id: &str| {
        runtime.run_until_idle().await.unwrap();
        builds.get(id).await.unwrap().state()
    };
    builds.create("never", waiting(&["a", "unknown"])).await.unwrap();
    assert_eq!(state("never").await, build::State::Failed);
    builds.create("removed", waiting(&["a"])).await.unwrap();
    assert_eq!(state("removed").await, build::State::Waiting);
    fire(&payments, "a", payment::event::Remove).await;
    assert_eq!(state("removed").await, build::State::Failed);
    payments.create("b", payment::Open).await.unwrap();
    builds.create("purged", waiting(&["b"])).await.unwrap();
    assert_eq!(state("purged").await, build::State::Waiting);
    payments.purge("b").await.unwrap();
    assert_eq!(state("purged").await, build::State::Failed);
}

#[tokio::test]
async fn w4_a_work_state_waits_beside_its_worker() {
    let (runtime, builds, payments, mut calls) = builds().await;
    payments.create("p", payment::Open).await.unwrap();
    builds.create("b", build::Working("p".into())).await.unwrap();
    assert_eq!(soon(calls.recv()).await, Some("begins"));
    fire(&payments, "p", payment::event::Capture).await;
    assert_eq!(soon(calls.recv()).await, Some("is cancelled"));
    runtime.run_until_idle().await.unwrap();
    assert_eq!(builds.get("b").await.unwrap().state(), build::State::Passed);
}

#[tokio::test]
async fn w5_a_wait_that_cannot_end_is_parked_with_its_reason() {
    let world = World::new().await;
    world.payments.create("p", payment::Open).await.unwrap();
    world.order("o", "p").await;
    assert_eq!(world.state("o").await, order::State::Awaiting);
    fire(&world.payments, "p", payment::event::Remove).await;
    assert_eq!(world.state("o").await, order::State::Awaiting);
    let parked = world.orders.rows(&ListQuery::all().parked()).await.unwrap().items;
    assert_eq!(parked.len(), 1);
    assert_eq!(
        parked[0].parked.as_deref(),
        Some("waits: none of its waits can end: Payment `p` was removed in `Removed`")
    );
    // An event still moves it.
    world.orders.fire("o", order::event::Cancel).await.unwrap();
    assert!(world.orders.row("o").await.unwrap().parked.is_none());
}

#[tokio::test]
async fn w5_an_instance_that_is_created_later_ends_the_wait() {
    let world = World::new().await;
    world.order("o", "p").await;
    assert_eq!(world.state("o").await, order::State::Awaiting);
    let row = world.orders.row("o").await.unwrap();
    assert_eq!(row.parked.as_deref(), Some("waits: none of its waits can end: Payment `p` does not exist"));
    world.payments.create("p", payment::Open).await.unwrap();
    world.runtime.run_until_idle().await.unwrap();
    assert!(world.orders.row("o").await.unwrap().parked.is_none());
    fire(&world.payments, "p", payment::event::Capture).await;
    assert_eq!(world.state("o").await, order::State::Paid);
    let expected = ["created (caller)", "checkout (caller)", "parked (wait)", "released (wait)", "paid (wait)"];
    assert_eq!(world.history("o").await, expected);
}

#[tokio::test]
async fn w5_a_refused_event_parks_until_it_is_accepted() {
    let world = World::new().await;
    world.payments.create("forged", payment::Open).await.unwrap().capture().await.unwrap();
    world.order("o", "forged").await;
    assert_eq!(world.state("o").await, order::State::Awaiting);
    let parked = world.orders.row("o").await.unwrap().parked.unwrap();
    assert_eq!(parked, "waits: `paid` could not be fired: a guard refused `paid`: the payment is forged");
    // Unparking checks again, and nothing is due afterwards.
    world.orders.unpark("o").await.unwrap();
    world.runtime.run_until_idle().await.unwrap();
    let row = world.orders.row("o").await.unwrap();
    assert!(row.parked.is_some() && row.retry_at.is_none(), "{row:?}");
}

#[tokio::test]
async fn w5_a_purge_by_another_process_is_found_by_the_scan() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    let world = World::on(Sqlite::open(&path).await.unwrap(), clock()).await;
    world.payments.create("p", payment::Open).await.unwrap();
    world.order("o", "p").await;
    assert_eq!(world.state("o").await, order::State::Awaiting);
    let other = builder(Sqlite::open(&path).await.unwrap(), &world.clock).start().await.unwrap();
    other.machines::<Payment>().purge("p").await.unwrap();
    world.clock.advance(RESCAN);
    let row = world.row("o", |row| row.parked.is_some()).await;
    assert_eq!(row.parked.as_deref(), Some("waits: none of its waits can end: Payment `p` does not exist"));
}

/// Its instances form a tree.
#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum Node {
    #[state(waits(all(children): Self in Done => finish))]
    #[on(finish => Done)]
    Waiting { children: Vec<String> },
    #[state(end)]
    Done,
}

#[tokio::test]
async fn w6_states_that_wait_for_each_other_are_an_error() {
    let start = |configure: fn(Builder) -> Builder| {
        let builder = builder(Sqlite::in_memory().unwrap(), &clock()).machine::<Node, _>(());
        configure(builder).start()
    };
    let error = start(|builder| builder).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "states can wait for each other forever: `Node` in `Waiting` → `Node` in `Waiting`; add a timer, `#[after(…)]`, to one of \
         the states, or allow it with `Builder::allow_wait_cycles` if no instance ever waits for itself, as in a tree"
    );
    let StartError::WaitCycles { cycles } = error else { panic!() };
    assert_eq!(cycles[0].states, [("Node", "Waiting")]);

    let runtime = start(Builder::allow_wait_cycles).await.unwrap();
    let nodes = runtime.machines::<Node>();
    let mut group = runtime.group();
    for (id, children) in [("root", &["left", "right"][..]), ("left", &["leaf"]), ("right", &[]), ("leaf", &[])] {
        let children = children.iter().map(|&child| child.to_owned()).collect();
        group.add(nodes.create(id, node::Waiting { children }));
    }
    group.commit().await.unwrap();
    runtime.run_until_idle().await.unwrap();
    assert_eq!(nodes.get("root").await.unwrap().state(), node::State::Done);
}

#[tokio::test]
async fn w6_instances_that_wait_for_each_other_are_parked() {
    let builder = builder(Sqlite::in_memory().unwrap(), &clock()).machine::<Node, _>(()).allow_wait_cycles();
    let runtime = builder.start().await.unwrap();
    let nodes = runtime.machines::<Node>();
    let node = |id: &str, children: &[&str]| {
        nodes.create(id, node::Waiting { children: children.iter().map(|&child| child.to_owned()).collect() })
    };
    let mut group = runtime.group();
    group.add(node("a", &["leaf", "b"]));
    group.add(node("b", &["c"]));
    group.add(node("c", &["a"]));
    group.add(node("own", &["own"]));
    group.add(node("leaf", &[]));
    group.commit().await.unwrap();
    runtime.run_until_idle().await.unwrap();
    let parked = async |id: &str| nodes.row(id).await.unwrap().parked;
    let ring = "waits: it waits for itself: Node `b` → Node `c` → Node `a` → Node `b`";
    assert_eq!(parked("b").await.as_deref(), Some(ring));
    assert_eq!(parked("own").await.as_deref(), Some("waits: it waits for itself: Node `own` → Node `own`"));
    assert!(parked("a").await.is_some() && parked("c").await.is_some());
    // An operator ends the ring, and the others go on.
    let seen = nodes.row("c").await.unwrap();
    nodes.with_actor("ada").move_to(&seen, node::Done, "a ring").await.unwrap();
    runtime.run_until_idle().await.unwrap();
    for id in ["a", "b", "leaf"] {
        assert_eq!(nodes.get(id).await.unwrap().state(), node::State::Done, "{id}");
    }
}

#[tokio::test]
async fn w6_the_machines_of_a_program_are_one_picture() {
    let world = World::new().await;
    let graphs = world.runtime.graphs();
    let machines: Vec<_> = graphs.iter().map(|graph| graph.machine).collect();
    assert_eq!(machines, ["Order", "Payment"], "`Payment` is not registered, and is awaited");
    let picture = graphs.mermaid().to_string();
    assert!(picture.contains("Order_Awaiting -. \"payment, paid\" .-> Payment_Captured"), "{picture}");
    assert!(Order::GRAPH.mermaid().to_string().contains("paid [guarded] (when payment#58; Payment in Captured)"));
}

#[tokio::test]
async fn w7_only_programs_that_wait_run_the_scan_of_waits() {
    let tasks = |runtime: &Runtime| -> Vec<&'static str> {
        runtime.status().tasks.iter().map(|task| task.name).filter(|name| *name == "waits").collect()
    };
    let world = World::new().await;
    world.runtime.run_until_idle().await.unwrap();
    assert_eq!(tasks(&world.runtime), ["waits"]);
    let other = builder(Sqlite::in_memory().unwrap(), &world.clock).machine::<Payment, _>(()).start().await.unwrap();
    other.run_until_idle().await.unwrap();
    assert_eq!(tasks(&other), [""; 0]);
}
