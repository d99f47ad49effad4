//! Restarts: which children, how often, and after which delay.

use super::*;
use fsm_runtime::supervisor::{ChildFailure, SupervisorError};
use std::{borrow::Cow, panic::panic_any};

#[tokio::test]
async fn s3_each_restart_type_restarts_as_declared() {
    let policies: [fn(Child) -> Child; 3] = [Child::permanent, Child::transient, Child::temporary];
    let after =
        [("a Running 2", "a Running 2", "a Running 2"), ("a Running 2", "a Running 2", "a Finished 1"), ("", "", "")];
    for (policy, (panicked, failed, returned)) in policies.into_iter().zip(after) {
        for (order, expected) in [(Do::Panic("boom"), panicked), (Do::Fail("error"), failed), (Do::Return, returned)] {
            let world = World::new();
            let supervisor = world.builder().child(policy(world.puppet("a"))).start().await.unwrap();
            settle().await;
            world.tell("a", order).await;
            assert_eq!(states(&supervisor).await, expected);
        }
    }
}

/// Fails at these times; whether the supervisor is alive after each.
async fn stands(max: u32, times: &[u64]) -> Vec<bool> {
    let world = World::new();
    let builder = world.builder().restarts(Restarts::Intensity { max, window: secs(5) });
    let supervisor = builder.child(world.puppet("a")).start().await.unwrap();
    settle().await;
    let (mut now, mut stands) = (0, Vec::new());
    for &time in times {
        world.advance(secs(time - now)).await;
        now = time;
        world.tell("a", Do::Fail("again")).await;
        stands.push(supervisor.children().await.is_ok());
    }
    stands
}

#[tokio::test]
async fn s4_intensity_is_a_sliding_window() {
    assert_eq!(stands(2, &[0, 2, 4]).await, [true, true, false]);
    assert_eq!(stands(2, &[0, 4, 6]).await, [true, true, true]);
    assert_eq!(stands(0, &[100]).await, [false]);
}

#[tokio::test]
async fn s4_giving_up_stops_children_in_reverse_with_the_cause() {
    let world = World::new();
    let builder = world.builder().restarts(Restarts::default()).child(world.puppet("a"));
    let builder = builder.child(world.puppet("b")).child(world.slow("c", secs(1)));
    let supervisor = builder.start().await.unwrap();
    settle().await;
    world.tell("b", Do::Panic("first")).await;
    assert_eq!(world.log(), "+a +b +c -b +b");
    world.tell("b", Do::Panic("second")).await;
    world.advance(secs(1)).await;
    assert_eq!(world.log(), "-b !c -c -a");
    let error = supervisor.ended().await.unwrap_err();
    assert_eq!(error.to_string(), "gave up after 2 failures; child `b` failed last: panicked: second");
    assert!(
        matches!(error, SupervisorError::GaveUp { id, failures: 2, failure: ChildFailure::Panicked { .. }, .. } if id == "b")
    );
    assert!(supervisor.children().await.is_err(), "it has ended");
    assert_eq!(supervisor.shutdown(secs(1)).await.stopped, [], "and can still be shut down");
}

/// A child whose first start succeeds and all later ones fail.
fn never_again(world: &World) -> Child {
    let world = world.clone();
    let make = move |ctx: ChildContext| {
        let world = world.clone();
        async move {
            if ctx.run() > 1 {
                world.say(format!("x{}", ctx.run()));
                return Err("no start".into());
            }
            ctx.started();
            world.act(ctx, Duration::ZERO).await
        }
    };
    Child::new("a", make).reports_start()
}

#[tokio::test]
async fn s8_a_failed_restart_counts_again() {
    let world = World::new();
    let builder = world.builder().restarts(Restarts::Intensity { max: 3, window: secs(5) });
    let supervisor = builder.child(never_again(&world)).start().await.unwrap();
    settle().await;
    world.tell("a", Do::Fail("once")).await;
    assert_eq!(world.log(), "+a -a x2 x3 x4");
    let error = supervisor.ended().await.unwrap_err().to_string();
    assert_eq!(error, "gave up after 4 failures; child `a` failed last: no start");
}

#[tokio::test]
async fn s8_a_failed_restart_of_a_group_counts_again() {
    use fsm_runtime::supervisor::Strategy;
    let world = World::new();
    let builder =
        world.builder().strategy(Strategy::OneForAll).restarts(Restarts::Intensity { max: 2, window: secs(5) });
    let builder = builder.child(world.puppet("z")).child(never_again(&world)).child(world.puppet("b"));
    let supervisor = builder.start().await.unwrap();
    settle().await;
    assert_eq!(world.log(), "+z +a +b");
    world.tell("z", Do::Fail("once")).await;
    assert_eq!(world.log(), "-z -b -a +z x2 -z +z x3 -z", "`b` waits for `a`, which never starts");
    let error = supervisor.ended().await.unwrap_err().to_string();
    assert_eq!(error, "gave up after 3 failures; child `a` failed last: no start");
}

const BACKOFF: Restarts =
    Restarts::Backoff { first: secs(100), longest: secs(300), limit: 3, reset_after: secs(1_000) };

#[tokio::test]
async fn s8_a_failed_restart_counts_as_a_consecutive_failure() {
    let world = World::new();
    let restarts = Restarts::Backoff { first: secs(1), longest: secs(1), limit: 3, reset_after: secs(1_000) };
    let supervisor = world.builder().restarts(restarts).child(never_again(&world)).start().await.unwrap();
    settle().await;
    world.tell("a", Do::Fail("once")).await;
    for log in ["+a -a", "x2", "x3"] {
        assert_eq!(world.log(), log);
        assert_eq!(info(&supervisor, "a").await.state, ChildState::Restarting);
        world.advance(secs(1)).await;
    }
    assert_eq!(world.log(), "x4");
    let error = supervisor.ended().await.unwrap_err().to_string();
    assert_eq!(error, "gave up after 4 failures; child `a` failed last: no start");
}

