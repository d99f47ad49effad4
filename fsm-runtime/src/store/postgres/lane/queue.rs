//! The queue of a lane. The lane is woken when as many groups wait as it wants, not for each of them: each wake-up costs more than a group.

use super::Job;
use crate::sync::Mutex;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::sync::{Notify, Semaphore};

/// Groups that wait in a lane before callers wait to add more.
const QUEUE: usize = 4_096;

struct Shared {
    state: Mutex<State>,
    /// Notified when `wanted` groups wait, and when the queue is closed.
    enough: Notify,
    room: Semaphore,
}

struct State {
    jobs: VecDeque<Job>,
    /// The number of groups for which the lane waits.
    wanted: usize,
    is_closed: bool,
}

/// The callers' end. The queue is closed when it is dropped.
pub(super) struct Sender(Arc<Shared>);

/// The lane's end. When it is dropped, callers get an error.
pub(super) struct Receiver(Arc<Shared>);

pub(super) fn queue() -> (Sender, Receiver) {
    let state = Mutex::new(State { jobs: VecDeque::new(), wanted: 1, is_closed: false });
    let shared = Arc::new(Shared { state, enough: Notify::new(), room: Semaphore::new(QUEUE) });
    (Sender(shared.clone()), Receiver(shared))
}

impl Sender {
    /// Adds a group, when there is room. Returns whether the lane still runs.
    pub(super) async fn send(&self, job: Job) -> bool {
        let Ok(permit) = self.0.room.acquire().await else { return false };
        permit.forget();
        let mut state = self.0.state.lock();
        if state.is_closed {
            return false;
        }
        state.jobs.push_back(job);
        if state.jobs.len() == state.wanted {
            drop(state);
            self.0.enough.notify_one();
        }
        true
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.state.lock().is_closed = true;
        self.0.enough.notify_one();
    }
}

impl Receiver {
    /// Takes all groups that wait, unless `taken` is full. Returns whether the queue is open.
    pub(super) fn take(&self, taken: &mut VecDeque<Job>) -> bool {
        let mut state = self.0.state.lock();
        state.wanted = usize::MAX;
        if taken.len() < QUEUE {
            self.0.room.add_permits(state.jobs.len());
            taken.append(&mut state.jobs);
        }
        !state.is_closed
    }

    /// Waits until `wanted` groups wait, the queue is closed, or `limit` is over. Cancel safe.
    pub(super) async fn wait(&self, wanted: usize, limit: Duration) {
        let enough = async {
            while !self.is_enough(wanted) {
                self.0.enough.notified().await;
            }
        };
        let _ = tokio::time::timeout(limit, enough).await;
    }

    fn is_enough(&self, wanted: usize) -> bool {
        let mut state = self.0.state.lock();
        state.wanted = wanted;
        state.jobs.len() >= wanted || state.is_closed
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.room.close();
        let mut state = self.0.state.lock();
        state.is_closed = true;
        state.jobs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::batch::tests::job, *};

    const NEVER: Duration = Duration::from_hours(1);
    const AT_ONCE: Duration = Duration::ZERO;

    #[tokio::test]
    async fn the_lane_wakes_when_enough_groups_wait() {
        let (sender, receiver) = queue();
        let lane = tokio::spawn(async move {
            let mut waiting = VecDeque::new();
            receiver.wait(3, NEVER).await;
            receiver.take(&mut waiting);
            (waiting.len(), receiver)
        });
        for id in ["a", "b", "c"] {
            tokio::task::yield_now().await;
            assert!(!lane.is_finished());
            assert!(sender.send(job(id)).await);
        }
        let (taken, receiver) = lane.await.unwrap();
        assert_eq!(taken, 3);
        // Groups that come while the lane commits do not end a later wait for more.
        assert!(sender.send(job("d")).await);
        receiver.wait(2, AT_ONCE).await;
        assert_eq!(receiver.0.state.lock().jobs.len(), 1);
    }

    #[tokio::test]
    async fn a_closed_queue_keeps_its_groups() {
        let (sender, receiver) = queue();
        assert!(sender.send(job("a")).await);
        drop(sender);
        receiver.wait(9, NEVER).await;
        let mut waiting = VecDeque::new();
        assert!(!receiver.take(&mut waiting));
        assert_eq!(waiting.len(), 1);
    }

    #[tokio::test]
    async fn callers_wait_for_room_and_learn_that_the_lane_has_ended() {
        let (sender, receiver) = queue();
        for _ in 0..QUEUE {
            assert!(sender.send(job("a")).await);
        }
        let mut waits = Box::pin(sender.send(job("b")));
        assert!(tokio::time::timeout(AT_ONCE, &mut waits).await.is_err());
        let mut taken = VecDeque::new();
        receiver.take(&mut taken);
        assert!(waits.await);
        receiver.take(&mut taken);
        assert_eq!(taken.len(), QUEUE, "the lane has not committed any");
        drop(receiver);
        assert!(!sender.send(job("c")).await);
    }
}
