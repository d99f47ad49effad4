//! Commands on single children, with the answers of OTP.

use super::*;
use fsm_runtime::supervisor::ChildError;

fn text<T: std::fmt::Debug>(result: Result<T, ChildError>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn s10_terminate_keeps_the_entry_and_remove_deletes_it() {
    let world = World::new();
    let builder = world.builder().restarts(Restarts::Intensity { max: 0, window: secs(1) });
    let supervisor = builder.child(world.puppet("a")).child(world.puppet("t").temporary()).start().await.unwrap();
    settle().await;
    assert_eq!(text(supervisor.remove("a").await), "child `a` is running");
    assert_eq!(text(supervisor.restart("a").await), "child `a` is running");
    supervisor.terminate("a").await.unwrap();
    supervisor.terminate("a").await.unwrap();
    supervisor.terminate("t").await.unwrap();
    assert_eq!(states(&supervisor).await, "a Stopped 1", "not a failure, and `t` is removed");
    assert_eq!(
        text(supervisor.start_child(world.puppet("a")).await),
        "child `a` already exists and is stopped; use `restart` or `remove`"
    );
    supervisor.restart("a").await.unwrap();
    assert_eq!(states(&supervisor).await, "a Running 2");
    assert_eq!(info(&supervisor, "a").await.restarts, 0, "a manual start does not count");
    assert_eq!(text(supervisor.start_child(world.puppet("a")).await), "child `a` is already started");
    supervisor.terminate("a").await.unwrap();
    supervisor.remove("a").await.unwrap();
    assert_eq!(states(&supervisor).await, "");
    for missing in [supervisor.terminate("a").await, supervisor.restart("a").await, supervisor.remove("a").await] {
        assert_eq!(text(missing), "there is no child `a`");
    }
    supervisor.start_child(world.puppet("a")).await.unwrap();
    assert_eq!(states(&supervisor).await, "a Running 1");
    supervisor.shutdown(secs(1)).await;
    assert_eq!(text(supervisor.start_child(world.puppet("b")).await), "the supervisor has ended");
    assert_eq!(text(supervisor.counts().await), "the supervisor has ended");
}

#[tokio::test]
async fn s10_a_failed_manual_start_is_not_counted() {
    let world = World::new();
    let builder = world.builder().restarts(Restarts::Intensity { max: 0, window: secs(1) });
    let supervisor = builder.start().await.unwrap();
    let start = |child: Child| {
        tokio::spawn({
            let supervisor = supervisor.clone();
            async move { supervisor.start_child(child).await }
        })
    };
    let failing = start(world.puppet("new").reports_start());
    settle().await;
    assert!(!failing.is_finished());
    world.tell("new", Do::Fail("no")).await;
    assert_eq!(text(failing.await.unwrap()), "child `new` failed to start: no");
    assert_eq!(states(&supervisor).await, "", "a failed new child is not kept");

    let starting = start(world.puppet("old").reports_start());
    settle().await;
    world.tell("old", Do::Started).await;
    starting.await.unwrap().unwrap();
    supervisor.terminate("old").await.unwrap();
    let again = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.restart("old").await }
    });
    settle().await;
    world.tell("old", Do::Panic("no")).await;
    assert_eq!(text(again.await.unwrap()), "child `old` failed to start: panicked: no");
    assert_eq!(states(&supervisor).await, "old Stopped 2", "a failed old child is kept as it was");

    let stopped = start(world.puppet("slow").reports_start());
    settle().await;
    supervisor.terminate("slow").await.unwrap();
    assert_eq!(text(stopped.await.unwrap()), "child `slow` is stopping");
    assert_eq!(
        text(supervisor.start_child(world.puppet("x").heartbeat(Duration::ZERO)).await),
        "invalid timeout of child `x`: heartbeat and stall timeouts must be longer than zero"
    );
}

const SLOWLY: Restarts = Restarts::Backoff { first: LATER, longest: LATER, limit: 100, reset_after: LATER };

