//! U4: nodes that work on sagas are killed at random.

use super::{
    chaos,
    process::{Node, Process, Role, input_ended},
    trips::{self, Client},
    work::options,
};
use fsm_runtime::{Runtime, store::postgres::Postgres};
use std::time::{Duration, Instant};
use tests_postgres::Server;

const PROCESSES: usize = 3;

/// Works on trips until the standard input ends.
pub(crate) async fn book(node: &Node, store: Postgres) {
    let builder = trips::working(Runtime::builder(store), &node.folder).node(&node.name).lease_ttl(node.lease);
    let runtime = builder.poll_interval(Duration::from_millis(500)).start().await.expect("the node starts");
    println!("ready");
    input_ended().await;
    runtime.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u4_trips_on_killed_nodes_are_booked_or_undone() {
    let (server, folder) = (Server::shared(), tempfile::tempdir().unwrap());
    let node = Node { role: Role::Trips, ..Node::new(server, folder.path(), "node") };
    let runtime = Runtime::builder(options(server, &node.schema).open().await.unwrap()).start().await.unwrap();
    let mut client = Client::new(&runtime, folder.path());
    let start = |place: usize| Process::start(&node.named(&format!("node{place}")));
    let mut processes: Vec<Process> = (0..PROCESSES).map(start).collect();
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < chaos() / 3 {
        client.request().await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..500))).await;
        client.cancel_one().await;
        let place = fastrand::usize(..PROCESSES);
        std::mem::replace(&mut processes[place], start(place)).kill();
        kills += 1;
    }
    let ends = client.check().await;
    println!("{kills} kills, {ends}");
    assert!(ends.booked > 0 && ends.half_undone > 0, "{ends}");
    processes.into_iter().for_each(Process::end);
    runtime.shutdown(Duration::ZERO).await;
}
