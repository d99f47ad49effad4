//! What the store shows of its tables.

#![cfg(server)]

use fsm_runtime::{
    Runtime,
    prelude::*,
    store::postgres::{Postgres, SnapshotHolder},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tests_postgres::Server;

/// A lamp.
#[derive(StateMachine)]
#[fsm(initial = Off, durable, derive(Serialize, Deserialize))]
enum Lamp {
    /// Dark.
    #[on(switch => On)]
    Off,
    /// Bright.
    #[on(switch => Off)]
    On,
}

/// A transaction of somebody else keeps the old versions of rows, and is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n39_an_open_snapshot_keeps_dead_rows_and_is_named() {
    // The server of this test alone: other tests have snapshots, too.
    let server = Server::start();
    let store = Postgres::open(server.url()).await.unwrap();
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let lamps = runtime.machines::<Lamp>();
    lamps.create("a", lamp::Off).await.unwrap();
    let reader = server.connect().await;
    let begin =
        "SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM fsm.instances";
    reader.batch_execute(begin).await.unwrap();
    let reader_pid: i32 = reader.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    for _ in 0..20 {
        lamps.fire("a", lamp::event::Switch).await.unwrap();
    }
    let started = Instant::now();
    // The server reports numbers of rows about once a second.
    let health = loop {
        let health = store.health().await.unwrap();
        if health.tables.iter().any(|table| table.name == "instances" && table.dead_rows >= 20) {
            break health;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{health:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(health.dead_rows() >= 20 && health.tables.iter().all(|table| table.bytes > 0), "{health:?}");
    let oldest = health.oldest.expect("the reader has a snapshot");
    let named = SnapshotHolder::Transaction { pid: reader_pid, application: "report".into() };
    assert_eq!(oldest.holder, named);
    assert!(oldest.transactions >= 20 && oldest.open_for > Some(Duration::ZERO), "{oldest:?}");
    reader.batch_execute("COMMIT").await.unwrap();
    let oldest = store.health().await.unwrap().oldest;
    assert!(oldest.as_ref().is_none_or(|oldest| oldest.holder != named), "{oldest:?}");
    runtime.shutdown(Duration::from_secs(5)).await;
}

/// A standby without a replication slot reports its queries, and has a snapshot for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n39_a_query_on_a_standby_is_named() {
    let primary = Server::start();
    let store = Postgres::open(primary.url()).await.unwrap();
    let standby = Server::standby_of(&primary);
    let reader = standby.connect().await;
    for setting in ["hot_standby_feedback = on", "wal_receiver_status_interval = 1"] {
        reader.batch_execute(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
    }
    reader.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM fsm.instances").await.unwrap();
    let started = Instant::now();
    loop {
        let health = store.health().await.unwrap();
        if let Some(SnapshotHolder::Standby { pid, application }) = health.oldest.map(|oldest| oldest.holder) {
            assert!(pid > 0 && application == "walreceiver", "{pid} {application}");
            return;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "the standby has a snapshot");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
