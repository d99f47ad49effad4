//! Many callers at once, in this process and in others, one of which is killed: their answers are linearizable.

use super::{cases, linearize};
use fsm_runtime::store::{Prune, Store, sqlite::Sqlite};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tests::calls::{
    call::{Asked, Call},
    caller::{CALLS, Caller, INSTANCES, latest, nanos},
};
use tokio::task::JoinSet;

const CALLERS: usize = 6;

/// Runs callers in this process on these handles and returns their calls.
async fn callers_on(handles: &[Sqlite]) -> Vec<Call> {
    let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
    let mut callers = JoinSet::new();
    for n in 0..CALLERS {
        let (store, calls) = (handles[n % handles.len()].clone(), calls.clone());
        callers.spawn(async move {
            let mut own: Vec<Call> = Vec::new();
            let log = |call: &Call| latest(&mut own, call.clone());
            Caller::new(store, log).ask(CALLS).await;
            calls.lock().unwrap().extend(own);
        });
    }
    callers.join_all().await;
    std::mem::take(&mut calls.lock().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn x2_concurrent_calls_are_linearizable() {
    for round in 0..cases(6) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("doors.db");
        // In memory, one handle on a file, and several handles; every second time callers commit in place.
        let handles = match round % 3 {
            0 => vec![Sqlite::in_memory().unwrap()],
            several => {
                let mut handles = Vec::new();
                for _ in 0..several * 2 - 1 {
                    let options = Sqlite::options().commit_in_place(round % 6 > 2);
                    handles.push(options.open(&path).await.unwrap());
                }
                handles
            }
        };
        let calls = callers_on(&handles).await;
        for handle in &handles {
            // Queued behind the dropped calls.
            handle.prune(Prune::default()).await.unwrap();
        }
        linearize::check(&handles[0], &calls, INSTANCES).await;
    }
}

#[tokio::test]
async fn x2_calls_of_several_processes_are_linearizable() {
    for _ in 0..cases(2) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("doors.db");
        let logs: Vec<PathBuf> = (0..3).map(|n| dir.path().join(format!("{n}.log"))).collect();
        let mut processes: Vec<Child> = logs.iter().map(|log| start(&path, log)).collect();
        // After a random number of its calls.
        let (victim, lines) = (&mut processes[0], fastrand::usize(1..CALLS * 4));
        while victim.try_wait().unwrap().is_none()
            && !std::fs::read_to_string(&logs[0]).is_ok_and(|log| log.lines().count() >= lines)
        {
            std::thread::yield_now();
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        for (process, log) in processes.iter_mut().zip(&logs).skip(1) {
            let ended = process.wait().unwrap();
            assert!(ended.success(), "{ended}: {}", std::fs::read_to_string(output(log)).unwrap());
        }
        let calls: Vec<Call> = logs.iter().flat_map(|log| read(log)).collect();
        let store = Sqlite::open(&path).await.unwrap();
        linearize::check(&store, &calls, INSTANCES).await;
    }
}

fn start(path: &Path, log: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    command.arg("call").arg(path).arg(log).stderr(File::create(output(log)).unwrap()).spawn().unwrap()
}

/// The file for a process's error output.
fn output(log: &Path) -> PathBuf {
    log.with_extension("out")
}

fn read(log: &Path) -> Vec<Call> {
    let mut calls: [Vec<Call>; 2] = [Vec::new(), Vec::new()];
    for line in std::fs::read_to_string(log).unwrap().lines() {
        // The last line of a killed process may be cut.
        if let Ok((n, call)) = serde_json::from_str::<(usize, Call)>(line) {
            latest(&mut calls[n], call);
        }
    }
    calls.concat()
}

/// Tests the check: no order explains a change that was acknowledged twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[should_panic(expected = "no order explains the answers")]
async fn a_change_acknowledged_twice_is_detected() {
    let store = Sqlite::in_memory().unwrap();
    let mut calls = callers_on(std::slice::from_ref(&store)).await;
    store.prune(Prune::default()).await.unwrap();
    let made = |call: &&Call| matches!(&call.asked, Asked::Group(_)) && call.made();
    let acknowledged = calls.iter().find(made).unwrap().clone();
    calls.push(Call { called: nanos(), answered: Some(nanos()), ..acknowledged });
    linearize::check(&store, &calls, INSTANCES).await;
}
