//! Processes that are killed, stopped and ended at random.

use super::{
    chaos,
    process::{Node, Process, now},
    until,
    witness::{Faults, Witness},
};
use rustix::process::Signal;
use std::{
    thread,
    time::{Duration, Instant},
};
use tests_postgres::Server;

const PROCESSES: usize = 8;

/// Kills, stops and ends processes at random for some time; the last ones finish the remaining instances.
fn torment(node: &Node, duration: Duration) -> (Faults, Vec<Process>) {
    let mut faults = Faults::default();
    let start = |place: usize| Process::start(&Node { callers: 2, ..node.named(&format!("node{place}")) });
    let mut processes: Vec<Process> = (0..PROCESSES).map(start).collect();
    let began = Instant::now();
    while began.elapsed() < duration {
        thread::sleep(Duration::from_millis(fastrand::u64(50..700)));
        let place = fastrand::usize(..PROCESSES);
        match fastrand::u8(..10) {
            0..6 => {
                let killed = std::mem::replace(&mut processes[place], start(place));
                let pid = killed.id();
                killed.kill();
                faults.kills.push((pid, now()));
            }
            6..8 => std::mem::replace(&mut processes[place], start(place)).end(),
            _ => {
                let stopped = now();
                processes[place].signal(Signal::STOP);
                // Longer than the lease, at times.
                thread::sleep(Duration::from_millis(fastrand::u64(1..4_500)));
                processes[place].signal(Signal::CONT);
                faults.stops.entry(processes[place].id()).or_default().push((stopped, now()));
            }
        }
    }
    (faults, processes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n2_killed_processes_lose_nothing_acknowledged() {
    let (server, folder) = (Server::shared(), tempfile::tempdir().unwrap());
    let node = Node::new(server, folder.path(), "node");
    let (faults, processes) = tokio::task::spawn_blocking({
        let node = node.clone();
        move || torment(&node, chaos())
    })
    .await
    .unwrap();
    let witness = Witness::new(server, &node).await;
    // The callers go on: they end with their processes, and one process finishes the rest.
    let last = Process::started(&node.named("last"));
    for process in processes {
        process.end();
    }
    until("all instances end", async || witness.under_way().await == 0).await;
    last.end();
    let summary = witness.check(&faults).await;
    println!("{} kills, {} stopped processes, {summary:?}", faults.kills.len(), faults.stops.len());
    assert!(!faults.kills.is_empty() && summary.instances > 50 && summary.results > 100, "{summary:?}");
}
