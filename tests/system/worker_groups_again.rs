//! A worker's group whose instance is changed by internal transitions meanwhile: event and group are decided on the present data, and
//! committed together or not at all.

use fsm_runtime::{
    HistoryQuery, Machines, Runtime,
    clock::ManualClock,
    prelude::*,
    store::{
        Row,
        sqlite::{Sql, SqlValue, Sqlite},
    },
};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tests_disk::{Disk, Fault, Operation, Unsynced};
use tokio::sync::{mpsc, oneshot};

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_hours(1);

/// An order, whose card is charged by a worker.
#[derive(StateMachine, Debug)]
#[fsm(initial = Charging, durable, derive(Debug, Serialize, Deserialize))]
enum Order {
    /// A worker charges the card.
    #[state(work, enter = entered)]
    #[on(note { text: String } => _, with = note)]
    #[on(hold { held: bool } => _)]
    #[on(count => _, with = count)]
    #[on(charged => Paid, guard = is_free)]
    #[on(late => Paid)]
    #[after("1h", late)]
    Charging { notes: Vec<String>, held: bool, visits: u32 },
    /// Charged.
    #[state(end)]
    Paid { notes: Vec<String>, visits: u32 },
}

fn entered(charging: &mut order::Charging) {
    charging.visits += 1;
}

fn note(mut charging: order::Charging, event: order::event::Note) -> order::Charging {
    charging.notes.push(event.text);
    charging
}

fn count(mut charging: order::Charging, _: order::event::Count) -> order::Charging {
    charging.notes.push("counted".into());
    charging
}

fn is_free(charging: &order::Charging, _: &order::event::Charged) -> Result<(), &'static str> {
    if charging.held { Err("it is held") } else { Ok(()) }
}

/// A parcel of an order.
#[derive(StateMachine)]
#[fsm(initial = Packing, durable, derive(Serialize, Deserialize))]
enum Parcel {
    /// Being packed.
    #[on(send => Sent)]
    Packing,
    /// Sent.
    #[state(end)]
    Sent,
}

/// How a worker ends, each time with a parcel of its attempt and a receipt.
enum End {
    Charge,
    Count,
    Requeue,
}

/// One execution of the worker.
struct Call {
    attempt: u32,
    end: oneshot::Sender<End>,
}

impl Call {
    fn end(self, end: End) {
        assert!(self.end.send(end).is_ok(), "the worker runs");
    }
}

struct Charger {
    store: Sqlite,
    calls: mpsc::UnboundedSender<Call>,
    /// Runs with the statements.
    meanwhile: Arc<dyn Fn() + Send + Sync>,
}

impl order::Workers for Charger {
    async fn charging(&self, task: order::Task<order::Charging>) -> Outcome<order::Charging> {
        let (end, ends) = oneshot::channel();
        let _ = self.calls.send(Call { attempt: task.attempt(), end });
        let end = tokio::select! {
            end = ends => end?,
            () = task.cancelled() => return Err("cancelled".into()),
        };
        let mut group = task.group();
        group.add(task.machines::<Parcel>().create(&format!("{}-{}", task.id(), task.fence()), parcel::Packing));
        group.add(task.machines::<Parcel>().fire("first", parcel::event::Send));
        let done = match end {
            End::Charge => task.charged(),
            End::Count => task.count(),
            End::Requeue => task.requeue_after(Duration::ZERO),
        };
        let meanwhile = self.meanwhile.clone();
        done?.with_statements(group, &self.store, move |sql| {
            meanwhile();
            sql.execute("INSERT INTO receipts (text) VALUES ('paid')", &[])?;
            Ok(())
        })
    }
}

struct World {
    runtime: Runtime,
    store: Sqlite,
    orders: Machines<Order>,
    calls: mpsc::UnboundedReceiver<Call>,
    clock: ManualClock,
}

impl World {
    async fn start(path: &Path, clock: ManualClock, meanwhile: Arc<dyn Fn() + Send + Sync>) -> Self {
        let store = Sqlite::open(path.join("shop.db")).await.unwrap();
        let (calls, received) = mpsc::unbounded_channel();
        let charger = Charger { store: store.clone(), calls, meanwhile };
        let builder = Runtime::builder(store.clone()).clock(clock.clock()).machine::<Order, _>(charger);
        let runtime = builder.start().await.unwrap();
        Self { orders: runtime.machines(), runtime, store, calls: received, clock }
    }

