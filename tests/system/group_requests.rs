//! Groups as requests: events by id, and groups that are repeated with their idempotency key.

use super::job::{Job, job, queued};
use fsm_runtime::{
    ErrorKind, GroupError, GroupOutput, Machines, Runtime, Ticket, TransitionError,
    prelude::*,
    store::sqlite::{Sql, SqlValue},
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// What is left of an item.
#[derive(StateMachine)]
#[fsm(initial = Stock, durable, derive(Serialize, Deserialize))]
enum Stock {
    /// Items can be taken.
    #[on(take { items: u32 } => Stock, guard = has_enough, with = take)]
    #[on(close => Closed)]
    Stock { left: u32 },
    /// The item is not sold any more.
    #[state(end)]
    Closed,
}

fn has_enough(stock: &stock::Stock, event: &stock::event::Take) -> Result<(), &'static str> {
    if stock.left >= event.items { Ok(()) } else { Err("too few are left") }
}

fn take(stock::Stock { left }: stock::Stock, stock::event::Take { items }: stock::event::Take) -> stock::Stock {
    stock::Stock { left: left - items }
}

struct World {
    _dir: TempDir,
    store: Sqlite,
    runtime: Runtime,
    jobs: Machines<Job>,
    stocks: Machines<Stock>,
}

async fn world() -> World {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE mails (text TEXT)").unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let (jobs, stocks) = (runtime.machines(), runtime.machines());
    World { _dir: dir, store, runtime, jobs, stocks }
}

impl World {
    async fn left(&self) -> u32 {
        let stock::AnyRecord::Stock(stock) = self.stocks.get("tea").await.unwrap() else { panic!("it is closed") };
        stock.left
    }

    /// Starts job `a`, takes two items, and creates job `b`.
    async fn request(&self, key: &str) -> Result<GroupOutput, GroupError> {
        let mut group = self.runtime.group();
        group.add(self.jobs.fire_with_key("a", job::event::Start, key));
        group.add(self.stocks.fire("tea", stock::event::Take { items: 2 }));
        group.add(self.jobs.create("b", queued()));
        group.commit().await
    }
}

#[tokio::test]
async fn x9_a_group_by_id_answers_as_the_first_time() {
    let world = world().await;
    let World { store, runtime, jobs, stocks, .. } = &world;
    jobs.create("a", queued()).await.unwrap();
    stocks.create("tea", stock::Stock { left: 3 }).await.unwrap();
    let request = async |reversed: bool| {
        let mut group = runtime.group();
        let (started, taken): (Ticket<job::AnyRecord>, Ticket<stock::AnyRecord>);
        let start = jobs.fire_with_key("a", job::event::Start, "k");
        let take = stocks.fire("tea", stock::event::Take { items: 2 });
        if reversed {
            taken = group.add(take);
            started = group.add(start);
        } else {
            started = group.add(start);
            taken = group.add(take);
        }
        let created = group.add(jobs.create("b", queued()));
        let mail = |sql: &Sql<'_>| Ok(sql.execute("INSERT INTO mails VALUES ('started')", &[])?);
        let (mut done, mails) = group.commit_with(store, mail).await.unwrap();
        let (started, taken) = (done.take(started).unwrap(), done.take(taken).unwrap());
        let stock::AnyRecord::Stock(taken) = taken else { panic!("it is open") };
        let created = done.take(created).unwrap();
        ((started.version(), started.state(), taken.left, created.version()), mails, done.is_repeated())
    };
    let first = (2, job::State::Running, 1, 1);
    assert_eq!(request(false).await, (first, Some(1), false));
    assert_eq!(request(false).await, (first, None, true), "the guard would refuse, and `b` exists");
    jobs.fire("a", job::event::Fail { reason: "disk".into() }).await.unwrap();
    jobs.fire("b", job::event::Start).await.unwrap();
    stocks.fire("tea", stock::event::Close).await.unwrap();
    assert_eq!(request(true).await, (first, None, true), "the instances are in other states");
    stocks.purge("tea").await.unwrap();
    let lost = world.request("k").await.unwrap_err();
    assert!(matches!(lost, GroupError::KeyReused { made: 0, missing: 1, .. }), "{lost:?}");
    let count = |sql: &Sql<'_>| Ok(sql.query("SELECT count(*) FROM mails", &[])?);
    let (_, mails) = runtime.group().commit_with(store, count).await.unwrap();
    assert_eq!(mails.unwrap(), [[SqlValue::from(1)]]);
}

#[tokio::test]
async fn x9_a_group_on_records_answers_although_a_guard_refuses() {
    let world = world().await;
    world.stocks.create("tea", stock::Stock { left: 2 }).await.unwrap();
    let request = async |id: &str| {
        let stock::AnyRecord::Stock(stock) = world.stocks.get("tea").await.unwrap() else { panic!() };
        let mut group = world.runtime.group();
        // The guard of the change without a key refuses when it is repeated.
        let taken = group.add(stock.take(2));
        group.add(world.jobs.create_with_key(id, queued(), "k"));
        let mut done = group.commit().await?;
        Ok::<_, GroupError>(done.take(taken).unwrap().version())
    };
    assert_eq!(request("a").await.unwrap(), 2);
    assert_eq!(request("a").await.unwrap(), 2);
    let refused = request("b").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "change 0 of the group failed, so no change was made: `take` was refused in state `Stock` of Stock `tea`: too few are left"
    );
}

#[tokio::test]
async fn x9_one_group_from_many_callers_is_one_change() {
    let world = std::sync::Arc::new(world().await);
    world.jobs.create("a", queued()).await.unwrap();
    world.stocks.create("tea", stock::Stock { left: 100 }).await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let world = world.clone();
        callers.spawn(async move { world.request("k").await.unwrap().is_repeated() });
    }
    let repeated = callers.join_all().await;
    assert_eq!(repeated.iter().filter(|repeated| !**repeated).count(), 1, "{repeated:?}");
    assert_eq!(world.left().await, 98);
}

