//! W2: processes that fire the events of waits are killed at random, while others move the awaited instances. Each event is fired once.

use fsm_runtime::{HistoryQuery, prelude::*};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Set for a process that is killed: the store's path.
pub(crate) const VICTIM: &str = "FSM_CRASH_WAITER";
/// The limit for the last orders, after the last kill.
const PATIENCE: Duration = Duration::from_mins(2);
const LEASE: Duration = Duration::from_secs(3);

#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Payment {
    #[state(work)]
    #[on(capture => Captured)]
    Open,
    #[state(end)]
    Captured,
}

#[derive(StateMachine)]
#[fsm(initial = Awaiting, durable, derive(Serialize, Deserialize))]
enum Order {
    #[state(waits(all(payments): Payment in Captured => paid))]
    #[on(paid => Paid)]
    Awaiting { payments: Vec<String> },
    #[state(end)]
    Paid,
}

struct Provider;

impl payment::Workers for Provider {
    async fn open(&self, task: payment::Task<payment::Open>) -> Outcome<payment::Open> {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
        task.capture()
    }
}

/// Captures payments and fires `paid` until it is killed.
pub(crate) async fn wait_until_killed(path: &Path) {
    let store = Sqlite::open(path).await.expect("the store");
    let builder = Runtime::builder(store).machine::<Payment, _>(Provider).machine::<Order, _>(()).lease_ttl(LEASE);
    let _runtime = builder.max_attempts(1_000_000).start().await.expect("a controller");
    std::future::pending::<()>().await;
}

fn start(path: &Path) -> Child {
    let this = std::env::current_exe().expect("this binary");
    Command::new(this).env(VICTIM, path).stdin(Stdio::null()).spawn().expect("a process")
}

fn kill(mut victim: Child) {
    victim.kill().expect("SIGKILL");
    victim.wait().expect("it is gone");
}

pub(crate) async fn killed_processes_fire_each_wait_once(kills: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("shop.db");
    let runtime = Runtime::builder(Sqlite::open(&path).await.expect("a store")).start().await.expect("a client");
    let (orders, payments) = (runtime.machines::<Order>(), runtime.machines::<Payment>());
    let mut victims = [start(&path), start(&path)];
    let mut made = 0_u32;
    for round in 0..kills {
        for _ in 0..10 {
            made += 1;
            let (first, second) = (format!("{made}/a"), format!("{made}/b"));
            let mut group = runtime.group();
            group.add(payments.create(&first, payment::Open));
            group.add(payments.create(&second, payment::Open));
            group.add(orders.create(&made.to_string(), order::Awaiting { payments: vec![first, second] }));
            group.commit().await.expect("it is committed");
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..300))).await;
        kill(std::mem::replace(&mut victims[(round % 2) as usize], start(&path)));
    }
    for id in 1..=made {
        let id = id.to_string();
        orders.wait_for(&id, order::State::Paid, PATIENCE).await.expect("it is paid");
        let history = orders.history(&id, &HistoryQuery::new()).await.expect("its history").items;
        let causes: Vec<&str> = history.iter().map(|entry| entry.cause.as_str()).collect();
        assert_eq!(causes, ["caller", "wait"], "order {id}");
    }
    victims.into_iter().for_each(kill);
    format!("{made} orders, {kills} kills")
}
