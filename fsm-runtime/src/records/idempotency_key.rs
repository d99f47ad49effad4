//! What can be given as an idempotency key.

use std::borrow::Cow;

/// A value that can be passed as an idempotency key: text of up to [`MAX_KEY_BYTES`](crate::store::MAX_KEY_BYTES), or an `Option` of it if
/// the key is optional.
///
/// ```
/// # use fsm_runtime::{Machines, TransitionError, prelude::*};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
/// # enum Order { #[on(pay => Paid)] Open, #[state(end)] Paid }
/// # async fn example(orders: Machines<Order>, header: Option<&str>) -> Result<(), TransitionError<Order>> {
/// orders.fire_with_key("o-1", order::event::Pay, "pay-1").await?;
/// orders.fire_with_key("o-2", order::event::Pay, header).await?; // `None`: without a key
/// # Ok(()) }
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an idempotency key",
    label = "expected text, or an `Option` of it",
    note = "an idempotency key is a `&str` or a `String`; with `None`, the change has no key"
)]
pub trait IntoIdempotencyKey {
    /// The key; `None` for a change without one.
    fn into_idempotency_key(self) -> Option<String>;
}

impl IntoIdempotencyKey for String {
    fn into_idempotency_key(self) -> Option<String> {
        Some(self)
    }
}

impl IntoIdempotencyKey for &String {
    fn into_idempotency_key(self) -> Option<String> {
        Some(self.clone())
    }
}

impl IntoIdempotencyKey for &str {
    fn into_idempotency_key(self) -> Option<String> {
        Some(self.to_owned())
    }
}

impl IntoIdempotencyKey for Cow<'_, str> {
    fn into_idempotency_key(self) -> Option<String> {
        Some(self.into_owned())
    }
}

impl<K: IntoIdempotencyKey> IntoIdempotencyKey for Option<K> {
    fn into_idempotency_key(self) -> Option<String> {
        self.and_then(K::into_idempotency_key)
    }
}
