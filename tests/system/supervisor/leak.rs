//! Children that block their thread, on executors with threads to spare.

use super::*;
use fsm_runtime::supervisor::{ChildError, Counts, PositionError, Strategy};
use std::sync::mpsc as blocking;

/// A child that blocks its thread until released, and then tries to emit its value.
struct Stuck {
    child: Child,
    /// Releases the child when dropped.
    hold: blocking::Sender<()>,
    stream: mpsc::Receiver<u64>,
    refused: mpsc::UnboundedReceiver<Result<(), PositionError>>,
}

fn stuck(id: &str) -> Stuck {
    let (hold, gate) = blocking::channel::<()>();
    let (output, stream) = mpsc::channel(8);
    let (tell, refused) = mpsc::unbounded_channel();
    let gate = Arc::new(Mutex::new(gate));
    let child = Child::new(id, move |ctx| {
        let (output, gate, tell) = (output.clone(), gate.clone(), tell.clone());
        async move {
            ctx.hand_on(&output, ctx.run(), ctx.run()).await?;
            if ctx.run() == 1 {
                let _ = gate.lock().unwrap().recv();
                let _ = tell.send(ctx.hand_on(&output, 99, 99_u64).await);
            }
            ctx.cancelled().await;
            Ok(())
        }
    });
    Stuck { child: child.heartbeat(secs(10)), hold, stream, refused }
}

/// Advances the clock until the child has leaked.
async fn leaked(world: &World, supervisor: &Supervisor, id: &str) {
    until(async || {
        world.manual.advance(secs(1));
        (info(supervisor, id).await.state == ChildState::Leaked).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn h3_a_blocking_child_is_listed_and_never_overlapped() {
    let world = World::new();
    let Stuck { child, hold, mut stream, mut refused } = stuck("stuck");
    let supervisor = world.builder().child(child).start().await.unwrap();
    assert_eq!(stream.recv().await, Some(1));
    leaked(&world, &supervisor, "stuck").await;
    assert!(matches!(supervisor.counts().await.unwrap(), Counts { specs: 1, active: 1, leaked: 1, .. }));
    assert!(matches!(supervisor.terminate("stuck").await, Err(ChildError::Leaked(_))));
    assert!(matches!(supervisor.remove("stuck").await, Err(ChildError::Leaked(_))));
    assert!(matches!(supervisor.restart("stuck").await, Err(ChildError::Leaked(_))));
    drop(hold);
    assert_eq!(refused.recv().await, Some(Err(PositionError::Fenced)), "the value comes too late");
    until(async || (info(&supervisor, "stuck").await.state == ChildState::Stopped).then_some(())).await;
    supervisor.restart("stuck").await.unwrap();
    assert_eq!(stream.recv().await, Some(2), "and no value of the leaked run");
    supervisor.shutdown(secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn h3_terminating_a_blocking_child_returns_an_error() {
    let world = World::new();
    let Stuck { child, hold, mut stream, .. } = stuck("stuck");
    let supervisor = world.builder().child(child.heartbeat(LATER)).start().await.unwrap();
    assert_eq!(stream.recv().await, Some(1));
    let stop = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.terminate("stuck").await }
    });
    until(async || {
        world.manual.advance(secs(1));
        stop.is_finished().then_some(())
    })
    .await;
    assert!(matches!(stop.await.unwrap(), Err(ChildError::Leaked(_))));
    drop(hold);
    until(async || (info(&supervisor, "stuck").await.state == ChildState::Stopped).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn h3_the_replacement_starts_when_the_leaked_run_ends() {
    let world = World::new();
    let Stuck { child, hold, mut stream, .. } = stuck("stuck");
    let builder = world.builder().strategy(Strategy::OneForAll).child(world.puppet("a"));
    let supervisor = builder.child(child).child(world.puppet("z")).start().await.unwrap();
    assert_eq!(stream.recv().await, Some(1));
    leaked(&world, &supervisor, "stuck").await;
    until(async || (states(&supervisor).await == "a Running 2, stuck Leaked 1, z Restarting 1").then_some(())).await;
    drop(hold);
    assert_eq!(stream.recv().await, Some(2));
    until(async || (states(&supervisor).await == "a Running 2, stuck Running 2, z Running 2").then_some(())).await;
    supervisor.shutdown(secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h3_shutdown_returns_and_names_the_leaked_child() {
    let world = World::new();
    let (one, mut two) = (stuck("one"), stuck("two"));
    let child = two.child.clone().heartbeat(LATER);
    let inner = Child::supervisor("inner", move || Supervisor::builder().child(child.clone())).heartbeat(LATER);
    let supervisor = world.builder().child(world.puppet("a")).child(one.child).child(inner).start().await.unwrap();
    assert_eq!(two.stream.recv().await, Some(1));
    let stop = stopping(&supervisor, secs(3)).await;
    until(async || {
        world.manual.advance(secs(1));
        stop.is_finished().then_some(())
    })
    .await;
    assert_eq!(stop.await.unwrap(), ["a Aborted", "inner Leaked", "inner/two Leaked", "one Leaked"]);
    assert!(world.log().ends_with("-a"), "a child not cancelled before the timeout is aborted");
    drop((one.hold, two.hold));
}

/// Blocks the thread that drops it, until released.
struct Blocker(Arc<Mutex<blocking::Receiver<()>>>);

impl Drop for Blocker {
    fn drop(&mut self) {
        let _ = self.0.lock().unwrap().recv();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn h4_a_stuck_supervisor_is_noticed_by_its_parent() {
    let world = World::new();
    let (hold, gate) = blocking::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let go = Arc::new(tokio::sync::Notify::new());
    // The supervisor drops the captures of a child's closure when the child is removed. The child ends long after the start was
    // reported, because a blocking thread keeps the task that it woke last, which must not be the parent supervisor.
    let inner = Child::supervisor("inner", {
        let go = go.clone();
        move || {
            let (blocker, go) = (Blocker(gate.clone()), go.clone());
            let child = Child::new("x", move |ctx| {
                let (_captured, go) = (&blocker, go.clone());
                async move {
                    tokio::select! {
                        () = go.notified() => {}
                        () = ctx.cancelled() => {}
                    }
                    Ok(())
                }
            });
            Supervisor::builder().child(child.temporary())
        }
    });
    let supervisor = world.builder().child(inner).start().await.unwrap();
    go.notify_one();
    leaked(&world, &supervisor, "inner").await;
    let failure = info(&supervisor, "inner").await.last_error.unwrap().to_string();
    assert!(failure.starts_with("missed heartbeat: no beat for "), "{failure}");
    drop(hold);
    until(async || (states(&supervisor).await == "inner Running 2").then_some(())).await;
    supervisor.shutdown(secs(1)).await;
}
