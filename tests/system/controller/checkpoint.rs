//! Checkpoints: what a worker saves for its next attempt.

use super::{PATIENCE, SECOND, World, start};
use crate::job::{Do, job};
use fsm_runtime::{
    clock::ManualClock,
    store::{Change, Claim, Key, Row, Store, sqlite::Sqlite},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tests_disk::{Disk, Fault, Operation};
use tokio::sync::oneshot;

#[tokio::test]
async fn a_checkpoint_is_passed_to_the_next_attempt() {
    let mut world = World::new().await;
    let call = world.running("a").await;
    assert_eq!(call.progress, None);
    call.tell(Do::Checkpoint(3, Box::new(Do::Checkpoint(7, Box::new(Do::FailFor(SECOND))))));
    let row = world.row("a", |row| row.error.is_some()).await;
    assert_eq!((row.checkpoint.as_deref(), row.version, row.attempt), (Some("7"), 2, 1));
    assert_eq!(world.history("a").await.len(), 2, "a checkpoint is not in the history");
    world.clock.advance(SECOND);
    let call = world.calls.next().await;
    assert_eq!((call.attempt, call.progress), (2, Some(7)));
    call.tell(Do::Again(SECOND));
    world.row("a", |row| row.attempt == 0).await;
    world.clock.advance(SECOND);
    let call = world.calls.next().await;
    assert_eq!((call.attempt, call.progress), (1, Some(7)), "a requeue keeps the visit");
    call.tell(Do::Permanent("no"));
    world.row("a", |row| row.parked.is_some()).await;
    world.jobs.unpark("a").await.unwrap();
    assert_eq!(world.calls.next().await.progress, Some(7), "a release by an operator keeps it");
}

#[tokio::test]
async fn c3_a_new_visit_starts_without_a_checkpoint() {
    let mut world = World::new().await;
    let cancelled = world.running("a").await.tell_and_watch(Do::Checkpoint(7, Box::new(Do::Hang)));
    world.row("a", |row| row.checkpoint.is_some()).await;
    world.jobs.fire("a", job::event::Restart).await.unwrap();
    assert_eq!(world.jobs.row("a").await.unwrap().checkpoint, None);
    tokio::time::timeout(PATIENCE, cancelled).await.unwrap();
    world.clock.advance(SECOND * 5);
    let call = world.calls.next().await;
    assert_eq!((call.version, call.attempt, call.progress), (3, 1, None));
}

#[tokio::test]
async fn c5_the_checkpoint_of_a_dead_process_is_taken_over() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Checkpoint(7, Box::new(Do::FailFor(SECOND))));
    world.row("a", |row| row.error.is_some()).await;
    world.runtime.shutdown(Duration::ZERO).await;
    // As if a dead process held the claim.
    let path = world.dir.path().join("jobs.db");
    let store = Sqlite::open(&path).await.unwrap();
    let Row { key, incarnation, version, fence, .. } = world.jobs.row("a").await.unwrap();
    let claim = Claim { key, incarnation, version, fence, owner: "dead".into() };
    store.commit(vec![Change::Claim(claim).into()], SystemTime::now()).await.unwrap();
    let (_runtime, mut calls) = start(&path, &world.clock, |b| b).await.unwrap();
    let call = calls.next().await;
    assert_eq!((call.id.as_str(), call.progress), ("a", Some(7)));
}

#[tokio::test]
async fn c4_a_checkpoint_after_the_instance_moved_on_is_refused() {
    let mut world = World::new().await;
    let ((tell, command), (reply, hear)) = (oneshot::channel(), oneshot::channel());
    let mut cancelled = world.running("a").await.tell_and_watch(Do::CheckpointWhen(command, 7, reply));
    world.jobs.fire("a", job::event::Restart).await.unwrap();
    tokio::time::timeout(PATIENCE, &mut cancelled).await.unwrap();
    tell.send(()).unwrap();
    let reply = tokio::time::timeout(PATIENCE, hear).await.unwrap().unwrap();
    let expected = "Err(Job `a` has left the state or was claimed by another worker, so the results of this worker are refused \
                    (retryable))";
    assert_eq!(reply, expected);
    let call = world.calls.next().await;
    assert_eq!((call.version, call.attempt, call.progress), (3, 1, None));
}

