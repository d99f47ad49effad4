//! What a worker changes besides its own instance: handles of its runtime, and groups that are committed with its result.

use fsm_runtime::{
    Outcome, Runtime,
    store::{
        Row,
        sqlite::{Sql, SqlValue, Sqlite},
    },
};
use std::{
    future::Future,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tests_disk::{Disk, Fault, Operation};

const PATIENCE: Duration = Duration::from_secs(20);

mod declared {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An order, whose worker charges a card.
    #[derive(StateMachine)]
    #[fsm(initial = Charging, durable, derive(Serialize, Deserialize))]
    pub(super) enum Order {
        /// The card is charged.
        #[state(work)]
        #[on(charged => Paid)]
        #[on(cancel => Cancelled)]
        Charging,
        /// Charged.
        #[state(end)]
        Paid,
        /// Not charged.
        #[state(end)]
        Cancelled,
    }

    /// A parcel of an order.
    #[derive(StateMachine)]
    #[fsm(initial = Packing, version = 2, durable, derive(Serialize, Deserialize))]
    pub(super) enum Parcel {
        /// Being packed.
        #[on(send => Sent)]
        Packing { grams: u32 },
        /// Sent.
        #[state(end)]
        Sent,
    }
}

/// The parcel of the release before, without a weight.
mod before {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A parcel.
    #[derive(StateMachine)]
    #[fsm(initial = Packing, durable, derive(Serialize, Deserialize))]
    pub(super) enum Parcel {
        /// Being packed.
        #[on(send => Sent)]
        Packing,
        /// Sent.
        #[state(end)]
        Sent,
    }
}

use declared::{Order, Parcel, order, parcel};

type Task = order::Task<order::Charging>;
type Ended = Outcome<order::Charging>;
type Act = Box<dyn Fn(Task) -> Pin<Box<dyn Future<Output = Ended> + Send>> + Send + Sync>;

/// A worker that does what the test gives it.
struct Worker(Act);

impl order::Workers for Worker {
    async fn charging(&self, task: Task) -> Ended {
        (self.0)(task).await
    }
}

fn packing(grams: u32) -> parcel::Packing {
    parcel::Packing { grams }
}

fn receipt(sql: &Sql<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    sql.execute("INSERT INTO receipts (text) VALUES ('paid')", &[])?;
    Ok(())
}

async fn open(path: &Path) -> Sqlite {
    rusqlite::Connection::open(path).unwrap().execute_batch("CREATE TABLE receipts (text TEXT)").unwrap();
    Sqlite::open(path).await.unwrap()
}

async fn start<F: Future<Output = Ended> + Send + 'static>(
    store: &Sqlite,
    act: impl Fn(Task) -> F + Send + Sync + 'static,
) -> Runtime {
    Runtime::builder(store.clone())
        .backoff(Duration::from_millis(1), Duration::from_millis(1))
        .migrate::<Parcel>(1, |mut old| {
            if old.state == "Packing" {
                old.data = serde_json::json!({ "grams": 500 });
            }
            Ok(old)
        })
        .machine::<Order, _>(Worker(Box::new(move |task| Box::pin(act(task)))))
        .start()
        .await
        .unwrap()
}

async fn receipts(runtime: &Runtime, store: &Sqlite) -> usize {
    let count = |sql: &Sql<'_>| Ok(sql.query("SELECT count(*) FROM receipts", &[])?);
    let (_, rows) = runtime.group().commit_with(store, count).await.unwrap();
    let [SqlValue::Integer(count)] = rows.unwrap()[0][..] else { panic!() };
    usize::try_from(count).unwrap()
}