#[tokio::test]
async fn s15_terminate_works_at_once_in_a_restart_loop() {
    let world = World::new();
    let supervisor = world.builder().restarts(SLOWLY).child(world.puppet("a")).start().await.unwrap();
    settle().await;
    world.tell("a", Do::Fail("again")).await;
    assert_eq!(states(&supervisor).await, "a Restarting 1");
    assert_eq!(supervisor.counts().await.unwrap().restarting, 1);
    assert_eq!(text(supervisor.restart("a").await), "child `a` is restarting");
    assert_eq!(text(supervisor.remove("a").await), "child `a` is restarting");
    assert_eq!(text(supervisor.start_child(world.puppet("a")).await), "child `a` is already started");
    supervisor.terminate("a").await.unwrap();
    assert_eq!(states(&supervisor).await, "a Stopped 1");
    world.advance(LATER).await;
    assert_eq!(states(&supervisor).await, "a Stopped 1", "the pending restart is cancelled");
    supervisor.restart("a").await.unwrap();
    settle().await;
    world.tell("a", Do::Fail("again")).await;
    assert_eq!(supervisor.shutdown(secs(1)).await.stopped, [], "and a shutdown ends it");
    world.advance(LATER).await;
    assert_eq!(world.log(), "+a -a +a -a");
}

#[tokio::test]
async fn s15_commands_work_while_a_child_fails_continuously() {
    let world = World::new();
    let fast = Child::new("fast", |_| async { Err("at once".into()) });
    let builder = world.builder().restarts(Restarts::Intensity { max: u32::MAX, window: secs(5) });
    let supervisor = builder.child(fast.clone()).start().await.unwrap();
    until(async || (info(&supervisor, "fast").await.runs > 100).then_some(())).await;
    supervisor.terminate("fast").await.unwrap();
    let runs = info(&supervisor, "fast").await.runs;
    settle().await;
    assert_eq!(states(&supervisor).await, format!("fast Stopped {runs}"));
    supervisor.remove("fast").await.unwrap();
    supervisor.start_child(fast).await.unwrap();
    assert_eq!(supervisor.shutdown(secs(5)).await.stopped, [], "during the failures");
}

#[tokio::test]
async fn s15_a_shutdown_cancels_a_pending_restart() {
    let world = World::new();
    let builder = world.builder().restarts(SLOWLY).child(world.slow("slow", LATER).shutdown_without_end());
    let supervisor = builder.child(world.puppet("a")).start().await.unwrap();
    settle().await;
    world.tell("a", Do::Fail("again")).await;
    let stop = stopping(&supervisor, LATER * 2).await;
    assert_eq!(world.log(), "+slow +a -a !slow");
    world.advance(LATER).await;
    assert_eq!(world.log(), "-slow");
    assert_eq!(stop.await.unwrap(), NONE);
}

#[tokio::test]
async fn s15_commands_on_a_stopping_child_return_its_state() {
    let world = World::new();
    let supervisor = world.builder().child(world.slow("a", secs(3))).start().await.unwrap();
    settle().await;
    let stops: Vec<_> = (0..2)
        .map(|_| {
            tokio::spawn({
                let supervisor = supervisor.clone();
                async move { supervisor.terminate("a").await }
            })
        })
        .collect();
    settle().await;
    assert_eq!(text(supervisor.restart("a").await), "child `a` is stopping");
    assert_eq!(text(supervisor.remove("a").await), "child `a` is stopping");
    assert!(stops.iter().all(|stop| !stop.is_finished()));
    world.advance(secs(3)).await;
    for stop in stops {
        stop.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn s15_terminate_in_the_grace_period_cancels_the_restart() {
    let world = World::new();
    let supervisor = world.builder().child(world.deaf("a").heartbeat(secs(1))).start().await.unwrap();
    settle().await;
    world.advance(secs(1)).await;
    assert_eq!(text(supervisor.restart("a").await), "child `a` is restarting");
    let stop = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.terminate("a").await }
    });
    settle().await;
    world.advance(secs(5)).await;
    stop.await.unwrap().unwrap();
    assert_eq!(states(&supervisor).await, "a Stopped 1");
}
