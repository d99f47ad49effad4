//! Heartbeats and progress.

use super::*;
use fsm_runtime::supervisor::ChildFailure;

#[tokio::test]
async fn h1_a_silent_child_is_restarted_and_a_beating_one_runs_on() {
    let world = World::new();
    let supervisor = world.builder().child(world.puppet("a").heartbeat(secs(10))).start().await.unwrap();
    settle().await;
    for _ in 0..5 {
        world.advance(Duration::from_millis(9_999)).await;
        world.tell("a", Do::Beat).await;
    }
    assert_eq!(states(&supervisor).await, "a Running 1");
    world.advance(Duration::from_millis(9_999)).await;
    assert_eq!(info(&supervisor, "a").await.last_beat, Some(Duration::from_millis(9_999)));
    assert_eq!(states(&supervisor).await, "a Running 1", "not before it is due");
    world.advance(Duration::from_millis(1)).await;
    let child = info(&supervisor, "a").await;
    assert_eq!((child.runs, child.restarts), (2, 1));
    let failure = child.last_error.unwrap();
    assert_eq!(failure.to_string(), "missed heartbeat: no beat for 10.0s");
    assert!(matches!(failure, ChildFailure::MissedHeartbeat { silent } if silent == secs(10)));
}

#[tokio::test]
async fn h1_a_missed_heartbeat_counts_as_a_failure() {
    let world = World::new();
    let builder = world.builder().restarts(Restarts::Intensity { max: 1, window: secs(60) });
    let supervisor = builder.child(world.puppet("a").transient().heartbeat(secs(10))).start().await.unwrap();
    settle().await;
    world.advance(secs(10)).await;
    world.advance(secs(10)).await;
    let error = supervisor.ended().await.unwrap_err().to_string();
    assert_eq!(error, "gave up after 2 failures; child `a` failed last: missed heartbeat: no beat for 10.0s");
}

#[tokio::test]
async fn h1_a_silent_start_fails() {
    let world = World::new();
    let builder = world.builder().child(world.puppet("a").reports_start().heartbeat(secs(10)));
    let start = tokio::spawn(builder.start());
    settle().await;
    world.advance(secs(10)).await;
    let error = start.await.unwrap().unwrap_err().to_string();
    assert_eq!(error, "child `a` failed to start: missed heartbeat: no beat for 10.0s");
}

#[tokio::test]
async fn h2_a_stalled_progress_value_is_a_livelock() {
    let world = World::new();
    let builder = world.builder().child(world.puppet("asked").heartbeat(secs(10)).stall(secs(30)));
    let supervisor = builder.child(world.puppet("did-not").heartbeat(secs(10))).start().await.unwrap();
    settle().await;
    let step = async |value| {
        world.advance(secs(5)).await;
        for id in ["asked", "did-not"] {
            world.tell(id, Do::Progress(value)).await;
        }
    };
    for value in 0..20 {
        step(value).await;
    }
    for _ in 0..5 {
        step(19).await;
    }
    assert_eq!(states(&supervisor).await, "asked Running 1, did-not Running 1");
    world.advance(secs(5)).await;
    assert_eq!(states(&supervisor).await, "asked Running 2, did-not Running 1");
    let failure = info(&supervisor, "asked").await.last_error.unwrap();
    assert_eq!(failure.to_string(), "stalled: no progress for 30.0s, although it was beating");
}

#[tokio::test]
async fn h3_a_child_is_aborted_after_its_grace_period() {
    let world = World::new();
    let child = world.deaf("a").heartbeat(secs(10)).shutdown_timeout(secs(2));
    let supervisor = world.builder().child(child).start().await.unwrap();
    settle().await;
    world.advance(secs(10)).await;
    assert_eq!(world.log(), "+a !a");
    world.tell("a", Do::Beat).await;
    world.advance(secs(2)).await;
    assert_eq!(world.log(), "-a +a", "a late beat does not prevent the restart");
    assert_eq!(states(&supervisor).await, "a Running 2");
}

#[tokio::test]
async fn h6_with_many_children_every_beat_counts() {
    let world = World::new();
    let mut builder = world.builder();
    for n in 0..1_000 {
        let child = Child::new(format!("{n}"), |ctx| async move {
            while !ctx.is_cancelled() {
                ctx.beat();
                ctx.clock().sleep(Duration::from_millis(900)).await;
            }
            Ok(())
        });
        builder = builder.child(child.heartbeat(secs(1)));
    }
    let supervisor = builder.child(world.puppet("silent").heartbeat(secs(1))).start().await.unwrap();
    settle().await;
    let mut silent = 0;
    for tenth in 1..=50 {
        world.advance(Duration::from_millis(100)).await;
        silent = tenth / 10;
        assert_eq!(info(&supervisor, "silent").await.runs, 1 + silent, "exactly each second");
    }
    let children = supervisor.children().await.unwrap();
    let restarted: Vec<_> = children.iter().filter(|child| child.restarts > 0).map(|child| child.id.as_str()).collect();
    assert_eq!((restarted, silent), (vec!["silent"], 5));
}
