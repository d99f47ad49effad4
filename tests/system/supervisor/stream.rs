//! Saved positions, and one output stream over restarts.

use super::*;
use fsm_runtime::supervisor::{PositionError, Strategy};

/// Emits the items, and panics at a negative one.
fn ward(output: mpsc::Sender<i32>, items: &'static [i32], remembers: bool) -> Child {
    Child::new("ward", move |ctx| {
        let output = output.clone();
        async move {
            let mut at = if remembers { ctx.saved()?.unwrap_or(0_usize) } else { 0 };
            while let Some(&item) = items.get(at) {
                at += 1;
                ctx.passing(at)?;
                assert!(item > 0, "{item} is poison");
                ctx.hand_on(&output, item, at).await?;
            }
            Ok(())
        }
    })
    .transient()
}

#[tokio::test]
async fn h5_one_receiver_gets_each_good_value_once_in_order() {
    for room in [1, 16] {
        let world = World::new();
        let (output, mut stream) = mpsc::channel(room);
        let supervisor = world.builder().child(ward(output, &[1, 2, -1, 3, 4, 5], true)).start().await.unwrap();
        for expected in 1..=5 {
            assert_eq!(stream.recv().await, Some(expected));
        }
        settle().await;
        assert_eq!(states(&supervisor).await, "ward Finished 2");
        assert!(stream.try_recv().is_err());
    }
}

#[tokio::test]
async fn h5_without_a_position_a_run_starts_at_the_first_item() {
    let world = World::new();
    let (output, mut stream) = mpsc::channel(1);
    let builder = world.builder().restarts(Restarts::Intensity { max: 2, window: secs(5) });
    let supervisor = builder.child(ward(output, &[1, 2, -1, 3], false)).start().await.unwrap();
    for expected in [1, 2, 1, 2, 1, 2] {
        assert_eq!(stream.recv().await, Some(expected));
    }
    let error = supervisor.ended().await.unwrap_err().to_string();
    assert_eq!(error, "gave up after 3 failures; child `ward` failed last: panicked: -1 is poison");
}

#[tokio::test]
async fn h5_a_stopped_run_gets_its_item_again() {
    let world = World::new();
    let (output, mut stream) = mpsc::channel(1);
    let builder = world.builder().strategy(Strategy::OneForAll);
    let builder = builder.child(world.puppet("other")).child(ward(output, &[1, 2, 3, 4], true));
    let supervisor = builder.start().await.unwrap();
    settle().await;
    // 1 fills the channel; the ward waits to emit 2.
    world.tell("other", Do::Fail("takes the ward along")).await;
    world.tell("other", Do::Fail("and again")).await;
    assert_eq!(info(&supervisor, "ward").await.runs, 3);
    for expected in 1..=4 {
        assert_eq!(stream.recv().await, Some(expected));
    }
    settle().await;
    assert!(stream.try_recv().is_err());
}

#[tokio::test]
async fn h5_waiting_for_the_consumer_is_not_silence() {
    let world = World::new();
    let (output, mut stream) = mpsc::channel(1);
    let child = ward(output, &[1, 2, 3], true).heartbeat(secs(1)).stall(secs(1));
    let supervisor = world.builder().child(child).start().await.unwrap();
    settle().await;
    for expected in 1..=3 {
        for _ in 0..10 {
            world.advance(secs(1)).await;
        }
        assert_eq!(stream.recv().await, Some(expected));
        settle().await;
    }
    assert_eq!(states(&supervisor).await, "ward Finished 1");
}

#[tokio::test]
async fn h5_the_position_lives_as_long_as_the_entry() {
    let world = World::new();
    let seen: Arc<Mutex<Vec<Option<u32>>>> = Arc::default();
    let child = Child::new("a", {
        let seen = seen.clone();
        move |ctx| {
            let seen = seen.clone();
            async move {
                let saved = ctx.saved::<u32>()?;
                seen.lock().unwrap().push(saved);
                ctx.save(saved.unwrap_or(0) + 1)?;
                assert_eq!(ctx.saved::<u64>().unwrap_err().to_string(), "the saved position is a `u32`, not a `u64`");
                ctx.cancelled().await;
                Ok(())
            }
        }
    });
    let supervisor = world.builder().child(child.clone()).start().await.unwrap();
    settle().await;
    supervisor.terminate("a").await.unwrap();
    supervisor.restart("a").await.unwrap();
    settle().await;
    supervisor.terminate("a").await.unwrap();
    supervisor.remove("a").await.unwrap();
    supervisor.start_child(child).await.unwrap();
    settle().await;
    assert_eq!(*seen.lock().unwrap(), [None, Some(1), None]);
}

#[tokio::test]
async fn h3_an_ended_run_neither_emits_nor_saves() {
    let world = World::new();
    let (output, mut stream) = mpsc::channel(8);
    let old: Arc<Mutex<Option<ChildContext>>> = Arc::default();
    let keep = old.clone();
    let child = Child::new("a", move |ctx| {
        keep.lock().unwrap().get_or_insert(ctx.clone());
        async move {
            ctx.cancelled().await;
            Ok(())
        }
    });
    let supervisor = world.builder().child(child).start().await.unwrap();
    settle().await;
    let first = old.lock().unwrap().take().unwrap();
    first.hand_on(&output, 1, 1_u8).await.unwrap();
    supervisor.terminate("a").await.unwrap();
    supervisor.restart("a").await.unwrap();
    settle().await;
    assert_eq!(first.hand_on(&output, 2, 2_u8).await, Err(PositionError::Fenced));
    assert_eq!(first.save(2_u8), Err(PositionError::Fenced));
    assert_eq!(first.passing(2_u8), Err(PositionError::Fenced));
    let second = old.lock().unwrap().take().unwrap();
    assert_eq!((second.run(), second.saved::<u8>()), (2, Ok(Some(1))));
    assert_eq!(stream.try_recv(), Ok(1));
    assert!(stream.try_recv().is_err());
    drop(stream);
    assert_eq!(second.hand_on(&output, 3, 3_u8).await, Err(PositionError::Closed));
}