#[tokio::test]
async fn a_group_with_a_used_key_is_a_typed_error() {
    let world = world().await;
    world.jobs.create("a", queued()).await.unwrap();
    world.stocks.create("tea", stock::Stock { left: 3 }).await.unwrap();
    world.jobs.fire_with_key("a", job::event::Start, "k").await.unwrap();
    let partly = world.request("k").await.unwrap_err();
    assert_eq!(partly.kind(), ErrorKind::KeyReused);
    assert_eq!(
        partly.to_string(),
        "change 0 of the group (Job `a`) was already committed under its idempotency key, but change 1 (Stock `tea`) was not, so \
         nothing was changed; use a new key for a new request"
    );
    world.jobs.fire_with_key("a", job::event::Restart, "other").await.unwrap();
    let other = world.request("other").await.unwrap_err();
    let GroupError::Change { change: 0, kind: ErrorKind::KeyReused, cause } = other else { panic!("{other:?}") };
    assert!(matches!(cause.downcast_ref(), Some(TransitionError::<Job>::KeyReused { .. })), "{cause}");
    assert_eq!(world.left().await, 3);
}

/// Clients choose keys that are unique for their own orders only.
#[tokio::test]
async fn one_key_on_two_orders_is_two_requests() {
    let world = world().await;
    world.stocks.create("tea", stock::Stock { left: 5 }).await.unwrap();
    for id in ["a", "b"] {
        let mut group = world.runtime.group();
        group.add(world.jobs.create_with_key(id, queued(), "1"));
        group.add(world.stocks.fire("tea", stock::event::Take { items: 2 }));
        assert!(!group.commit().await.unwrap().is_repeated());
    }
    assert_eq!(world.left().await, 1);
}

#[tokio::test]
async fn an_instance_twice_in_a_group_is_a_typed_error() {
    let world = world().await;
    let a = world.jobs.create("a", queued()).await.unwrap();
    let mut group = world.runtime.group();
    group.add(world.jobs.create("b", queued()));
    group.add(a.start());
    group.add(world.jobs.fire("a", job::event::Cancel));
    let twice = group.commit().await.unwrap_err();
    assert!(matches!(twice, GroupError::SameInstance { first: 1, second: 2, .. }), "{twice:?}");
    assert_eq!((twice.kind(), twice.is_retryable()), (ErrorKind::Invalid, false));
    assert_eq!(
        twice.to_string(),
        "changes 1 and 2 of the group are both of Job `a`, so nothing was changed; a group changes each instance at \
         most once: commit the second change after the group, or declare one event for both"
    );
    assert!(world.jobs.get("b").await.is_err());
}

#[tokio::test]
async fn a_refused_event_by_id_fails_the_group() {
    let world = world().await;
    world.jobs.create("a", queued()).await.unwrap();
    let mut group = world.runtime.group();
    group.add(world.jobs.fire("a", job::event::Start));
    group.add(world.stocks.fire("tea", stock::event::Take { items: 1 }));
    let missing = group.commit().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    world.stocks.create("tea", stock::Stock { left: 0 }).await.unwrap();
    let refused = world.request("k").await.unwrap_err();
    assert!(matches!(refused, GroupError::Change { change: 1, kind: ErrorKind::Refused, .. }), "{refused:?}");
    assert_eq!(world.jobs.get("a").await.unwrap().version(), 1);
}

/// Half of them have the instances in the other order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x2_groups_by_id_are_all_made() {
    let world = world().await;
    for id in ["a", "b"] {
        world.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
    }
    let mut groups = JoinSet::new();
    for n in 0..40 {
        let mut group = world.runtime.group();
        for id in if n % 2 == 0 { ["a", "b"] } else { ["b", "a"] } {
            group.add(world.jobs.fire(id, job::event::Restart));
        }
        groups.spawn(async move { group.commit().await.map(drop) });
        let jobs = world.jobs.clone();
        groups.spawn(async move {
            jobs.fire("a", job::event::Restart).await.unwrap();
            Ok(())
        });
    }
    for made in groups.join_all().await {
        made.unwrap();
    }
    assert_eq!(world.jobs.get("a").await.unwrap().version(), 82);
    assert_eq!(world.jobs.get("b").await.unwrap().version(), 42);
}

/// The statements run once, in the attempt that commits.
#[tokio::test]
async fn statements_run_once_although_an_attempt_conflicts() {
    let world = world().await;
    world.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let disturb = |jobs: Machines<Job>| async move {
        for _ in 0..20 {
            let restarted = jobs.retry("a", 1_000, |record| async move {
                let job::AnyRecord::Running(running) = record else { panic!("it runs") };
                running.restart().await.map(drop)
            });
            restarted.await.unwrap();
        }
    };
    let disturber = tokio::spawn(disturb(world.jobs.clone()));
    for _ in 0..20 {
        let mut group = world.runtime.group();
        group.add(world.jobs.fire("a", job::event::Restart));
        let mail = |sql: &Sql<'_>| Ok(sql.execute("INSERT INTO mails VALUES ('restarted')", &[])?);
        assert_eq!(group.commit_with(&world.store, mail).await.unwrap().1, Some(1));
    }
    disturber.await.unwrap();
    let count = |sql: &Sql<'_>| Ok(sql.query("SELECT count(*) FROM mails", &[])?);
    let (_, mails) = world.runtime.group().commit_with(&world.store, count).await.unwrap();
    assert_eq!(mails.unwrap(), [[SqlValue::from(20)]]);
    assert_eq!(world.jobs.get("a").await.unwrap().version(), 42);
}