#[tokio::test]
async fn an_unreadable_checkpoint_parks_the_instance() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Checkpoint(7, Box::new(Do::FailFor(SECOND))));
    world.row("a", |row| row.error.is_some()).await;
    let sql = "UPDATE fsm_instances SET checkpoint = '\"seven\"'";
    rusqlite::Connection::open(world.dir.path().join("jobs.db")).unwrap().execute_batch(sql).unwrap();
    world.clock.advance(SECOND);
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(
        row.parked.as_deref(),
        Some(
            "permanent error: the stored checkpoint of Job `a` in `Running` is not a valid `u32` (invalid type: string \
             \"seven\", expected u32 at line 1 column 7): make the type read the stored form (`#[serde(alias)]`, \
             `#[serde(default)]`), or fire an event: the checkpoint is dropped when the state is left"
        )
    );
    assert_eq!(row.checkpoint.as_deref(), Some("\"seven\""), "the stored checkpoint is kept");
    assert!(world.calls.is_empty());
    world.jobs.fire("a", job::event::Restart).await.unwrap();
    assert_eq!(world.calls.next().await.progress, None);
}

#[tokio::test]
async fn a_checkpoint_does_not_wake_waiters_for_transitions() {
    let mut world = World::new().await;
    let call = world.running("a").await;
    let (looks, jobs) = (Arc::<AtomicU32>::default(), world.jobs.clone());
    let (begun, waits) = oneshot::channel();
    let waiting = tokio::spawn({
        let (looks, begun) = (looks.clone(), std::sync::Mutex::new(Some(begun)));
        async move {
            let wanted = |state| {
                // Each look asks once whether this state is there or can follow.
                looks.fetch_add(u32::from(state == job::State::Finished), Ordering::Relaxed);
                begun.lock().unwrap().take().map(|begun| begun.send(()));
                state == job::State::Finished
            };
            jobs.wait_until("a", PATIENCE, "the end", wanted).await.map(drop)
        }
    });
    waits.await.unwrap();
    let (finish, command) = oneshot::channel();
    call.tell(Do::Checkpoint(7, Box::new(Do::FinishWhen(command, 1))));
    world.row("a", |row| row.checkpoint.is_some()).await;
    // When another instance has finished, every woken waiter has looked.
    world.barrier("other").await;
    finish.send(()).unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(looks.load(Ordering::Relaxed), 2, "one look at the start and one at the end");
}

/// A runtime on a disk that can fail, and a worker of `a`.
struct Failing {
    world: World,
    disk: Disk,
}

impl Failing {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let disk = Disk::under(dir.path());
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let (runtime, calls) = start(&dir.path().join("jobs.db"), &clock, |b| b).await.unwrap();
        let jobs = runtime.machines();
        Self { world: World { runtime, jobs, calls, clock, dir }, disk }
    }

    /// Commands the worker while the disk fails. When this returns, the worker has tried: its change is in the store's queue
    /// before the one of this task, since both run on one thread.
    async fn command_without_disk(&mut self, what: Do) {
        let call = self.world.running("a").await;
        self.disk.fail(Operation::Write, 0, Fault::Full);
        call.tell(what);
        for _ in 0..3 {
            self.world.jobs.create("another", crate::job::queued()).await.unwrap_err();
        }
        assert_eq!(self.world.jobs.row("a").await.unwrap().checkpoint, None);
    }
}

#[tokio::test]
async fn c17_a_checkpoint_waits_for_the_store_and_work_goes_on() {
    let mut failing = Failing::new().await;
    failing.command_without_disk(Do::Checkpoint(7, Box::new(Do::Checkpoint(8, Box::new(Do::FailFor(SECOND)))))).await;
    // For many retries.
    for _ in 0..5 {
        failing.world.clock.advance(SECOND);
        failing.world.jobs.create("another", crate::job::queued()).await.unwrap_err();
    }
    let row = failing.world.jobs.row("a").await.unwrap();
    assert_eq!((row.checkpoint, row.error, row.attempt), (None, None, 1), "the worker still runs");
    failing.disk.heal();
    let clock = failing.world.clock.clone();
    let row = failing
        .world
        .row("a", |row| {
            // In steps so small that the state's timer stays in the future.
            clock.advance(SECOND / 10);
            row.error.is_some()
        })
        .await;
    assert_eq!((row.checkpoint.as_deref(), row.error.as_deref()), (Some("8"), Some("not now")));
}

