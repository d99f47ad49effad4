//! The policy of a state, beside the machine's.

use super::*;
use fsm_runtime::Policy;

#[tokio::test]
async fn c9_a_state_has_its_own_limit_of_attempts() {
    let policy = Policy::new().max_attempts(1);
    let mut world = World::with(|builder| builder.policy::<job::Cancelling>(policy).backoff(SECOND, SECOND)).await;
    world.jobs.create("a", queued()).await.unwrap().cancel().await.unwrap();
    world.calls.next().await.tell(Do::Fail("stuck"));
    world.jobs.wait_for("a", job::State::Failed, PATIENCE).await.unwrap();
    world.running("b").await.tell(Do::Fail("no"));
    let row = world.row("b", |row| row.error.is_some()).await;
    assert_eq!((row.attempt, row.parked), (1, None));
}

#[tokio::test]
async fn c6_a_state_has_its_own_backoff() {
    let policy = Policy::new().backoff(Duration::ZERO, Duration::ZERO);
    let mut world = World::with(|builder| builder.policy::<job::Running>(policy)).await;
    let mut call = world.running("a").await;
    for attempt in 1..=5 {
        assert_eq!(call.attempt, attempt, "at once, with the clock stopped");
        call.tell(Do::Fail("no"));
        call = world.calls.next().await;
    }
}

#[tokio::test]
async fn c3_a_state_has_its_own_grace_period() {
    let policy = Policy::new().grace_period(SECOND);
    let mut world = World::with(|builder| builder.policy::<job::Running>(policy)).await;
    let cancelled = world.running("a").await.tell_and_watch(Do::Hang);
    world.jobs.fire("a", job::event::Cancel).await.unwrap();
    cancelled.await;
    world.clock.advance(SECOND);
    let next = world.calls.next().await;
    assert_eq!((next.id.as_str(), next.state), ("a", job::State::Cancelling));
}

#[tokio::test]
async fn c6_a_full_state_leaves_the_other_states_their_slots() {
    let policy = Policy::new().max_concurrency(2);
    let mut world = World::with(|builder| builder.policy::<job::Running>(policy).max_concurrency(3)).await;
    let mut running = std::collections::VecDeque::from([world.running("a").await, world.running("b").await]);
    for id in ["c", "d"] {
        world.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
    }
    world.jobs.create("other", queued()).await.unwrap().cancel().await.unwrap();
    let other = world.calls.next().await;
    assert_eq!(
        (other.id.as_str(), other.state),
        ("other", job::State::Cancelling),
        "it runs before instances without a slot"
    );
    for expected in ["c", "d"] {
        assert!(world.calls.is_empty());
        running.pop_front().unwrap().tell(Do::Finish(1));
        let call = world.calls.next().await;
        assert_eq!(call.id, expected);
        running.push_back(call);
    }
    assert_eq!(world.calls.most_at_once(), 3);
}

#[tokio::test]
async fn invalid_policies_are_refused() {
    let bare = || Runtime::builder(Sqlite::in_memory().unwrap());
    let builder = || bare().machine::<Job, _>(puppets().0);
    let of = "the policy of `Job` in state `Running`: ";
    for (builder, why) in [
        (
            builder().policy::<job::Running>(Policy::new().heartbeat(Duration::ZERO)),
            "`heartbeat`: must be longer than zero",
        ),
        (builder().policy::<job::Running>(Policy::new()).policy::<job::Running>(Policy::new()), "it is given twice"),
        (bare().policy::<job::Running>(Policy::new()), "its machine is not registered with `Builder::machine`"),
    ] {
        assert_eq!(builder.start().await.unwrap_err().to_string(), format!("{of}{why}"));
    }
}