#[tokio::test]
async fn s18_delays_grow_to_a_cap_until_the_supervisor_ends() {
    let world = World::new();
    let supervisor =
        world.builder().restarts(BACKOFF).child(world.puppet("a")).child(world.puppet("b")).start().await.unwrap();
    settle().await;
    for (run, ceiling) in [(1, 100), (2, 200), (3, 300)] {
        world.tell("a", Do::Fail("again")).await;
        assert_eq!(states(&supervisor).await, format!("a Restarting {run}, b Running 1"));
        world.advance(secs(ceiling)).await;
        assert_eq!(states(&supervisor).await, format!("a Running {}, b Running 1", run + 1));
    }
    world.tell("a", Do::Fail("too often")).await;
    let error = supervisor.ended().await.unwrap_err().to_string();
    assert_eq!(error, "gave up after 4 failures; child `a` failed last: too often");
}

#[tokio::test]
async fn s18_a_long_run_resets_the_delay() {
    let world = World::new();
    let supervisor = world.builder().restarts(BACKOFF).child(world.puppet("a")).start().await.unwrap();
    settle().await;
    for _ in 0..10 {
        world.tell("a", Do::Fail("again")).await;
        world.advance(secs(100)).await;
        assert_eq!(info(&supervisor, "a").await.state, RUNNING, "never later than the first ceiling");
        world.advance(secs(1_000)).await;
    }
    for _ in 0..3 {
        world.tell("a", Do::Fail("again")).await;
        world.advance(secs(300)).await;
    }
    world.advance(secs(699)).await;
    world.tell("a", Do::Fail("a second too early")).await;
    assert!(supervisor.ended().await.is_err());
}

#[tokio::test]
async fn s18_a_manual_restart_resets_the_delay() {
    let world = World::new();
    let supervisor = world.builder().restarts(BACKOFF).child(world.puppet("a")).start().await.unwrap();
    settle().await;
    for _ in 0..5 {
        // Three consecutive failures are allowed.
        for _ in 0..3 {
            world.tell("a", Do::Fail("again")).await;
            world.advance(secs(300)).await;
        }
        supervisor.terminate("a").await.unwrap();
        supervisor.restart("a").await.unwrap();
        settle().await;
    }
    assert_eq!(states(&supervisor).await, "a Running 21");
}

/// The error in the listing of a child that ended so.
async fn last_error(make: fn() -> Result<(), BoxError>) -> String {
    let world = World::new();
    let child = Child::new("a", move |ctx| async move {
        if ctx.run() == 1 {
            make()
        } else {
            ctx.cancelled().await;
            Ok(())
        }
    });
    let supervisor = world.builder().child(child).start().await.unwrap();
    settle().await;
    let child = info(&supervisor, "a").await;
    assert_eq!((child.state, child.restarts), (RUNNING, 1));
    child.last_error.unwrap().to_string()
}

#[tokio::test]
async fn s13_messages_of_panics_and_errors_are_reported() {
    assert_eq!(last_error(|| panic!("text")).await, "panicked: text");
    assert_eq!(last_error(|| panic!("text {}", 2)).await, "panicked: text 2");
    assert_eq!(last_error(|| panic_any(Cow::Borrowed("cow"))).await, "panicked: cow");
    assert_eq!(last_error(|| panic_any(BoxError::from("boxed"))).await, "panicked: boxed");
    assert_eq!(last_error(|| panic_any(-7_i64)).await, "panicked: -7 (a payload of type i64)");
    assert_eq!(last_error(|| panic_any(vec![1])).await, "panicked: a payload that is neither text nor a number");
    assert_eq!(last_error(|| Err("plain".into())).await, "plain");
    let nested = last_error(|| Err(SupervisorError::Gone)?).await;
    assert_eq!(nested, "the supervisor's task has ended");
}

/// An error with a cause, whose `Display` can panic.
#[derive(Debug)]
struct Bad(Option<std::io::Error>);

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "cannot read" } else { panic!("no text") })
    }
}

impl std::error::Error for Bad {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}

#[tokio::test]
async fn s13_errors_are_reported_with_their_causes() {
    assert_eq!(last_error(|| Err(Bad(Some(std::io::Error::other("disk"))).into())).await, "cannot read: disk");
    assert_eq!(last_error(|| Err(Bad(None).into())).await, "panicked: no text");
}

#[tokio::test]
async fn s13_a_panic_in_a_closure_or_drop_is_a_panic_of_the_run() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "dropped");
        }
    }
    let world = World::new();
    let before = Child::new("before", |ctx| {
        assert!(ctx.run() > 1, "no future");
        async move {
            ctx.cancelled().await;
            Ok(())
        }
    });
    let after = Child::new("after", |_| async {
        let _bomb = Bomb;
        std::future::pending().await
    });
    let supervisor = world.builder().child(before).child(after.abort_on_shutdown()).start().await.unwrap();
    settle().await;
    assert_eq!(info(&supervisor, "before").await.last_error.unwrap().to_string(), "panicked: no future");
    supervisor.terminate("after").await.unwrap();
    assert_eq!(info(&supervisor, "after").await.last_error.unwrap().to_string(), "panicked: dropped");
    assert_eq!(states(&supervisor).await, "before Running 2, after Stopped 1", "the supervisor is alive");
}