async fn row(runtime: &Runtime, id: &str, right: impl Fn(&Row) -> bool) -> Row {
    let orders = runtime.machines::<Order>();
    let poll = async {
        loop {
            let row = orders.row(id).await.unwrap();
            if right(&row) {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, poll).await.expect("the row becomes right")
}

#[tokio::test]
async fn c18_a_worker_commits_other_changes_with_its_event() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir.path().join("shop.db")).await;
    let ours = store.clone();
    let runtime = start(&store, move |task| {
        let store = ours.clone();
        async move {
            let mut group = task.group();
            group.add(task.machines::<Parcel>().create(task.id(), packing(7)));
            group.add(task.machines::<Parcel>().fire("first", parcel::event::Send));
            task.charged()?.with_statements(group, &store, receipt)
        }
    })
    .await;
    let parcels = runtime.machines::<Parcel>();
    let _ = parcels.create("first", packing(1)).await.unwrap();
    let orders = runtime.machines::<Order>();
    let _ = orders.create("o", order::Charging).await.unwrap();
    orders.wait_for("o", order::State::Paid, PATIENCE).await.unwrap();
    assert_eq!(parcels.get("o").await.unwrap().state(), parcel::State::Packing);
    assert_eq!(parcels.get("first").await.unwrap().state(), parcel::State::Sent);
    assert_eq!(receipts(&runtime, &store).await, 1);
    let row = orders.row("o").await.unwrap();
    assert_eq!((row.version, row.owner), (2, None), "the claim is released");
}

#[tokio::test]
async fn c18_a_lost_claim_commits_nothing_of_the_group() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir.path().join("shop.db")).await;
    let ours = store.clone();
    let runtime = start(&store, move |task| {
        let store = ours.clone();
        async move {
            task.machines::<Parcel>().create("begun", packing(1)).await?;
            task.cancelled().await;
            let mut group = task.group();
            group.add(task.machines::<Parcel>().create("made", packing(1)));
            task.charged()?.with_statements(group, &store, receipt)
        }
    })
    .await;
    let (orders, parcels) = (runtime.machines::<Order>(), runtime.machines::<Parcel>());
    let _ = orders.create("o", order::Charging).await.unwrap();
    let begun = async {
        while parcels.get("begun").await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.unwrap();
    orders.fire("o", order::event::Cancel).await.unwrap();
    runtime.shutdown(PATIENCE).await;
    assert_eq!(orders.get("o").await.unwrap().state(), order::State::Cancelled);
    assert!(parcels.get("made").await.is_err());
    assert_eq!(receipts(&runtime, &store).await, 0);
}

#[tokio::test]
async fn c18_a_change_that_cannot_be_made_fails_the_attempt() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir.path().join("shop.db")).await;
    let runtime = start(&store, |task| async move {
        let parcels = task.machines::<Parcel>();
        let mut group = task.group();
        group.add(parcels.create(&format!("new-{}", task.attempt()), packing(1)));
        group.add(parcels.create(if task.attempt() < 3 { "taken" } else { "free" }, packing(1)));
        task.charged()?.with_group(group)
    })
    .await;
    let parcels = runtime.machines::<Parcel>();
    let _ = parcels.create("taken", packing(1)).await.unwrap();
    let orders = runtime.machines::<Order>();
    let _ = orders.create("o", order::Charging).await.unwrap();
    orders.wait_for("o", order::State::Paid, PATIENCE).await.unwrap();
    for (id, made) in [("new-1", false), ("new-2", false), ("new-3", true), ("free", true)] {
        assert_eq!(parcels.get(id).await.is_ok(), made, "{id}");
    }
}

#[tokio::test]
async fn c18_statements_that_fail_undo_the_workers_event() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir.path().join("shop.db")).await;
    let ours = store.clone();
    let runtime = start(&store, move |task| {
        let store = ours.clone();
        async move {
            let mut group = task.group();
            group.add(task.machines::<Parcel>().create("p", packing(1)));
            let attempt = task.attempt();
            task.charged()?.with_statements(group, &store, move |sql| {
                receipt(sql)?;
                if attempt == 1 { Err("no paper".into()) } else { Ok(()) }
            })
        }
    })
    .await;
    let orders = runtime.machines::<Order>();
    let _ = orders.create("o", order::Charging).await.unwrap();
    orders.wait_for("o", order::State::Paid, PATIENCE).await.unwrap();
    assert_eq!(receipts(&runtime, &store).await, 1, "those of the first attempt were undone");
    assert!(runtime.machines::<Parcel>().get("p").await.is_ok());
}