#[tokio::test]
async fn c17_a_cancelled_worker_sees_its_checkpoint_fail() {
    let mut failing = Failing::new().await;
    let ((tell, command), (reply, hear)) = (oneshot::channel(), oneshot::channel());
    tell.send(()).unwrap();
    failing.command_without_disk(Do::CheckpointWhen(command, 7, reply)).await;
    let Failing { world, disk } = failing;
    let stopping = world.runtime.shutdown(Duration::ZERO);
    let hearing = async { tokio::time::timeout(PATIENCE, hear).await.unwrap().unwrap() };
    let (_, reply) = tokio::join!(stopping, hearing);
    assert!(reply.starts_with("Err(") && reply.contains("jobs.db") && reply.contains("full"), "{reply}");
    disk.heal();
    let path = world.dir.path().join("jobs.db");
    let row = Sqlite::open(&path).await.unwrap().get(Key::new("Job", "a")).await.unwrap().unwrap();
    assert_eq!((row.checkpoint, row.version, row.attempt), (None, 2, 1), "no part of it was stored");
    assert!(row.owner.is_some(), "the claim stays for another process");
}

/// A process that stops while the disk fails cannot release its claims. The next process takes them over at once,
/// before the lease lapses.
#[tokio::test]
async fn c17_claims_on_a_full_disk_are_taken_over_when_space_returns() {
    let mut failing = Failing::new().await;
    failing.command_without_disk(Do::Checkpoint(7, Box::new(Do::Hang))).await;
    failing.world.runtime.shutdown(Duration::ZERO).await;
    failing.disk.heal();
    let row = failing.world.jobs.row("a").await.unwrap();
    assert!(row.owner.is_some(), "the claim is not released: {row:?}");
    let held = failing.world.runtime.nodes().await.unwrap();
    assert!(
        held.iter().any(|lease| lease.live && Some(&lease.owner) == row.owner.as_ref()),
        "the lease lives: {held:?}"
    );
    // The stopped runtime is still a handle for reading.
    let path = failing.world.dir.path().join("jobs.db");
    let (runtime, mut calls) = start(&path, &failing.world.clock, |b| b).await.unwrap();
    let call = calls.next().await;
    assert_eq!((call.id.as_str(), call.attempt, call.progress), ("a", 2, None));
    let processes = runtime.nodes().await.unwrap();
    assert_eq!(
        processes.iter().filter(|lease| lease.live).count(),
        1,
        "the lease of the dead process has ended: {processes:?}"
    );
}

/// The lease is longer than the test.
#[tokio::test]
async fn c17_ending_the_lease_of_a_dead_process_is_retried() {
    let mut failing = Failing::new().await;
    let path = failing.world.dir.path().join("jobs.db");
    failing.command_without_disk(Do::Checkpoint(7, Box::new(Do::Hang))).await;
    failing.disk.heal();
    let (_other, mut calls) = start(&path, &failing.world.clock, |b| b).await.unwrap();
    failing.disk.fail(Operation::Write, 0, Fault::Full);
    failing.world.runtime.shutdown(Duration::ZERO).await;
    // For many scans.
    for _ in 0..20 {
        failing.world.clock.advance(SECOND / 2);
        failing.world.jobs.create("another", crate::job::queued()).await.unwrap_err();
    }
    assert!(calls.is_empty());
    failing.disk.heal();
    let clock = &failing.world.clock;
    failing
        .world
        .row("a", |row| {
            // In steps so small that the state's timer stays in the future.
            clock.advance(SECOND / 10);
            row.attempt == 2
        })
        .await;
    assert_eq!(calls.next().await.id, "a");
}
