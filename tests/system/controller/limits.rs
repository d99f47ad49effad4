//! The rate and the circuit breaker of a state.

use super::*;
use fsm_runtime::{
    Policy, Rate, WaitsFor,
    breaker::{Breaker, Circuit},
};

const TEN_SECONDS: Duration = Duration::from_secs(10);

/// What `id` waits for in this process.
fn waits_for(world: &World, id: &str) -> Option<WaitsFor> {
    let workers = world.runtime.status().workers;
    workers.into_iter().find(|worker| &*worker.key.id == id).and_then(|worker| worker.waits_for)
}

/// Starts job `id`, whose work waits then.
async fn waiting(world: &World, id: &str) -> WaitsFor {
    world.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
    until("it waits", async || waits_for(world, id).is_some()).await;
    waits_for(world, id).unwrap()
}

#[tokio::test]
async fn c22_work_waits_for_its_rate_without_slot_or_attempt() {
    let policy = Policy::new().rate(Rate::new(1, TEN_SECONDS).burst(2));
    let mut world = World::with(|builder| builder.policy::<job::Running>(policy).max_concurrency(3)).await;
    let (_first, _second) = (world.running("a").await, world.running("b").await);
    assert_eq!(waiting(&world, "c").await, WaitsFor::Rate { left: TEN_SECONDS });
    waiting(&world, "d").await;
    let row = world.jobs.row("c").await.unwrap();
    assert_eq!((row.attempt, row.owner, row.retry_at.is_some()), (0, None, true));
    let error = world.jobs.wait_for("c", job::State::Finished, Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.ends_with("its work waits for its rate, for another 10.0s"), "{error}");
    assert!(world.runtime.status().to_string().contains("waits for its rate, for another 10.0s"));

    // The third slot is free for other states.
    world.jobs.create("other", queued()).await.unwrap().cancel().await.unwrap();
    world.calls.next().await.tell(Do::Finish(0));

    world.clock.advance(TEN_SECONDS);
    let third = world.calls.next().await;
    assert_eq!((third.id.as_str(), third.attempt), ("c", 1));
    third.tell(Do::Finish(1));
    assert!(world.calls.is_empty());
    world.clock.advance(TEN_SECONDS);
    assert_eq!(world.calls.next().await.id, "d");
}

#[tokio::test]
async fn c22_a_rate_counts_each_key_by_itself() {
    let limits = |builder: Builder| {
        let policy = Policy::new().rate(Rate::new(1, TEN_SECONDS));
        builder.policy::<job::Running>(policy).limit_by(|running: &job::Running| running.name.clone())
    };
    let mut world = World::with(limits).await;
    let create = async |id: &str, name: &str| {
        let queued = job::Queued { name: name.into() };
        world.jobs.create(id, queued).await.unwrap().start().await.unwrap();
    };
    create("a", "ada").await;
    assert_eq!(world.calls.next().await.id, "a");
    create("b", "ada").await;
    until("it waits", async || waits_for(&world, "b").is_some()).await;
    create("c", "bob").await;
    assert_eq!(world.calls.next().await.id, "c");
    world.clock.advance(TEN_SECONDS);
    assert_eq!(world.calls.next().await.id, "b");
}

#[tokio::test]
async fn c22_an_instance_that_moves_on_gives_its_place_up() {
    let policy = Policy::new().rate(Rate::new(1, TEN_SECONDS));
    let mut world = World::with(|builder| builder.policy::<job::Running>(policy)).await;
    let _first = world.running("a").await;
    waiting(&world, "b").await;
    waiting(&world, "c").await;
    world.jobs.fire("b", job::event::Cancel).await.unwrap();
    world.calls.next().await.tell(Do::Finish(0));
    world.jobs.wait_for("b", job::State::Cancelled, PATIENCE).await.unwrap();
    world.clock.advance(TEN_SECONDS);
    assert_eq!(world.calls.next().await.id, "c");
}

fn breaker(world_clock: &ManualClock) -> Breaker {
    let options = Breaker::options("printer").failures_in_a_row(2).open_for(TEN_SECONDS);
    options.clock(world_clock.clock()).build().unwrap()
}

#[tokio::test]
async fn c23_an_open_circuit_holds_work_back_without_attempts() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let printer = breaker(&clock);
    let at_once = || Policy::new().backoff(Duration::ZERO, Duration::ZERO).breaker(&printer);
    let limits = |builder: Builder| builder.policy::<job::Running>(at_once()).policy::<job::Cancelling>(at_once());
    let mut world = World::at(clock, limits).await;
    world.running("a").await.tell(Do::Fail("503"));
    let again = world.calls.next().await;
    assert_eq!(again.attempt, 2);
    again.tell(Do::Fail("503"));
    until("the circuit opens", async || matches!(printer.circuit(), Circuit::Open { .. })).await;
    until("it waits", async || waits_for(&world, "a").is_some()).await;
    let open = WaitsFor::Breaker { name: "printer".into(), left: Some(TEN_SECONDS) };
    assert_eq!(waits_for(&world, "a"), Some(open.clone()));
    assert_eq!(world.jobs.row("a").await.unwrap().attempt, 2);
    let status = world.runtime.status();
    assert_eq!(status.breakers[0].last_error.as_deref(), Some("503"));
    let text = status.to_string();
    assert!(text.contains("breaker `printer`: OPEN for another 10.0s, last error: 503"), "{text}");

    // The other state calls the same printer.
    world.jobs.create("b", queued()).await.unwrap().cancel().await.unwrap();
    until("it waits", async || waits_for(&world, "b") == Some(open.clone())).await;

    // One probe at a time.
    world.clock.advance(TEN_SECONDS);
    let probe = world.calls.next().await;
    assert_eq!(printer.circuit(), Circuit::HalfOpen);
    let other = if probe.id == "a" { "b" } else { "a" };
    let probing = Some(WaitsFor::Breaker { name: "printer".into(), left: None });
    until("it waits for the probe", async || waits_for(&world, other) == probing).await;
    probe.tell(Do::Finish(1));
    let next = world.calls.next().await;
    assert_eq!((next.id.as_str(), printer.circuit()), (other, Circuit::Closed));
}

