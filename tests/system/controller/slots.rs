//! The limit on concurrent workers, and their order.

use super::{PATIENCE, World};
use crate::job::{Do, job, queued};

#[tokio::test]
async fn c6_with_one_slot_each_gets_its_turn() {
    let mut world = World::with(|builder| builder.max_concurrency(1)).await;
    for n in 0..1_000 {
        world.jobs.create(&format!("{n:03}"), queued()).await.unwrap().start().await.unwrap();
    }
    let mut done = Vec::new();
    for _ in 0..1_000 {
        let call = world.calls.next().await;
        assert!(world.calls.is_empty());
        done.push(call.id.clone());
        call.tell(Do::Finish(1));
    }
    world.jobs.wait_for(done.last().unwrap(), job::State::Finished, PATIENCE).await.unwrap();
    assert_eq!(world.calls.most_at_once(), 1);
    done.sort();
    done.dedup();
    assert_eq!(done.len(), 1_000);
}
