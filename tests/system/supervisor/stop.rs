//! Stops: cancellation, timeout, abort, and the report.

use super::*;

#[tokio::test]
async fn s9_a_child_past_its_shutdown_timeout_is_aborted() {
    let world = World::new();
    let builder = world.builder().child(world.puppet("polite")).child(world.deaf("deaf"));
    let builder = builder.child(world.deaf("short").shutdown_timeout(secs(1)));
    let builder = builder.child(world.deaf("brutal").abort_on_shutdown()).child(world.slow("slow", secs(4)));
    let supervisor = builder.start().await.unwrap();
    settle().await;
    world.log();
    let stop = stopping(&supervisor, LATER).await;
    assert_eq!(world.log(), "!slow");
    world.advance(secs(4)).await;
    assert_eq!(world.log(), "-slow -brutal !short", "brutal is not cancelled first");
    world.advance(secs(1)).await;
    assert_eq!(world.log(), "-short !deaf");
    world.advance(Duration::from_millis(4_999)).await;
    assert_eq!(world.log(), "");
    world.advance(Duration::from_millis(1)).await;
    assert_eq!(world.log(), "-deaf -polite");
    assert_eq!(stop.await.unwrap(), ["deaf Aborted", "short Aborted"]);
    assert!(supervisor.ended().await.is_ok());
}

#[tokio::test]
async fn s9_the_shutdown_timeout_wins_over_the_sum_of_timeouts() {
    let world = World::new();
    let builder = world.builder().child(world.deaf("a")).child(world.deaf("b").shutdown_without_end());
    let supervisor = builder.child(world.deaf("c")).start().await.unwrap();
    settle().await;
    world.log();
    let stop = stopping(&supervisor, secs(7)).await;
    world.advance(secs(5)).await;
    assert_eq!(world.log(), "!c -c !b");
    world.advance(secs(2)).await;
    let mut rest: Vec<String> = world.log().split(' ').map(str::to_owned).collect();
    rest.sort();
    assert_eq!(rest, ["-a", "-b"]);
    assert_eq!(stop.await.unwrap(), ["a Aborted", "b Aborted", "c Aborted"]);
}

#[tokio::test]
async fn s9_a_second_shorter_shutdown_ends_an_unlimited_one() {
    let world = World::new();
    let supervisor = world.builder().child(world.deaf("a").shutdown_without_end()).start().await.unwrap();
    settle().await;
    let first = stopping(&supervisor, Duration::MAX).await;
    world.advance(LATER * 1_000).await;
    assert!(!first.is_finished());
    let second = stopping(&supervisor, secs(1)).await;
    world.advance(secs(1)).await;
    assert_eq!(first.await.unwrap(), ["a Aborted"]);
    assert_eq!(second.await.unwrap(), ["a Aborted"], "both get the same report");
    let third = supervisor.shutdown(secs(1)).await;
    assert_eq!(third.stopped.len(), 1, "as does a later call");
}

#[tokio::test]
async fn s9_a_second_shutdown_keeps_the_earlier_timeout() {
    let world = World::new();
    let supervisor = world.builder().child(world.deaf("a").shutdown_without_end()).start().await.unwrap();
    settle().await;
    let first = stopping(&supervisor, secs(2)).await;
    let second = stopping(&supervisor, LATER).await;
    world.advance(secs(2)).await;
    assert_eq!(first.await.unwrap(), ["a Aborted"]);
    assert_eq!(second.await.unwrap(), ["a Aborted"]);
}

#[tokio::test]
async fn s9_an_error_after_cancellation_is_not_a_failure() {
    let world = World::new();
    let child = Child::new("a", |ctx| async move {
        ctx.cancelled().await;
        Err("interrupted".into())
    });
    let supervisor = world.builder().restarts(Restarts::Intensity { max: 0, window: secs(1) }).child(child);
    let supervisor = supervisor.start().await.unwrap();
    supervisor.terminate("a").await.unwrap();
    assert_eq!(states(&supervisor).await, "a Stopped 1");
    assert!(info(&supervisor, "a").await.last_error.is_none());
}

#[tokio::test]
async fn s9_dropping_the_last_handle_stops_the_children() {
    let world = World::new();
    let supervisor = world.builder().child(world.puppet("a")).child(world.puppet("b")).start().await.unwrap();
    settle().await;
    let clone = supervisor.clone();
    drop(supervisor);
    settle().await;
    assert_eq!(world.log(), "+a +b");
    drop(clone);
    settle().await;
    assert_eq!(world.log(), "-b -a");
}

#[tokio::test]
async fn s16_dynamic_children_stop_in_parallel() {
    let world = World::new();
    let supervisor = world.builder().child(world.slow("first", secs(1))).start().await.unwrap();
    for n in 0..100 {
        supervisor.start_child(world.deaf(&format!("w{n}"))).await.unwrap();
    }
    settle().await;
    let counts = supervisor.counts().await.unwrap();
    assert_eq!((counts.specs, counts.active, counts.workers, counts.supervisors), (101, 101, 101, 0));
    world.log();
    let stop = stopping(&supervisor, LATER).await;
    assert_eq!(world.log().matches("!w").count(), 100);
    let counts = supervisor.counts().await.unwrap();
    assert_eq!((counts.specs, counts.active), (101, 101));
    world.advance(secs(5)).await;
    let log = world.log();
    assert_eq!(log.matches("-w").count(), 100, "five seconds for all of them");
    assert!(log.ends_with("!first"), "{log}");
    let counts = supervisor.counts().await.unwrap();
    assert_eq!((counts.specs, counts.active), (101, 1));
    world.advance(secs(1)).await;
    assert_eq!(stop.await.unwrap().len(), 100);
}

#[tokio::test]
async fn s17_the_next_run_starts_after_the_previous_one_ended() {
    let world = World::new();
    let supervisor = world.builder().child(world.deaf("a").heartbeat(secs(10))).start().await.unwrap();
    settle().await;
    world.advance(secs(10)).await;
    assert_eq!(world.log(), "+a !a");
    assert_eq!(states(&supervisor).await, "a Stopping 1");
    world.advance(Duration::from_millis(4_999)).await;
    assert_eq!(world.log(), "");
    world.advance(Duration::from_millis(1)).await;
    assert_eq!(world.log(), "-a +a");
    assert_eq!(states(&supervisor).await, "a Running 2");
}
