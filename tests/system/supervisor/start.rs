//! Starts: order, failure, and refused settings.

use super::*;
use fsm_runtime::supervisor::{ChildFailure, SupervisorConfigError, SupervisorStartError};

#[tokio::test]
async fn s1_children_start_in_order_and_stop_in_reverse() {
    let world = World::new();
    let one = |id| world.slow(id, secs(1)).reports_start();
    let builder = world.builder().child(one("a")).child(one("b")).child(one("c"));
    let start = tokio::spawn(builder.start());
    settle().await;
    for id in ["a", "b", "c"] {
        assert_eq!(world.log(), format!("+{id}"), "each child waits until the previous one has started");
        assert!(!start.is_finished());
        world.tell(id, Do::Started).await;
    }
    let supervisor = start.await.unwrap().unwrap();

    let stop = stopping(&supervisor, LATER).await;
    for (log, after) in [("!c", "-c !b"), ("", "-b !a"), ("", "-a")] {
        assert_eq!(world.log(), log);
        assert!(!stop.is_finished());
        world.advance(Duration::from_millis(999)).await;
        assert_eq!(world.log(), "", "each child is cancelled after the previous one has ended");
        world.advance(Duration::from_millis(1)).await;
        assert_eq!(world.log(), after);
    }
    assert_eq!(stop.await.unwrap(), NONE);
}

#[tokio::test]
async fn s1_a_child_without_a_report_counts_as_started() {
    let world = World::new();
    let supervisor = world.builder().child(world.puppet("a")).child(world.puppet("b")).start().await.unwrap();
    assert_eq!(states(&supervisor).await, "a Running 1, b Running 1");
}

#[tokio::test]
async fn s1_a_report_of_an_ended_run_is_ignored() {
    let world = World::new();
    let first: Arc<Mutex<Option<ChildContext>>> = Arc::default();
    let (keep, puppets) = (first.clone(), world.clone());
    let child = Child::new("a", move |ctx| {
        if ctx.run() == 1 {
            ctx.started();
            *keep.lock().unwrap() = Some(ctx.clone());
        }
        puppets.clone().act(ctx, Duration::ZERO)
    });
    let supervisor = world.builder().child(child.reports_start()).start().await.unwrap();
    settle().await;
    world.tell("a", Do::Fail("boom")).await;
    first.lock().unwrap().take().unwrap().started();
    settle().await;
    assert_eq!(states(&supervisor).await, "a Starting 2");
    world.tell("a", Do::Started).await;
    assert_eq!(states(&supervisor).await, "a Running 2");
}

#[tokio::test]
async fn s2_a_child_that_fails_to_start_stops_those_before_it() {
    for (order, cause) in [
        (Do::Fail("no port"), "no port"),
        (Do::Panic("no luck"), "panicked: no luck"),
        (Do::Return, "a permanent child returned"),
    ] {
        let world = World::new();
        let builder = world.builder().child(world.slow("a", secs(1))).child(world.puppet("b"));
        let builder = builder.child(world.puppet("c").reports_start()).child(world.puppet("d"));
        let start = tokio::spawn(builder.start());
        settle().await;
        world.tell("c", order).await;
        assert!(!start.is_finished(), "not before the started children have ended");
        world.advance(secs(1)).await;
        assert_eq!(world.log(), "+a +b +c -c -b !a -a");
        let error = start.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), format!("child `c` failed to start: {cause}"));
        assert!(matches!(error, SupervisorStartError::Child { id, .. } if id == "c"));
    }
}

#[tokio::test]
async fn s2_the_error_holds_the_cause_itself() {
    let child = Child::new("a", |_| async { Err(std::io::Error::from(std::io::ErrorKind::AddrInUse).into()) });
    let error = World::new().builder().child(child.reports_start()).start().await.unwrap_err();
    let SupervisorStartError::Child { failure: ChildFailure::Failed { error, .. }, .. } = error else {
        panic!("{error:?}")
    };
    let cause = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    assert_eq!(cause, Some(std::io::ErrorKind::AddrInUse));
}

#[tokio::test]
async fn s2_an_allowed_return_before_the_report_is_a_start() {
    let world = World::new();
    let builder = world.builder().child(world.puppet("once").transient().reports_start()).child(world.puppet("b"));
    let start = tokio::spawn(builder.start());
    settle().await;
    world.tell("once", Do::Return).await;
    let supervisor = start.await.unwrap().unwrap();
    assert_eq!(states(&supervisor).await, "once Finished 1, b Running 1");
}

#[tokio::test]
async fn s2_a_dropped_start_is_undone() {
    let world = World::new();
    let builder = world.builder().child(world.puppet("a")).child(world.puppet("b").reports_start());
    let start = tokio::spawn(builder.start());
    settle().await;
    assert_eq!(world.log(), "+a +b");
    start.abort();
    settle().await;
    assert_eq!(world.log(), "-b -a");
}

#[tokio::test]
async fn s10_two_children_with_one_id_are_refused() {
    let world = World::new();
    let refused = world.builder().child(world.puppet("a")).child(world.puppet("a")).start().await.unwrap_err();
    assert_eq!(refused.to_string(), "two children have the id `a`");
    settle().await;
    assert_eq!(world.log(), "", "no child was started");
}

#[tokio::test]
async fn s14_limits_without_effect_are_refused() {
    let world = World::new();
    let refused = async |restarts| match world.builder().restarts(restarts).start().await {
        Err(SupervisorStartError::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    };
    for window in [Duration::ZERO, Duration::MAX] {
        assert_eq!(refused(Restarts::Intensity { max: 1, window }).await, SupervisorConfigError::Window { window });
    }
    for (first, longest, reset_after) in [(0, 9, 9), (9, 8, 9), (1, 9, 0)] {
        let (first, longest, reset_after) = (secs(first), secs(longest), secs(reset_after));
        let expected = SupervisorConfigError::Backoff { first, longest, reset_after };
        assert_eq!(refused(Restarts::Backoff { first, longest, limit: 1, reset_after }).await, expected);
    }
    let nothing = [world.puppet("a").heartbeat(Duration::ZERO), world.puppet("a").stall(Duration::ZERO)];
    for child in nothing {
        let error = world.builder().child(child).start().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid timeout of child `a`: heartbeat and stall timeouts must be longer than zero"
        );
    }
    assert_eq!(Restarts::default(), Restarts::Intensity { max: 1, window: secs(5) });
}
