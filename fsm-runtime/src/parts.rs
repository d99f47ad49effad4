//! Owns what runs beside the controller's loop for as long as a runtime lives: each part is restarted when it panics, visibly,
//! and for ever, with growing delays.

use crate::{
    clock::Clock,
    supervisor::{Builder, Child, Context, Restarts, StartError, Supervisor},
};
use std::{future::Future, time::Duration};

/// A part that panics at once on every start is tried again at this pace at last.
const LONGEST: Duration = Duration::from_mins(1);

/// The supervisor of the parts; dropping its handle ends them.
pub(crate) struct Parts(Builder);

impl Parts {
    pub(crate) fn new(clock: &Clock) -> Self {
        let restarts = Restarts::Backoff {
            first: Duration::from_secs(1),
            longest: LONGEST,
            // Without one, instances would wait without end for what it does: there is no use in giving up.
            limit: u32::MAX,
            reset_after: LONGEST,
        };
        Self(Supervisor::builder().clock(clock.clone()).restarts(restarts))
    }

    /// Adds one. It ends when it has nothing more to do; a panic alone is a failure.
    pub(crate) fn with<F>(self, name: &'static str, part: impl Fn(Context) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let child = Child::new(name, move |context| {
            let part = part(context);
            async move {
                part.await;
                Ok(())
            }
        });
        Self(self.0.child(child.transient().abort_on_shutdown()))
    }

    /// Starts them all.
    pub(crate) async fn start(self) -> Result<Supervisor, StartError> {
        self.0.start().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::SystemTime,
    };

    #[tokio::test]
    async fn s3_a_part_that_panics_is_restarted_and_one_that_is_done_is_not() {
        let manual = ManualClock::new(SystemTime::UNIX_EPOCH);
        let (falls, ends) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let counts = (falls.clone(), ends.clone());
        let falling = move |_| {
            let run = counts.0.fetch_add(1, Ordering::Relaxed);
            async move { assert!(run >= 20, "it falls twenty times") }
        };
        let ending = move |_| {
            counts.1.fetch_add(1, Ordering::Relaxed);
            async {}
        };
        let parts = Parts::new(&manual.clock()).with("falling", falling).with("ending", ending).start().await.unwrap();
        let restarted = async {
            while falls.load(Ordering::Relaxed) < 21 {
                manual.advance(Duration::from_secs(1));
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), restarted).await.expect("it is started again, however often");
        assert_eq!(ends.load(Ordering::Relaxed), 1);
        parts.shutdown(Duration::ZERO).await;
    }
}
