//! Catching panics of futures, and their messages.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// The output of `future`, or the payload of its panic. As `catch_unwind` of `futures-util`, without the dependency.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// The message of a panic. Formats payloads that are strings, errors or numbers.
pub(crate) fn text(payload: &(dyn Any + Send)) -> String {
    macro_rules! first_that_fits {
        ($($text:ty),*; $($typed:ty),*) => {
            $(if let Some(text) = payload.downcast_ref::<$text>() { return text.to_string(); })*
            $(if let Some(value) = payload.downcast_ref::<$typed>() {
                return format!("{value} (a payload of type {})", stringify!($typed));
            })*
        };
    }
    first_that_fits!(
        &'static str, String, Box<str>, std::borrow::Cow<'static, str>,
        Box<dyn std::error::Error + Send + Sync>, std::io::Error;
        i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char
    );
    "a payload that is neither text nor a number".to_owned()
}