#[tokio::test]
async fn c18_a_group_with_the_same_instance_or_store_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir.path().join("shop.db")).await;
    let other = Sqlite::in_memory().unwrap();
    let runtime = start(&store, move |task| {
        let other = other.clone();
        async move {
            let (mut group, id) = (task.group(), task.id().to_owned());
            match id.as_str() {
                "twice" => {
                    task.charged()?.with_group(group)?.with_group(Runtime::builder(other).start().await?.group())
                }
                "other" => task.charged()?.with_statements(group, &other, |_| Ok(())),
                _ => {
                    group.add(task.machines::<Order>().fire("own", order::event::Cancel));
                    if task.attempt() > 1 {
                        return Err(fsm_runtime::WorkError::permanent("again"));
                    }
                    task.charged()?.with_group(group)
                }
            }
        }
    })
    .await;
    let orders = runtime.machines::<Order>();
    for (id, why) in [("twice", "add all changes to one group"), ("other", "does not use"), ("own", "again")] {
        let _ = orders.create(id, order::Charging).await.unwrap();
        let row = row(&runtime, id, |row| row.parked.is_some()).await;
        assert!(row.parked.as_deref().unwrap().contains(why), "{row:?}");
        assert_eq!(row.version, 1);
    }
}

#[tokio::test]
async fn c18_a_requeue_can_commit_a_group() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir.path().join("shop.db")).await;
    let runtime = start(&store, |task| async move {
        let parcels = task.machines::<Parcel>();
        if parcels.get("2").await.is_ok() {
            return task.charged();
        }
        let next = if parcels.get("1").await.is_ok() { "2" } else { "1" };
        let mut group = task.group();
        group.add(parcels.create(next, packing(1)));
        task.requeue_after(Duration::ZERO)?.with_group(group)
    })
    .await;
    let orders = runtime.machines::<Order>();
    let _ = orders.create("o", order::Charging).await.unwrap();
    orders.wait_for("o", order::State::Paid, PATIENCE).await.unwrap();
    assert_eq!(orders.row("o").await.unwrap().version, 2);
}

#[tokio::test]
async fn c18_a_group_is_retried_while_the_store_is_away() {
    for (operation, fault) in [(Operation::Write, Fault::Full), (Operation::Sync, Fault::Broken)] {
        for well in 0..4 {
            let dir = TempDir::new().unwrap();
            let disk = Disk::under(dir.path());
            let store = open(&dir.path().canonicalize().unwrap().join("shop.db")).await;
            let (ours, runs) = (store.clone(), Arc::new(AtomicU32::new(0)));
            let runtime = start(&store, {
                let (disk, runs) = (disk.clone(), runs.clone());
                move |task| {
                    let (store, disk, runs) = (ours.clone(), disk.clone(), runs.clone());
                    async move {
                        let mut group = task.group();
                        group.add(task.machines::<Parcel>().create("p", packing(1)));
                        task.charged()?.with_statements(group, &store, move |sql| {
                            if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                                disk.fail(operation, well, fault);
                            }
                            receipt(sql)
                        })
                    }
                }
            })
            .await;
            let orders = runtime.machines::<Order>();
            let _ = orders.create("o", order::Charging).await.unwrap();
            // Ends the fault at any time after it began: the outcome is the same.
            let healed = async {
                while runs.load(Ordering::SeqCst) == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
                disk.heal();
            };
            tokio::time::timeout(PATIENCE, healed).await.unwrap();
            row(&runtime, "o", |row| row.state == "Paid").await;
            assert_eq!(receipts(&runtime, &store).await, 1, "{operation:?} {well}");
            assert!(runtime.machines::<Parcel>().get("p").await.is_ok(), "{operation:?} {well}");
            assert_eq!(orders.row("o").await.unwrap().version, 2, "{operation:?} {well}");
        }
    }
}

#[tokio::test]
async fn a_workers_handles_have_the_migrations_of_its_runtime() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir.path().join("shop.db")).await;
    let old = Runtime::builder(store.clone()).start().await.unwrap();
    let _ = old.machines::<before::Parcel>().create("p", before::parcel::Packing).await.unwrap();
    let runtime = start(&store, |task| async move {
        let parcel::AnyRecord::Packing(packing) = task.machines::<Parcel>().get("p").await? else {
            return Err("it was sent".into());
        };
        if packing.grams == 500 {
            packing.send().await?;
        }
        task.charged()
    })
    .await;
    let orders = runtime.machines::<Order>();
    let _ = orders.create("o", order::Charging).await.unwrap();
    orders.wait_for("o", order::State::Paid, PATIENCE).await.unwrap();
    assert_eq!(runtime.machines::<Parcel>().get("p").await.unwrap().state(), parcel::State::Sent);
}
