//! Many children at once.

use super::*;
use fsm_runtime::supervisor::ChildError;

const MANY: usize = 10_000;

#[tokio::test]
async fn s12_ten_thousand_children_come_and_go_while_others_fail() {
    let world = World::new();
    let supervisor =
        world.builder().restarts(Restarts::Intensity { max: 100_000, window: secs(5) }).start().await.unwrap();
    let fail = failing();
    for n in 0..MANY {
        let child = if n % 10 == 0 { fail.clone().named(n) } else { quiet(n) };
        supervisor.start_child(child).await.unwrap();
    }
    let counts = supervisor.counts().await.unwrap();
    assert_eq!((counts.specs, counts.active + counts.restarting, counts.leaked), (MANY, MANY, 0));
    assert!(matches!(supervisor.start_child(quiet(77)).await, Err(ChildError::AlreadyStarted(_))));

    // Every tenth fails, while every second of the others is removed.
    fail.pull();
    for n in (1..MANY).step_by(2) {
        supervisor.terminate(n.to_string()).await.unwrap();
        supervisor.remove(n.to_string()).await.unwrap();
    }
    until(async || {
        let children = supervisor.children().await.unwrap();
        let failed = children.iter().filter(|child| child.runs == 2 && child.state == RUNNING).count();
        (failed == MANY / 10).then_some(())
    })
    .await;
    let children = supervisor.children().await.unwrap();
    let ids: Vec<usize> = children.iter().map(|child| child.id.parse().unwrap()).collect();
    assert!(ids.iter().copied().eq((0..MANY).step_by(2)), "in the order of starts");
    assert!(children.iter().all(|child| child.state == RUNNING && child.runs == 1 + u64::from(child.restarts > 0)));
    let counts = supervisor.counts().await.unwrap();
    assert_eq!((counts.specs, counts.active, counts.workers), (MANY / 2, MANY / 2, MANY / 2));
    assert_eq!(supervisor.shutdown(secs(5)).await.stopped, []);
}

fn quiet(n: usize) -> Child {
    Child::new(n.to_string(), |ctx| async move {
        ctx.cancelled().await;
        Ok(())
    })
}

/// Children whose first run fails at the trigger.
#[derive(Clone)]
struct Failing(Arc<tokio::sync::watch::Sender<bool>>);

fn failing() -> Failing {
    Failing(Arc::new(tokio::sync::watch::Sender::new(false)))
}

impl Failing {
    fn named(self, n: usize) -> Child {
        Child::new(n.to_string(), move |ctx| {
            let mut pulled = self.0.subscribe();
            async move {
                if ctx.run() == 1 {
                    pulled.wait_for(|pulled| *pulled).await?;
                    return Err("pulled".into());
                }
                ctx.cancelled().await;
                Ok(())
            }
        })
    }

    fn pull(&self) {
        self.0.send_replace(true);
    }
}
