//! Locks and calls that are made once, by processes that are killed.

use super::{
    process::{Node, Process, Role, input_ended},
    soon, until,
    work::options,
};
use fsm_runtime::{Runtime, store::postgres::Postgres};
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write as _,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tests_postgres::Server;

const KILLS: usize = 2;

/// Takes the lock until the standard input ends, and writes down when each turn begins and ends.
pub(crate) async fn lock_again_and_again(node: &Node, store: Postgres) {
    let runtime = Runtime::builder(store).start().await.expect("the node starts");
    println!("ready");
    let file = OpenOptions::new().append(true).create(true).open(node.folder.join("turns")).expect("a file");
    // One write, so that the lines of processes do not mix.
    let write = |what: &str, fence: u64| {
        (&file).write_all(format!("{what} {fence} {}\n", std::process::id()).as_bytes()).expect("a file of the test");
    };
    let turns = async {
        loop {
            let lock = runtime.locks().acquire("printer", node.lease).await.expect("the lock");
            write("begin", lock.fence());
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..10))).await;
            write("end", lock.fence());
            lock.release().await.expect("it is released");
        }
    };
    tokio::select! {
        () = input_ended() => {}
        () = turns => unreachable!("they go on"),
    }
    runtime.shutdown(Duration::from_secs(1)).await;
}

/// What is written down: whether a turn begins, its fence, and its process.
fn turns(node: &Node) -> Vec<(bool, u64, u32)> {
    let text = fs::read_to_string(node.folder.join("turns")).unwrap_or_default();
    let lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    lines.map(|parts| (parts[0] == "begin", parts[1].parse().unwrap(), parts[2].parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_killed_processes_leave_the_lock_to_one_other() {
    let (server, folder) = (Server::shared(), tempfile::tempdir().unwrap());
    let node = Node { role: Role::Locks, ..Node::new(server, folder.path(), "node") };
    let mut processes: Vec<Process> = (0..3).map(|_| Process::start(&node)).collect();
    let mut ended = BTreeSet::new();
    for kill in 0..KILLS {
        let all_take_turns = || {
            let turns = turns(&node);
            processes.iter().all(|process| turns.iter().filter(|(_, _, of)| *of == process.id()).count() > 4)
        };
        until("all processes take turns", async || all_take_turns()).await;
        let killed = std::mem::replace(&mut processes[kill], Process::start(&node));
        ended.insert(killed.id());
        killed.kill();
        let before = turns(&node).len();
        until("another process goes on", async || turns(&node).len() > before).await;
    }
    for process in processes {
        ended.insert(process.id());
        process.end();
    }
    let (mut holder, mut last) = (None, 0);
    for (begins, fence, process) in turns(&node) {
        if begins {
            assert!(fence > last, "{fence} after {last}");
            last = fence;
            if let Some((fence, before)) = holder.replace((fence, process)) {
                assert!(ended.remove(&before), "process {before} had not ended turn {fence} when {process} began");
            }
        } else {
            assert_eq!(holder.take(), Some((fence, process)), "the turn that ends has begun last");
        }
    }
}

/// Begins to charge, and does not end before the standard input does.
pub(crate) async fn charge_without_end(node: &Node, store: Postgres) {
    let runtime = Runtime::builder(store).start().await.expect("the node starts");
    println!("ready");
    let charge = runtime.once::<String>("charge").lease(node.lease).run(async |attempt| {
        println!("charges under {}", attempt.fence());
        std::future::pending::<Result<u64, String>>().await
    });
    tokio::select! {
        () = input_ended() => {}
        charged = charge => panic!("{charged:?}"),
    }
    runtime.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_one_caller_runs_the_function_of_a_killed_process() {
    let (server, folder) = (Server::shared(), tempfile::tempdir().unwrap());
    let node = Node { role: Role::Once, ..Node::new(server, folder.path(), "node") };
    let mut killed = Process::started(&node);
    let line = killed.read("charges under ");
    let first: u64 = line.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    let mut runtimes = Vec::new();
    for _ in 0..2 {
        let store = options(server, &node.schema).open().await.unwrap();
        runtimes.push(Runtime::builder(store).start().await.unwrap());
    }
    let runs = AtomicU32::new(0);
    let call = async |runtime: &Runtime| {
        let charge = runtime.once::<String>("charge").lease(node.lease);
        charge.run(async |attempt| Ok((runs.fetch_add(1, Ordering::Relaxed), attempt.fence()))).await.unwrap()
    };
    let callers =
        async { tokio::join!(call(&runtimes[0]), call(&runtimes[1]), call(&runtimes[0]), call(&runtimes[1])) };
    killed.kill();
    let (a, b, c, d) = soon("the callers", callers).await;
    assert!(a.0 == 0 && a.1 > first, "{a:?} after {first}");
    assert_eq!([b, c, d], [a; 3]);
    assert_eq!(call(&runtimes[1]).await, a, "a later caller");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    for runtime in runtimes {
        runtime.shutdown(Duration::ZERO).await;
    }
}
