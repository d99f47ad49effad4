//! Futures that run to completion even if their caller is dropped.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::runtime::Handle;

/// Runs in the task of its caller, which is cheaper than a task of its own. If the caller is dropped after the first poll, the rest
/// runs in a task.
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
        // Without an executor there is no task to run it in.
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
        let (go, started) = oneshot::channel::<()>();
        let (done, finished) = oneshot::channel();
        let mut call = Box::pin(Detached::new(async move {
            let _ = started.await;
            let _ = done.send(1);
        }));
        tokio::select! {
            biased;
            () = &mut call => panic!("it cannot be ready"),
            () = std::future::ready(()) => {}
        }
        drop(call);
        go.send(()).unwrap();
        assert_eq!(finished.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_call_that_was_never_polled_does_not_begin() {
        let (done, finished) = oneshot::channel();
        drop(Detached::new(async move { done.send(1) }));
        assert!(finished.await.is_err());
    }
}
