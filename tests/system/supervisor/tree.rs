//! Supervisors under supervisors.

use super::*;
use fsm_runtime::supervisor::{ChildError, ChildFailure, Strategy, SupervisorError};

/// A supervisor `inner` with puppets `x` and `y`, which gives up at its second failure.
fn inner(world: &World) -> Child {
    let world = world.clone();
    Child::supervisor("inner", move || {
        let restarts = Restarts::Intensity { max: 1, window: secs(5) };
        Supervisor::builder().restarts(restarts).child(world.puppet("x")).child(world.puppet("y"))
    })
}

#[tokio::test]
async fn s11_an_inner_supervisor_that_gives_up_counts_as_failed() {
    for policy in [Child::permanent, Child::transient] {
        let world = World::new();
        let builder = world.builder().strategy(Strategy::RestForOne).child(world.puppet("a"));
        let supervisor = builder.child(policy(inner(&world))).child(world.puppet("b")).start().await.unwrap();
        settle().await;
        assert_eq!(world.log(), "+a +x +y +b", "it has started when its children have started");
        world.tell("x", Do::Panic("one")).await;
        assert_eq!(world.log(), "-x +x");
        assert_eq!(states(&supervisor).await, "a Running 1, inner Running 1, b Running 1");
        world.tell("x", Do::Panic("two")).await;
        assert_eq!(world.log(), "-x -y -b +x +y +b");
        assert_eq!(states(&supervisor).await, "a Running 1, inner Running 2, b Running 2");
        let Some(ChildFailure::Failed { text, error }) = info(&supervisor, "inner").await.last_error else { panic!() };
        assert_eq!(text, "gave up after 2 failures; child `x` failed last: panicked: two");
        assert!(matches!(error.downcast_ref(), Some(SupervisorError::GaveUp { id, .. }) if id == "x"));
    }
}

#[tokio::test]
async fn s11_each_giving_up_counts_in_the_parent() {
    let world = World::new();
    let builder = world.builder().restarts(Restarts::Intensity { max: 1, window: secs(60) }).child(world.puppet("a"));
    let supervisor = builder.child(inner(&world)).start().await.unwrap();
    settle().await;
    for failures in 1..=4 {
        assert!(supervisor.children().await.is_ok(), "after {failures} failures");
        world.tell("x", Do::Panic("boom")).await;
    }
    assert_eq!(world.log(), "+a +x +y -x +x -x -y +x +y -x +x -x -y -a");
    let error = supervisor.ended().await.unwrap_err().to_string();
    let below = "gave up after 2 failures; child `x` failed last: panicked: boom";
    assert_eq!(error, format!("gave up after 2 failures; child `inner` failed last: {below}"));
}

#[tokio::test]
async fn s11_a_failed_inner_start_fails_the_parent_start() {
    let world = World::new();
    let below = world.clone();
    let builder = world.builder().child(world.puppet("a")).child(Child::supervisor("inner", move || {
        Supervisor::builder().child(below.puppet("x")).child(below.puppet("y").reports_start())
    }));
    let start = tokio::spawn(builder.start());
    settle().await;
    world.tell("y", Do::Fail("no port")).await;
    assert_eq!(world.log(), "+a +x +y -y -x -a");
    let error = start.await.unwrap().unwrap_err().to_string();
    assert_eq!(error, "child `inner` failed to start: child `y` failed to start: no port");

    let twins =
        Child::supervisor("inner", || Supervisor::builder().restarts(Restarts::Intensity { max: 1, window: secs(0) }));
    let error = world.builder().child(twins).start().await.unwrap_err().to_string();
    assert!(error.starts_with("child `inner` failed to start: invalid restart window 0ns"), "{error}");
}

#[tokio::test]
async fn s1_a_tree_stops_from_its_leaves() {
    let world = World::new();
    let below = world.clone();
    let builder = world.builder().child(world.puppet("a")).child(Child::supervisor("inner", move || {
        Supervisor::builder().child(below.puppet("x")).child(below.deaf("y").shutdown_timeout(secs(60)))
    }));
    let supervisor = builder.child(world.puppet("b")).start().await.unwrap();
    settle().await;
    world.log();
    let stop = stopping(&supervisor, LATER).await;
    assert_eq!(world.log(), "-b !y");
    world.advance(secs(59)).await;
    assert_eq!(world.log(), "", "the timeout of a supervisor is unlimited");
    world.advance(secs(1)).await;
    assert_eq!(world.log(), "-y -x -a");
    assert_eq!(stop.await.unwrap(), ["inner/y Aborted"]);
}

#[tokio::test]
async fn s9_the_shutdown_timeout_applies_to_the_whole_tree() {
    let world = World::new();
    let below = world.clone();
    let builder = world.builder().child(Child::supervisor("inner", move || {
        let deeper = below.clone();
        Supervisor::builder().child(Child::supervisor("deep", move || {
            Supervisor::builder().child(deeper.deaf("x").shutdown_without_end())
        }))
    }));
    let supervisor = builder.start().await.unwrap();
    settle().await;
    let stop = stopping(&supervisor, secs(3)).await;
    assert_eq!(world.log(), "+x !x");
    world.advance(secs(3)).await;
    assert_eq!(world.log(), "-x", "aborted supervisors leave no child running");
    assert_eq!(stop.await.unwrap(), ["inner Aborted", "inner/deep Aborted", "inner/deep/x Aborted"]);
}

#[tokio::test]
async fn s12_nested_supervisors_are_reachable() {
    let world = World::new();
    let supervisor = world.builder().child(world.puppet("a")).child(inner(&world)).start().await.unwrap();
    let below = supervisor.supervisor("inner").await.unwrap();
    below.start_child(world.puppet("z")).await.unwrap();
    assert_eq!(states(&below).await, "x Running 1, y Running 1, z Running 1");
    let counts = supervisor.counts().await.unwrap();
    assert_eq!((counts.specs, counts.supervisors, counts.workers), (2, 1, 1));
    assert!(matches!(supervisor.supervisor("a").await, Err(ChildError::NotASupervisor(_))));
    assert!(matches!(supervisor.supervisor("q").await, Err(ChildError::NotFound(_))));
    supervisor.terminate("inner").await.unwrap();
    assert!(matches!(supervisor.supervisor("inner").await, Err(ChildError::Stopping(_))));
    assert!(matches!(below.counts().await, Err(ChildError::Ended)));
    assert!(below.ended().await.is_ok());
    supervisor.restart("inner").await.unwrap();
    let below = supervisor.supervisor("inner").await.unwrap();
    assert_eq!(states(&below).await, "x Running 1, y Running 1", "built again");
}

#[tokio::test]
async fn h4_an_idle_supervisor_beats() {
    let world = World::new();
    let supervisor = world.builder().child(inner(&world)).start().await.unwrap();
    for _ in 0..60 {
        world.advance(secs(1)).await;
        assert!(info(&supervisor, "inner").await.last_beat.unwrap() <= secs(4));
    }
    assert_eq!(states(&supervisor).await, "inner Running 1");
}
