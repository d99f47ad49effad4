//! A follower as a `futures` stream.

use super::{SubscribeError, follower::Follower};
use crate::store::HistoryEntry;
use futures_core::Stream;
use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

type Read = (Follower, Result<Option<HistoryEntry>, SubscribeError>);

/// The entries of a follower, each converted by `convert`, which leaves out those that it returns `None` for.
pub(super) struct AsStream<F> {
    state: State,
    convert: F,
}

enum State {
    Idle(Follower),
    Reading(Pin<Box<dyn Future<Output = Read> + Send>>),
    Ended,
}

impl<F> AsStream<F> {
    pub(super) fn new(follower: Follower, convert: F) -> Self {
        Self { state: State::Idle(follower), convert }
    }

    fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<HistoryEntry, SubscribeError>>> {
        loop {
            match mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Idle(mut follower) => match follower.next_read() {
                    Some(entry) => {
                        self.state = State::Idle(follower);
                        return Poll::Ready(Some(Ok(entry)));
                    }
                    None => self.state = State::Reading(Box::pin(read(follower))),
                },
                State::Reading(mut reading) => match reading.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = State::Reading(reading);
                        return Poll::Pending;
                    }
                    Poll::Ready((_, Ok(None))) => return Poll::Ready(None),
                    Poll::Ready((follower, read)) => {
                        self.state = State::Idle(follower);
                        return Poll::Ready(read.transpose());
                    }
                },
            }
        }
    }
}

/// The next entry. After a gap, the follower is behind it.
async fn read(mut follower: Follower) -> Read {
    let read = follower.next().await;
    if matches!(read, Err(SubscribeError::Gap { .. })) {
        // If it fails, the next read returns the gap again.
        let _ = follower.skip_gap().await;
    }
    (follower, read)
}

impl<T, F: FnMut(HistoryEntry) -> Option<T> + Unpin> Stream for AsStream<F> {
    type Item = Result<T, SubscribeError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::task::ready!(self.poll_entry(cx)) {
                Some(Ok(entry)) => {
                    if let Some(converted) = (self.convert)(entry) {
                        return Poll::Ready(Some(Ok(converted)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
