//! Owns futures that come to their end although nobody waits for it any more.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::runtime::Handle;

/// Runs in the task of its caller, without the cost of one of its own; when the caller is dropped half-way, what is left of it
/// goes on in a task.
pub(crate) struct Detached<T: Send + 'static> {
    left: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    begun: bool,
}

impl<T: Send + 'static> Detached<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { left: Some(Box::pin(future)), begun: false }
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.begun = true;
        let Some(left) = &mut self.left else { return Poll::Pending };
        let polled = left.as_mut().poll(cx);
        if polled.is_ready() {
            self.left = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        // Without an executor nothing goes on anyway.
        if let (Some(left), true, Ok(executor)) = (self.left.take(), self.begun, Handle::try_current()) {
            executor.spawn(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_begun_call_completes_after_its_caller_is_dropped() {
        let (go, told) = oneshot::channel::<()>();
        let (done, heard) = oneshot::channel();
        let mut call = Box::pin(Detached::new(async move {
            let _ = told.await;
            let _ = done.send(1);
        }));
        tokio::select! {
            biased;
            () = &mut call => panic!("it was not told to go"),
            () = std::future::ready(()) => {}
        }
        drop(call);
        go.send(()).unwrap();
        assert_eq!(heard.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_call_that_was_never_polled_does_not_begin() {
        let (done, heard) = oneshot::channel();
        drop(Detached::new(async move { done.send(1) }));
        assert!(heard.await.is_err());
    }
}