    /// An empty shop with the parcel `first`.
    async fn new(path: &Path) -> Self {
        Self::with(path, Arc::new(|| ())).await
    }

    async fn with(path: &Path, meanwhile: Arc<dyn Fn() + Send + Sync>) -> Self {
        let tables = rusqlite::Connection::open(path.join("shop.db")).unwrap();
        tables.execute_batch("CREATE TABLE receipts (text TEXT)").unwrap();
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let world = Self::start(path, clock, meanwhile).await;
        let _ = world.runtime.machines::<Parcel>().create("first", parcel::Packing).await.unwrap();
        world
    }

    async fn charging(&mut self, held: bool) -> Call {
        let _ = self.orders.create("o", order::Charging { notes: Vec::new(), held, visits: 0 }).await.unwrap();
        self.call().await
    }

    async fn call(&mut self) -> Call {
        tokio::time::timeout(PATIENCE, self.calls.recv()).await.expect("a worker starts").unwrap()
    }

    async fn note(&self, text: &str) {
        let _ = self.orders.fire("o", order::event::Note { text: text.into() }).await.unwrap();
    }

    async fn hold(&self, held: bool) {
        let _ = self.orders.fire("o", order::event::Hold { held }).await.unwrap();
    }

    async fn row(&self, right: impl Fn(&Row) -> bool) -> Row {
        let poll = async {
            loop {
                let row = self.orders.row("o").await.unwrap();
                if right(&row) {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.expect("the row becomes right")
    }

    /// The notes and the visits of the order, which is paid.
    async fn paid(&self) -> (Vec<String>, u32) {
        self.orders.wait_for("o", order::State::Paid, PATIENCE).await.unwrap();
        let order::AnyRecord::Paid(paid) = self.orders.get("o").await.unwrap() else { panic!("it is paid") };
        (paid.notes.clone(), paid.visits)
    }

    /// How many parcels and receipts the groups have made, and whether the first parcel was sent.
    async fn made(&self) -> (u64, i64, bool) {
        let parcels = self.runtime.machines::<Parcel>();
        let sent = parcels.get("first").await.unwrap().state() == parcel::State::Sent;
        let count = |sql: &Sql<'_>| {
            let parcels = sql.query("SELECT count(*) FROM fsm_instances WHERE machine = 'Parcel'", &[])?;
            Ok((parcels, sql.query("SELECT count(*) FROM receipts", &[])?))
        };
        let (_, counts) = self.runtime.group().commit_with(&self.store, count).await.unwrap();
        let (parcels, receipts) = counts.unwrap();
        let ([SqlValue::Integer(parcels)], [SqlValue::Integer(receipts)]) = (&parcels[0][..], &receipts[0][..]) else {
            panic!("they are numbers")
        };
        (u64::try_from(parcels - 1).unwrap(), *receipts, sent)
    }

    async fn history(&self) -> Vec<String> {
        let entries = self.orders.history("o", &HistoryQuery::new().limit(100)).await.unwrap().items;
        entries.iter().map(|e| format!("{} {}", e.kind, e.event.as_deref().unwrap_or("created"))).collect()
    }
}

#[tokio::test]
async fn c19_a_group_is_committed_with_the_event_decided_again() {
    let dir = TempDir::new().unwrap();
    let mut world = World::new(dir.path()).await;
    let call = world.charging(false).await;
    world.note("one").await;
    world.note("two").await;
    call.end(End::Charge);
    assert_eq!(world.paid().await, (vec!["one".to_owned(), "two".to_owned()], 1));
    assert_eq!(world.made().await, (1, 1, true));
    let events = ["transition created", "internal note", "internal note", "transition charged"];
    assert_eq!(world.history().await, events);
    assert_eq!(world.orders.row("o").await.unwrap().owner, None, "the claim is released");
}

#[tokio::test]
async fn c19_an_event_refused_on_present_data_commits_no_group() {
    let dir = TempDir::new().unwrap();
    let mut world = World::new(dir.path()).await;
    let call = world.charging(false).await;
    world.hold(true).await;
    call.end(End::Charge);
    let row = world.row(|row| row.parked.is_some()).await;
    let why = row.parked.unwrap();
    assert!(why.contains("a guard refused `charged`: it is held"), "{why}");
    assert_eq!((row.state.as_str(), row.version, row.owner), ("Charging", 2, None));
    assert_eq!(world.made().await, (0, 0, false));
}

#[tokio::test]
async fn c19_an_event_is_never_committed_without_its_group() {
    let dir = TempDir::new().unwrap();
    let mut world = World::new(dir.path()).await;
    let call = world.charging(true).await;
    world.hold(false).await;
    // The guard refuses the data of the task, so the worker returns before it adds its group.
    call.end(End::Charge);
    let again = world.call().await;
    assert_eq!(again.attempt, 2);
    assert_eq!((world.made().await, world.orders.row("o").await.unwrap().version), ((0, 0, false), 2));
    again.end(End::Charge);
    assert_eq!(world.paid().await, (Vec::new(), 1));
    assert_eq!(world.made().await, (1, 1, true));
}

#[tokio::test]
async fn c19_requeues_and_internal_ends_commit_their_groups() {
    for end in [End::Requeue, End::Count] {
        let counts = matches!(end, End::Count);
        let dir = TempDir::new().unwrap();
        let mut world = World::new(dir.path()).await;
        let call = world.charging(false).await;
        let before = world.orders.row("o").await.unwrap();
        world.note("one").await;
        call.end(end);
        let next = world.call().await;
        assert_eq!((next.attempt, world.made().await), (1, (1, 1, true)));
        let row = world.orders.row("o").await.unwrap();
        assert_eq!((row.version, row.entered, row.timer_at), (2 + u64::from(counts), before.entered, before.timer_at));
        let seen = world.orders.get_in::<order::Charging>("o").await.unwrap().unwrap();
        let notes: &[&str] = if counts { &["one", "counted"] } else { &["one"] };
        assert_eq!((&seen.notes[..], seen.visits), (&notes.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..], 1));
    }
}

#[tokio::test]
async fn c19_a_lost_answer_repeats_no_group_of_an_internal_end() {
    for (operation, fault) in [(Operation::Write, Fault::Full), (Operation::Sync, Fault::Broken)] {
        for well in 0..4 {
            let dir = TempDir::new().unwrap();
            let disk = Disk::under(dir.path());
            let runs = Arc::new(AtomicU32::new(0));
            let meanwhile = {
                let (disk, runs) = (disk.clone(), runs.clone());
                Arc::new(move || {
                    if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                        disk.fail(operation, well, fault);
                    }
                })
            };
            let mut world = World::with(&dir.path().canonicalize().unwrap(), meanwhile).await;
            let call = world.charging(false).await;
            world.note("one").await;
            call.end(End::Count);
            let healed = async {
                while runs.load(Ordering::SeqCst) == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
                disk.heal();
                // The retries wait on the clock.
                loop {
                    world.clock.advance(Duration::from_secs(5));
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    if world.orders.row("o").await.is_ok_and(|row| row.version == 3) {
                        return;
                    }
                }
            };
            tokio::time::timeout(PATIENCE, healed).await.unwrap();
            world.row(|row| row.version == 3).await;
            assert_eq!(world.made().await, (1, 1, true), "{operation:?} {well}");
            let events = ["transition created", "internal note", "internal count"];
            assert_eq!(world.history().await, events, "{operation:?} {well}");
        }
    }
}

