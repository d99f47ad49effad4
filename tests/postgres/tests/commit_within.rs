//! Groups in a transaction of the caller's.

#![cfg(server)]

use fsm_runtime::{
    AfterCommit, AnyRecord, GroupError, GroupOutput, Machines, Runtime, TransitionError,
    prelude::*,
    store::{HistoryQuery, Key, Store, postgres::Postgres},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tests_postgres::{Pooler, Server};
use tokio_postgres::Transaction;

/// An order.
#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Order {
    /// Not paid.
    #[on(pay => Paid)]
    Open {
        /// Any text.
        note: String,
    },
    /// Paid.
    #[on(close => Closed)]
    #[after("30d", close)]
    Paid {
        /// Any text.
        note: String,
    },
    /// Over.
    #[state(end)]
    Closed,
}

const NOTE: &str = "'quoted' \"text\" \\ $1 {schema} ü";

struct World {
    store: Postgres,
    runtime: Runtime,
    orders: Machines<Order>,
    /// A table of the caller's.
    receipts: String,
    schema: String,
}

impl World {
    async fn new() -> Self {
        let (server, schema) = (Server::shared(), Server::shared().new_schema());
        let (client, receipts) = (server.connect().await, format!("receipts_{schema}"));
        client.batch_execute(&format!("CREATE TABLE {receipts} (text text PRIMARY KEY)")).await.unwrap();
        let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
        let runtime = Runtime::builder(store.clone()).start().await.unwrap();
        Self { store, orders: runtime.machines::<Order>(), runtime, receipts, schema }
    }

    async fn create(&self, id: &str) -> order::Record<order::Open> {
        self.orders.create(id, order::Open { note: NOTE.to_owned() }).await.unwrap()
    }

    async fn state(&self, id: &str) -> order::State {
        self.orders.get(id).await.unwrap().state()
    }

    async fn pay(
        &self,
        transaction: &mut Transaction<'_>,
        order: order::Record<order::Open>,
    ) -> Result<(order::Record<order::Paid>, AfterCommit), GroupError> {
        let mut group = self.runtime.group();
        let paid = group.add(order.pay());
        let (mut done, after) = group.commit_within(&self.store, transaction).await?;
        Ok((done.take(paid).unwrap(), after))
    }

    async fn entries(&self) -> Vec<(String, u64)> {
        let entries = self.store.history(HistoryQuery::new()).await.unwrap();
        entries.iter().map(|entry| (entry.key.id.to_string(), entry.version)).collect()
    }

    async fn receipt(&self, transaction: &Transaction<'_>, text: &str) {
        transaction.execute(&format!("INSERT INTO {} VALUES ($1)", self.receipts), &[&text]).await.unwrap();
    }

