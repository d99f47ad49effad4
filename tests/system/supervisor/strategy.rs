//! Strategies: which children restart with the failed one.

use super::*;
use fsm_runtime::supervisor::Strategy;

async fn abc(world: &World, strategy: Strategy) -> Supervisor {
    let builder = world.builder().strategy(strategy).restarts(Restarts::Intensity { max: 2, window: secs(5) });
    let supervisor =
        builder.child(world.puppet("a")).child(world.puppet("b")).child(world.puppet("c")).start().await.unwrap();
    settle().await;
    assert_eq!(world.log(), "+a +b +c");
    supervisor
}

#[tokio::test]
async fn s5_one_for_one_leaves_siblings_untouched() {
    let world = World::new();
    let supervisor = abc(&world, Strategy::OneForOne).await;
    world.tell("b", Do::Panic("boom")).await;
    assert_eq!(world.log(), "-b +b");
    assert_eq!(states(&supervisor).await, "a Running 1, b Running 2, c Running 1");
}

#[tokio::test]
async fn s6_one_for_all_restarts_all_in_order() {
    let world = World::new();
    let supervisor = abc(&world, Strategy::OneForAll).await;
    for runs in [2, 3] {
        world.tell("b", Do::Panic("boom")).await;
        assert_eq!(world.log(), "-b -c -a +a +b +c");
        assert_eq!(states(&supervisor).await, format!("a Running {runs}, b Running {runs}, c Running {runs}"));
    }
    assert_eq!(info(&supervisor, "a").await.restarts, 2);
    assert!(info(&supervisor, "a").await.last_error.is_none());
    world.tell("a", Do::Panic("the third: each restart of all has counted as one")).await;
    assert_eq!(world.log(), "-a -c -b");
    assert!(supervisor.ended().await.is_err());
}

#[tokio::test]
async fn s6_temporary_children_go_and_terminated_ones_stay_stopped() {
    let world = World::new();
    let builder = world.builder().strategy(Strategy::OneForAll).child(world.puppet("a"));
    let builder = builder.child(world.puppet("temporary").temporary()).child(world.puppet("other").temporary());
    let builder = builder.child(world.puppet("done").transient()).child(world.puppet("stopped"));
    let supervisor = builder.start().await.unwrap();
    settle().await;
    world.log();
    world.tell("other", Do::Panic("it triggers nothing")).await;
    world.tell("done", Do::Return).await;
    supervisor.terminate("stopped").await.unwrap();
    assert_eq!(world.log(), "-other -done -stopped");
    assert_eq!(states(&supervisor).await, "a Running 1, temporary Running 1, done Finished 1, stopped Stopped 1");
    world.tell("a", Do::Fail("now")).await;
    assert_eq!(world.log(), "-a -temporary +a +done", "a returned child starts with the others, as in OTP");
    assert_eq!(states(&supervisor).await, "a Running 2, done Running 2, stopped Stopped 1");
    supervisor.restart("stopped").await.unwrap();
    assert_eq!(states(&supervisor).await, "a Running 2, done Running 2, stopped Running 2");
}

#[tokio::test]
async fn s15_a_manual_restart_waits_for_the_restart_of_its_group() {
    let world = World::new();
    let builder = world.builder().strategy(Strategy::OneForAll).child(world.puppet("a")).child(world.puppet("b"));
    let supervisor = builder.child(world.slow("c", secs(1))).start().await.unwrap();
    settle().await;
    supervisor.terminate("b").await.unwrap();
    world.log();
    world.tell("a", Do::Fail("boom")).await;
    assert_eq!(supervisor.restart("b").await.unwrap_err().to_string(), "child `b` is restarting");
    let added = tokio::spawn({
        let (supervisor, child) = (supervisor.clone(), world.puppet("d"));
        async move { supervisor.start_child(child).await }
    });
    settle().await;
    assert_eq!(states(&supervisor).await, "a Restarting 1, b Stopped 1, c Stopping 1, d Waiting 0");
    world.advance(secs(1)).await;
    assert_eq!(world.log(), "-a !c -c +a +c +d", "a new child starts with its group");
    added.await.unwrap().unwrap();
    supervisor.restart("b").await.unwrap();
    assert_eq!(states(&supervisor).await, "a Running 2, b Running 2, c Running 2, d Running 1");
}

#[tokio::test]
async fn s7_rest_for_one_restarts_the_later_children() {
    let world = World::new();
    let supervisor = abc(&world, Strategy::RestForOne).await;
    world.tell("b", Do::Fail("boom")).await;
    assert_eq!(world.log(), "-b -c +b +c");
    world.tell("c", Do::Fail("boom")).await;
    assert_eq!(world.log(), "-c +c");
    assert_eq!(states(&supervisor).await, "a Running 1, b Running 2, c Running 3");
}

#[tokio::test]
async fn s7_an_earlier_failure_extends_the_restart() {
    let world = World::new();
    let builder = world.builder().strategy(Strategy::RestForOne).child(world.puppet("a")).child(world.puppet("b"));
    let supervisor = builder.child(world.puppet("c")).child(world.slow("d", secs(1))).start().await.unwrap();
    settle().await;
    world.log();
    world.tell("c", Do::Fail("first")).await;
    assert_eq!(world.log(), "-c !d");
    world.tell("b", Do::Fail("meanwhile")).await;
    world.advance(secs(1)).await;
    assert_eq!(world.log(), "-b -d +b +c +d");
    assert_eq!(states(&supervisor).await, "a Running 1, b Running 2, c Running 2, d Running 2");
}

#[tokio::test]
async fn s7_a_later_failure_keeps_the_restart() {
    let world = World::new();
    let builder = world.builder().strategy(Strategy::RestForOne).child(world.puppet("a")).child(world.puppet("b"));
    let supervisor = builder.child(world.puppet("c")).child(world.slow("d", secs(1))).start().await.unwrap();
    settle().await;
    world.log();
    world.tell("b", Do::Fail("first")).await;
    world.tell("c", Do::Fail("before it was told")).await;
    world.advance(secs(1)).await;
    assert_eq!(world.log(), "-b !d -c -d +b +c +d");
    assert_eq!(states(&supervisor).await, "a Running 1, b Running 2, c Running 2, d Running 2");
}

#[tokio::test]
async fn s6_a_group_with_backoff_waits_together() {
    let world = World::new();
    let restarts = Restarts::Backoff { first: secs(100), longest: secs(100), limit: 1, reset_after: secs(1) };
    let builder = world.builder().strategy(Strategy::OneForAll).restarts(restarts);
    let supervisor = builder.child(world.puppet("a")).child(world.puppet("b")).start().await.unwrap();
    settle().await;
    world.tell("a", Do::Fail("boom")).await;
    assert_eq!(world.log(), "+a +b -a -b");
    assert_eq!(states(&supervisor).await, "a Restarting 1, b Restarting 1");
    world.advance(secs(100)).await;
    assert_eq!(world.log(), "+a +b");
}

#[tokio::test]
async fn s6_an_added_child_takes_its_place_in_the_group() {
    let world = World::new();
    let supervisor = abc(&world, Strategy::OneForAll).await;
    supervisor.start_child(world.puppet("d")).await.unwrap();
    settle().await;
    world.tell("d", Do::Fail("boom")).await;
    assert_eq!(world.log(), "+d -d -c -b -a +a +b +c +d");
}