#[tokio::test]
async fn c19_a_crash_after_a_change_keeps_visit_and_timer() {
    let dir = TempDir::new().unwrap();
    let disk = Disk::under(dir.path());
    let mut world = World::new(&dir.path().canonicalize().unwrap()).await;
    let _running = world.charging(false).await;
    world.clock.advance(HOUR / 2);
    world.note("one").await;
    let before = world.orders.row("o").await.unwrap();
    // What a power cut leaves, while the worker still runs.
    let found = TempDir::new().unwrap();
    disk.lose_power(found.path(), Unsynced::Lost).unwrap();
    let mut after = World::start(found.path(), world.clock.clone(), Arc::new(|| ())).await;
    // The lease of the lost process ends first.
    let call = loop {
        after.clock.advance(Duration::from_secs(1));
        if let Ok(call) = tokio::time::timeout(Duration::from_millis(20), after.calls.recv()).await {
            break call.unwrap();
        }
    };
    let row = after.orders.row("o").await.unwrap();
    assert_eq!((row.version, row.entered, row.timer_at), (2, before.entered, before.timer_at));
    assert_eq!((call.attempt, row.data), (2, before.data), "the attempt of the lost process counts");
    after.note("two").await;
    call.end(End::Charge);
    assert_eq!(after.paid().await, (vec!["one".to_owned(), "two".to_owned()], 1), "a load enters nothing");
    assert_eq!(after.made().await, (1, 1, true));
}