    async fn receipts(&self) -> i64 {
        let client = Server::shared().connect().await;
        client.query_one(&format!("SELECT count(*) FROM {}", self.receipts), &[]).await.unwrap().get(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_stored_with_the_callers_commit() {
    let world = World::new().await;
    let order = world.create("a").await;
    let mut client = Server::shared().connect().await;
    let mut transaction = client.transaction().await.unwrap();
    world.receipt(&transaction, "paid").await;
    let mut group = world.runtime.group();
    let (paid, made) = (group.add(order.pay()), group.add(world.orders.create("b", order::Open { note: NOTE.into() })));
    let (mut done, after) = group.commit_within(&world.store, &mut transaction).await.unwrap();
    let (paid, made) = (done.take(paid).unwrap(), done.take(made).unwrap());
    assert_eq!((paid.version(), &*paid.note, made.version(), &*made.note), (2, NOTE, 1, NOTE));
    assert_eq!(world.state("a").await, order::State::Open, "not committed yet");
    transaction.commit().await.unwrap();
    after.committed();
    assert_eq!((world.state("a").await, world.state("b").await), (order::State::Paid, order::State::Open));
    // The record of the group is the row as it is stored, with its timer.
    let stored = world.orders.get("a").await.unwrap();
    assert_eq!(AnyRecord::entered(&stored), paid.entered());
    assert_eq!(paid.close().await.unwrap().version(), 3);
    assert_eq!(world.receipts().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_of_the_caller_undoes_the_group() {
    let world = World::new().await;
    let order = world.create("a").await;
    let mut client = Server::shared().connect().await;
    let mut transaction = client.transaction().await.unwrap();
    let (_, after) = world.pay(&mut transaction, order).await.unwrap();
    transaction.rollback().await.unwrap();
    drop(after);
    assert_eq!(world.state("a").await, order::State::Open);
    assert_eq!(world.entries().await, [("a".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_conflict_the_transaction_goes_on() {
    let world = World::new().await;
    let (order, free) = (world.create("a").await, world.create("b").await);
    assert_eq!(world.orders.fire("a", order::event::Pay).await.unwrap().version(), 2);
    let mut client = Server::shared().connect().await;
    let mut transaction = client.transaction().await.unwrap();
    let mut group = world.runtime.group();
    let _ = group.add(free.pay());
    let _ = group.add(order.pay());
    let error = group.commit_within(&world.store, &mut transaction).await.unwrap_err();
    let GroupError::Change { change: 1, cause, .. } = error else { panic!("{error:?}") };
    let Some(TransitionError::Conflict(current)) = cause.downcast_ref::<TransitionError<Order>>() else {
        panic!("{cause:?}")
    };
    assert_eq!(current.version(), 2);
    world.receipt(&transaction, "after").await;
    transaction.commit().await.unwrap();
    // Not even the change before it was made.
    assert_eq!((world.state("b").await, world.receipts().await), (order::State::Open, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_groups_share_a_transaction() {
    let world = World::new().await;
    let (first, second) = (world.create("a").await, world.create("b").await);
    let mut client = Server::shared().connect().await;
    let mut transaction = client.transaction().await.unwrap();
    let (paid, _) = world.pay(&mut transaction, first).await.unwrap();
    let _ = world.pay(&mut transaction, second).await.unwrap();
    // A record of an earlier group can be used.
    let mut group = world.runtime.group();
    let _ = group.add(paid.close());
    let _ = group.commit_within(&world.store, &mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((world.state("a").await, world.state("b").await), (order::State::Closed, order::State::Paid));
    let entries = [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)].map(|(id, version)| (id.to_owned(), version));
    assert_eq!(world.entries().await, entries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_transaction_gets_the_first_result() {
    let world = World::new().await;
    drop(world.create("a").await);
    let mut client = Server::shared().connect().await;
    for repeated in [false, true] {
        let mut transaction = client.transaction().await.unwrap();
        let mut group = world.runtime.group();
        let paid = group.add(world.orders.fire_with_key("a", order::event::Pay, "request-1"));
        let done: Result<(GroupOutput, AfterCommit), _> = group.commit_within(&world.store, &mut transaction).await;
        let (mut done, after) = done.unwrap();
        assert_eq!((done.take(paid).unwrap().version(), done.is_repeated()), (2, repeated));
        transaction.commit().await.unwrap();
        after.committed();
    }
    assert_eq!(world.entries().await.len(), 2);
}

/// The open transaction has an earlier number than the entry that is committed first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_the_history_wait_for_the_transaction() {
    let world = World::new().await;
    let order = world.create("a").await;
    let mut client = Server::shared().connect().await;
    let mut transaction = client.transaction().await.unwrap();
    let _ = world.pay(&mut transaction, order).await.unwrap();
    drop(world.create("b").await);
    for _ in 0..3 {
        assert_eq!(world.entries().await, [("a".to_owned(), 1)]);
    }
    transaction.commit().await.unwrap();
    let entries = [("a", 1), ("a", 2), ("b", 1)].map(|(id, version)| (id.to_owned(), version));
    assert_eq!(world.entries().await, entries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_isolation_levels_are_refused() {
    let world = World::new().await;
    let order = world.create("a").await;
    let mut client = Server::shared().connect().await;
    let level = tokio_postgres::IsolationLevel::RepeatableRead;
    let mut transaction = client.build_transaction().isolation_level(level).start().await.unwrap();
    let refused = world.pay(&mut transaction, order).await;
    assert!(matches!(refused, Err(GroupError::Isolation { found }) if found == "repeatable read"));
    transaction.commit().await.unwrap();
    assert_eq!(world.state("a").await, order::State::Open);
}

/// The other process polls once an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_notifies_other_processes() {
    let world = World::new().await;
    let order = world.create("a").await;
    let hour = Duration::from_hours(1);
    let other = Postgres::options(Server::shared().url()).schema(&world.schema).poll(hour).open().await.unwrap();
    let mut notices = other.notices();
    // It listens once it has a notice of a change that was made after it was opened.
    let mut made = 0;
    loop {
        made += 1;
        drop(world.create(&format!("x{made}")).await);
        if tokio::time::timeout(Duration::from_millis(200), notices.recv()).await.is_ok() {
            break;
        }
    }
    while tokio::time::timeout(Duration::from_millis(200), notices.recv()).await.is_ok() {}
    let mut client = Server::shared().connect().await;
    let mut transaction = client.transaction().await.unwrap();
    let (_, after) = world.pay(&mut transaction, order).await.unwrap();
    transaction.commit().await.unwrap();
    after.committed();
    let bucket = Key::new("Order", "a").bucket();
    let arrives = async { while !notices.recv().await.unwrap().buckets.contains(bucket) {} };
    tokio::time::timeout(Duration::from_secs(20), arrives).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_used_once_in_a_transaction() {
    let world = World::new().await;
    drop(world.create("a").await);
    let mut client = Server::shared().connect().await;
    let mut transaction = client.transaction().await.unwrap();
    let pay = || {
        let mut group = world.runtime.group();
        let _ = group.add(world.orders.fire_with_key("a", order::event::Pay, "request-1"));
        group
    };
    drop(pay().commit_within(&world.store, &mut transaction).await.unwrap());
    // The key is found in the open transaction, and its result cannot be read outside of it.
    let again = pay().commit_within(&world.store, &mut transaction).await;
    assert!(matches!(again, Err(GroupError::Change { change: 0, .. })), "{again:?}");
    transaction.commit().await.unwrap();
    assert_eq!((world.state("a").await, world.entries().await.len()), (order::State::Paid, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_through_pgbouncer_has_the_group() {
    let world = World::new().await;
    let order = world.create("a").await;
    let (mut client, connection) =
        tokio_postgres::connect(&Pooler::shared().url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut transaction = client.transaction().await.unwrap();
    let (_, after) = world.pay(&mut transaction, order).await.unwrap();
    transaction.commit().await.unwrap();
    after.committed();
    assert_eq!(world.state("a").await, order::State::Paid);
    drop(client);
    connection.await.unwrap().unwrap();
}
