//! How work ends with its process, and how the next process takes it over.

use super::{HOUR, SECOND, World, start};
use crate::job::{Do, job, queued};
use crate::with;
use fsm_runtime::{
    HowStopped, Runtime, StoppedWorker,
    store::{Change, Claim, Store, sqlite::Sqlite},
};
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn c5_work_of_a_dead_process_is_taken_over_as_an_attempt() {
    let mut world = World::new().await;
    let call = world.running("a").await;
    let row = world.row("a", |_| true).await;
    // As if a dead process held the claim.
    world.runtime.shutdown(Duration::ZERO).await;
    drop(call);
    let path = world.dir.path().join("jobs.db");
    let store = Sqlite::open(&path).await.unwrap();
    let fence = store.get(row.key.clone()).await.unwrap().unwrap().fence;
    let row = with(row, |row| row.fence = fence);
    let claim = Claim {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: row.fence,
        owner: "dead".into(),
    };
    store.commit(vec![Change::Claim(claim).into()], SystemTime::now()).await.unwrap();
    let (_runtime, mut calls) = start(&path, &world.clock, |b| b).await.unwrap();
    let call = calls.next().await;
    assert_eq!((call.id.as_str(), call.attempt), ("a", 2));
    assert!(call.fence > row.fence + 1);
    assert_eq!(store.get(row.key).await.unwrap().unwrap().error.as_deref(), Some(Claim::CRASH));
}

#[tokio::test]
async fn c8_a_graceful_stop_returns_the_attempt() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    let runtime = world.runtime.clone();
    let stopping = tokio::spawn(async move { runtime.shutdown(Duration::ZERO).await });
    call.draining().await;
    call.cancelled().await;
    drop(call);
    let report = stopping.await.unwrap();
    assert_eq!(summary(&report.stopped), [("a", "Running", HowStopped::Cancelled)]);
    assert_eq!(world.jobs.row("a").await.unwrap().attempt, 0);
    let (_runtime, mut calls) = start(&world.dir.path().join("jobs.db"), &world.clock, |b| b).await.unwrap();
    assert_eq!(calls.next().await.attempt, 1);
}

fn summary(stopped: &[StoppedWorker]) -> Vec<(&str, &str, HowStopped)> {
    stopped.iter().map(|worker| (&*worker.key.id, worker.state.as_str(), worker.how)).collect()
}

#[tokio::test]
async fn c12_a_worker_may_finish_within_the_stop_timeout() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    let runtime = world.runtime.clone();
    let stopping = tokio::spawn(async move { runtime.shutdown(HOUR).await });
    call.draining().await;
    call.tell(Do::Finish(7));
    let report = stopping.await.unwrap();
    assert!(report.stopped.is_empty(), "{report:?}");
    assert_eq!(world.jobs.get("a").await.unwrap().state(), job::State::Finished);
    assert_eq!(world.runtime.shutdown(HOUR).await, report, "a second stop returns the same report");
}

#[tokio::test]
async fn c12_new_work_during_the_stop_is_not_claimed() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    // One waits for a retry, which becomes due during the stop.
    world.running("retry").await.tell(Do::FailFor(SECOND));
    world.row("retry", |row| row.error.is_some()).await;
    let runtime = world.runtime.clone();
    let stopping = tokio::spawn(async move { runtime.shutdown(HOUR / 2).await });
    call.draining().await;
    world.clock.advance(SECOND * 10);
    world.jobs.create("new", queued()).await.unwrap().start().await.unwrap();
    call.tell(Do::Finish(7));
    let report = stopping.await.unwrap();
    assert!(report.stopped.is_empty(), "{report:?}");
    assert!(world.calls.is_over().await, "no other worker started");
    for (id, attempt) in [("retry", 1), ("new", 0)] {
        let row = world.jobs.row(id).await.unwrap();
        assert_eq!((row.attempt, row.owner, row.retry_at.is_some()), (attempt, None, true), "{id}");
    }
    let client = Runtime::builder(Sqlite::open(world.dir.path().join("jobs.db")).await.unwrap()).start().await.unwrap();
    assert_eq!(client.nodes().await.unwrap(), [], "its lease is released");
}

