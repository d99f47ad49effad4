//! U4: processes that work on sagas are killed at random. By the tables of the providers, each trip is booked completely, or undone
//! completely, in reverse order.

use crate::trips::{self, Client};
use fsm_runtime::prelude::*;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Set for a process that is killed: the folder of the stores.
pub(crate) const VICTIM: &str = "FSM_CRASH_SAGA";
const LEASE: Duration = Duration::from_secs(3);

/// Works on trips until it is killed.
pub(crate) async fn book_until_killed(dir: &Path) {
    let store = Sqlite::open(dir.join("trips.db")).await.expect("the store");
    let builder = trips::working(Runtime::builder(store), dir).lease_ttl(LEASE);
    let _runtime = builder.start().await.expect("a controller");
    std::future::pending::<()>().await;
}

fn start(dir: &Path) -> Child {
    let this = std::env::current_exe().expect("this binary");
    Command::new(this).env(VICTIM, dir).stdin(Stdio::null()).spawn().expect("a process")
}

fn kill(mut victim: Child) {
    victim.kill().expect("SIGKILL");
    victim.wait().expect("it is gone");
}

pub(crate) async fn killed_trips_are_booked_or_undone(kills: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(dir.path().join("trips.db")).await.expect("a store");
    let runtime = Runtime::builder(store).start().await.expect("a client");
    let mut client = Client::new(&runtime, dir.path());
    let mut victims = [start(dir.path()), start(dir.path())];
    for round in 0..kills {
        client.request().await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..200))).await;
        client.cancel_one().await;
        kill(std::mem::replace(&mut victims[(round % 2) as usize], start(dir.path())));
    }
    let ends = client.check().await;
    victims.into_iter().for_each(kill);
    format!("{kills} kills, {ends}")
}
