//! The replies of a store's thread to the callers of a batch.

use crate::sync::Mutex;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where a caller waits for its reply.
pub(super) type Sender<T> = oneshot::Sender<Reply<T>>;

/// A reply to one caller, with the replies of its batch that are not sent yet.
pub(super) struct Reply<T> {
    answer: T,
    others: Replies<T>,
}

/// Replies that are not sent yet. The thread of the store sends them. Each caller that has its own reply helps: waking a task of its own
/// runtime costs less than waking one of another runtime, and its thread does not go to sleep between two replies.
pub(super) struct Replies<T>(Arc<Mutex<Vec<Unsent<T>>>>);

/// An answer, and where it goes.
type Unsent<T> = (Sender<T>, T);

impl<T> Reply<T> {
    /// The answer to this caller. Sends replies to others before.
    pub(super) fn receive(self) -> T {
        self.others.send();
        self.answer
    }
}

impl<T> Replies<T> {
    /// The first of `replies` is sent first.
    pub(super) fn new(mut replies: Vec<Unsent<T>>) -> Self {
        replies.reverse();
        Self(Arc::new(Mutex::new(replies)))
    }

    /// Sends all remaining replies.
    pub(super) fn send(&self) {
        loop {
            let next = self.0.lock().pop();
            let Some((to, answer)) = next else { return };
            // An error: the caller was cancelled.
            let _ = to.send(Reply { answer, others: Self(self.0.clone()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_with_its_reply_sends_those_of_the_others() {
        let channels = (0..4).map(|n| (n, oneshot::channel()));
        let (replies, mut callers): (Vec<_>, Vec<_>) = channels.map(|(n, (to, reply))| ((to, n), reply)).unzip();
        let replies = Replies::new(replies);
        // The thread of the store sends one, and is interrupted.
        let (to, answer) = replies.0.lock().pop().unwrap();
        let _ = to.send(Reply { answer, others: Replies(replies.0.clone()) });
        // One caller was cancelled.
        drop(callers.remove(2));
        let answers: Vec<i32> = callers.into_iter().map(|mut reply| reply.try_recv().unwrap().receive()).collect();
        assert_eq!(answers, [0, 1, 3]);
    }

    /// The thread of the store sends all replies also if no caller runs.
    #[test]
    fn no_reply_waits_for_a_caller() {
        let (to, mut reply) = oneshot::channel();
        let (cancelled, gone) = oneshot::channel();
        drop(gone);
        Replies::new(vec![(to, 1), (cancelled, 2)]).send();
        assert_eq!(reply.try_recv().unwrap().receive(), 1);
    }
}