#[tokio::test]
async fn c12_a_worker_past_the_timeout_is_aborted_and_reported() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Hang);
    let runtime = world.runtime.clone();
    let stopping = tokio::spawn(async move { runtime.shutdown(SECOND).await });
    while !stopping.is_finished() {
        world.clock.advance(SECOND);
        tokio::task::yield_now().await;
    }
    assert_eq!(summary(&stopping.await.unwrap().stopped), [("a", "Running", HowStopped::Aborted)]);
    let row = world.jobs.row("a").await.unwrap();
    assert_eq!((row.owner, row.attempt, row.retry_at.is_some()), (None, 0, true));
    assert_eq!(world.calls.running_now(), 0);
}

#[tokio::test]
async fn c12_a_second_stop_returns_the_same_report() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Hang);
    let stop = |deadline| {
        let runtime = world.runtime.clone();
        tokio::spawn(async move { runtime.shutdown(deadline).await })
    };
    let first = stop(SECOND);
    tokio::task::yield_now().await;
    // While the first one waits: a second call with a longer timeout joins the same stop.
    let second = stop(HOUR * 1_000);
    while !(first.is_finished() && second.is_finished()) {
        world.clock.advance(SECOND);
        tokio::task::yield_now().await;
    }
    let report = first.await.unwrap();
    assert_eq!(summary(&report.stopped), [("a", "Running", HowStopped::Aborted)]);
    assert_eq!(second.await.unwrap(), report);
    // The clock is stopped: there is nothing left to wait for.
    assert_eq!(world.runtime.shutdown(HOUR).await, report);
}

/// Runs itself in a process of its own, since other tests have threads too.
#[cfg(target_os = "linux")]
#[test]
fn c16_a_stop_leaves_no_task_thread_or_open_file() {
    const ALONE: &str = "FSM_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return leaves_nothing();
    }
    let name = "controller::stop::c16_a_stop_leaves_no_task_thread_or_open_file";
    let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
    let output = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

#[cfg(target_os = "linux")]
fn leaves_nothing() {
    use std::path::{Path, PathBuf};
    let entries = |path: &str| std::fs::read_dir(path).unwrap().flatten().map(|entry| entry.path());
    let threads = || -> Vec<String> {
        let names = entries("/proc/self/task").filter_map(|task| std::fs::read_to_string(task.join("comm")).ok());
        names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("fsm-")).collect()
    };
    let files = |dir: &Path| -> Vec<PathBuf> {
        let open = entries("/proc/self/fd").filter_map(|link| std::fs::read_link(link).ok());
        open.filter(|file| file.starts_with(dir)).collect()
    };
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    executor.block_on(async {
        let mut world = World::new().await;
        world.barrier("done").await;
        world.running("waits").await.tell(Do::FailFor(HOUR * 5));
        world.running("cut").await.tell(Do::FinishWhenCancelled(1));
        assert!(
            !threads().is_empty() && !files(world.dir.path()).is_empty(),
            "the check finds threads and files before the stop"
        );
        world.runtime.shutdown(Duration::ZERO).await;
        let World { runtime, jobs, calls, clock, dir } = world;
        drop((runtime, jobs, calls, clock));
        // After the last handle is dropped, tasks and threads end by themselves.
        let deadline = std::time::Instant::now() + super::PATIENCE;
        let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        while !(alive() == 0 && threads().is_empty() && files(dir.path()).is_empty()) {
            let left = (alive(), threads(), files(dir.path()));
            assert!(std::time::Instant::now() < deadline, "left behind: tasks, threads, files: {left:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h3_a_stop_returns_and_names_a_blocking_worker() {
    let mut world = World::new().await;
    let (unblock, until) = std::sync::mpsc::channel();
    world.running("a").await.tell(Do::Block(until));
    world.barrier("other").await;
    let runtime = world.runtime.clone();
    let stopping = tokio::spawn(async move { runtime.shutdown(SECOND).await });
    while !stopping.is_finished() {
        world.clock.advance(SECOND);
        tokio::task::yield_now().await;
    }
    assert_eq!(summary(&stopping.await.unwrap().stopped), [("a", "Running", HowStopped::Leaked)]);
    drop(unblock);
}
