//! Queues of the callers that change an instance by its id: one at a time, in the order of their calls.
//!
//! Callers of one process that decide on the same row at the same time would lose the compare-and-swap against each other.

use crate::{clock::Clock, store::Key, sync::Mutex};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::OwnedMutexGuard;

/// How long a caller waits until the callers before it have finished.
pub(crate) const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// Fair, and in the order in which they are asked for.
type Queue = Arc<tokio::sync::Mutex<()>>;

/// One queue for each instance with a caller.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Key, Queue>>);

/// The right to change an instance by its id, until it is dropped.
pub(crate) struct Turn<'a> {
    // Dropped before the place, which counts the callers that are left.
    _guard: OwnedMutexGuard<()>,
    _place: Place<'a>,
}

/// A place in the queue of an instance. The last one to leave removes the queue.
struct Place<'a> {
    turns: &'a Turns,
    key: Key,
    queue: Queue,
}

impl Turns {
    /// Waits for its turn on `key`; `None` after [`TURN_TIMEOUT`].
    pub(crate) async fn take(&self, key: &Key, clock: &Clock) -> Option<Turn<'_>> {
        let queue = self.0.lock().entry(key.clone()).or_default().clone();
        let place = Place { turns: self, key: key.clone(), queue };
        let guard = match place.queue.clone().try_lock_owned() {
            Ok(guard) => guard,
            Err(_) => clock.timeout(TURN_TIMEOUT, place.queue.clone().lock_owned()).await?,
        };
        Some(Turn { _guard: guard, _place: place })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queues = self.turns.0.lock();
        // Callers join under the lock. The map and this place have one reference each.
        if Arc::strong_count(&self.queue) <= 2 {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::{future::Future, pin::pin, task::Poll, time::SystemTime};

    /// Polls `future` once.
    async fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        let mut future = Some(future);
        std::future::poll_fn(move |cx| Poll::Ready(future.take().unwrap().poll(cx))).await
    }

    #[tokio::test]
    async fn turns_are_taken_in_order_and_leave_nothing() {
        let (turns, clock) = (Turns::default(), ManualClock::new(SystemTime::UNIX_EPOCH).clock());
        let (a, b) = (Key::new("Job", "a"), Key::new("Job", "b"));
        let first = turns.take(&a, &clock).await.unwrap();
        let mut second = pin!(turns.take(&a, &clock));
        assert!(poll(second.as_mut()).await.is_pending());
        {
            let mut dropped = pin!(turns.take(&a, &clock));
            assert!(poll(dropped.as_mut()).await.is_pending());
        }
        let mut third = pin!(turns.take(&a, &clock));
        assert!(poll(third.as_mut()).await.is_pending());
        drop(turns.take(&b, &clock).await.expect("another instance has its own queue"));
        drop(first);
        assert!(poll(third.as_mut()).await.is_pending(), "the second is before it");
        let Poll::Ready(Some(turn)) = poll(second.as_mut()).await else { panic!("it is its turn") };
        drop(turn);
        let Poll::Ready(Some(turn)) = poll(third.as_mut()).await else { panic!("it is its turn") };
        assert_eq!(turns.0.lock().len(), 1);
        drop(turn);
        assert!(turns.0.lock().is_empty());
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_times_out() {
        let (turns, manual) = (Turns::default(), ManualClock::new(SystemTime::UNIX_EPOCH));
        let (key, clock) = (Key::new("Job", "a"), manual.clock());
        let _held = turns.take(&key, &clock).await.unwrap();
        let mut second = pin!(turns.take(&key, &clock));
        assert!(poll(second.as_mut()).await.is_pending());
        manual.advance(TURN_TIMEOUT);
        assert!(second.await.is_none());
    }
}