#[tokio::test]
async fn c23_a_failed_probe_opens_the_circuit_again() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let printer = breaker(&clock);
    let policy = Policy::new().backoff(Duration::ZERO, Duration::ZERO).breaker(&printer);
    let mut world = World::at(clock, |builder| builder.policy::<job::Running>(policy)).await;
    world.running("a").await.tell(Do::Fail("503"));
    world.calls.next().await.tell(Do::Panic("no paper"));
    until("the circuit opens", async || matches!(printer.circuit(), Circuit::Open { .. })).await;
    world.clock.advance(TEN_SECONDS);
    let probe = world.calls.next().await;
    assert_eq!(probe.attempt, 3);
    probe.tell(Do::Fail("503"));
    until("the circuit opens", async || matches!(printer.circuit(), Circuit::Open { .. })).await;
    // An operator knows better.
    printer.reset();
    assert_eq!(world.calls.next().await.attempt, 4);
}

#[tokio::test]
async fn c23_only_failures_of_the_provider_count() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let printer = breaker(&clock);
    let policy = Policy::new().breaker(&printer);
    let mut world = World::at(clock, |builder| builder.policy::<job::Running>(policy)).await;
    for id in ["a", "b", "c"] {
        world.running(id).await.tell(Do::Permanent("no such page"));
        world.row(id, |row| row.parked.is_some()).await;
    }
    let mut call = world.running("d").await;
    world.jobs.fire("d", job::event::Cancel).await.unwrap();
    call.cancelled().await;
    call.tell(Do::Fail("cancelled"));
    world.calls.next().await.tell(Do::Finish(0));
    world.jobs.wait_for("d", job::State::Cancelled, PATIENCE).await.unwrap();
    assert_eq!((printer.circuit(), printer.status().failures_in_a_row), (Circuit::Closed, 0));
}

#[tokio::test]
async fn c23_overdue_workers_count_as_failures() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let printer = breaker(&clock);
    let policy = Policy::new().breaker(&printer).attempt_timeout(SECOND).grace_period(SECOND).max_attempts(1);
    let mut world = World::at(clock, |builder| builder.policy::<job::Running>(policy)).await;
    for id in ["a", "b"] {
        let cancelled = world.running(id).await.tell_and_watch(Do::Hang);
        world.clock.advance(SECOND);
        cancelled.await;
        world.clock.advance(SECOND);
        world.row(id, |row| row.parked.is_some()).await;
    }
    assert!(matches!(printer.circuit(), Circuit::Open { .. }));
}

#[tokio::test]
async fn a_key_without_a_limit_is_refused() {
    let builder = Runtime::builder(Sqlite::in_memory().unwrap()).machine::<Job, _>(puppets().0);
    let error = builder.limit_by(|running: &job::Running| running.name.clone()).start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the policy of `Job` in state `Running`: `limit_by` has no effect without a limit: set `Policy::rate` or \
         `Policy::concurrency_over_all`"
    );
}

#[test]
fn invalid_breakers_are_refused() {
    let options = || Breaker::options("b");
    for (options, setting) in [
        (Breaker::options(" "), "name"),
        (options().failures_in_a_row(0), "failures_in_a_row"),
        (options().without_failures_in_a_row(), "failures_in_a_row"),
        (options().failure_rate(0.0, SECOND, 1), "failure_rate"),
        (options().failure_rate(1.1, SECOND, 1), "failure_rate"),
        (options().failure_rate(f64::NAN, SECOND, 1), "failure_rate"),
        (options().failure_rate(0.5, Duration::ZERO, 1), "failure_rate"),
        (options().failure_rate(0.5, Duration::MAX, 1), "failure_rate"),
        (options().failure_rate(0.5, SECOND, 0), "failure_rate"),
        (options().open_for(Duration::ZERO), "open_for"),
        (options().open_for(Duration::MAX), "open_for"),
        (options().probes(0), "probes"),
    ] {
        let error = options.build().unwrap_err();
        assert_eq!(error.setting, setting, "{error}");
    }
    let only_rate = options().without_failures_in_a_row().failure_rate(0.5, SECOND, 10);
    assert!(only_rate.build().is_ok());
}

async fn until(what: &str, mut right: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !right().await {
        assert!(std::time::Instant::now() < deadline, "still waiting: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fsm_core::diagram!(Circuit in "../docs/patterns.md");
