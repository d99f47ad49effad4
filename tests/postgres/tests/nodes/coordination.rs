//! G1 to G4 and C24 on a server: the tests of the SQLite store, with the same processes.

#[path = "../../../crash/coordination/mod.rs"]
mod shared;

use shared::{PROCESS, Place, StoreAt};
use std::time::Duration;
use tests_postgres::Server;

/// The limit of a test, beside its random faults.
const PATIENCE: Duration = Duration::from_mins(3);

/// Runs a test whose processes meet in a new schema.
async fn on_a_server(test: impl AsyncFnOnce(Place) -> String) {
    let (server, folder) = (Server::shared(), tempfile::tempdir().unwrap());
    let store = StoreAt::Postgres { url: server.url(), schema: server.new_schema() };
    let arguments = ["--exact", "--nocapture", "coordination::a_process_does_what_it_is_told"].map(str::to_owned);
    let place = Place { store, folder: folder.path().to_owned(), arguments: arguments.into() };
    let done = tokio::time::timeout(super::chaos() + PATIENCE, test(place)).await.expect("in time");
    println!("{done}");
}

/// Is the process itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_does_what_it_is_told() {
    if let Ok(text) = std::env::var(PROCESS) {
        shared::run(&text).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_killed_processes_call_once() {
    on_a_server(shared::killed_processes_call_once).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_killed_and_stopped_holders_lose_their_locks() {
    on_a_server(shared::killed_and_stopped_holders_lose_their_locks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g3_killed_and_stopped_leaders_are_followed() {
    on_a_server(shared::killed_and_stopped_leaders_are_followed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_killed_services_are_gone() {
    on_a_server(shared::killed_services_are_gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c24_killed_and_stopped_processes_keep_to_the_slots() {
    on_a_server(shared::killed_and_stopped_processes_keep_to_the_slots).await;
}
