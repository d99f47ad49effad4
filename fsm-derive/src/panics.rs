//! A panic of the derive, which is a bug in it, as a compile error that asks for a report.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs a phase of the derive.
///
/// # Errors
/// What to tell the user where it panics.
pub(crate) fn caught<T>(phase: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(phase)).map_err(|payload| {
        format!(
            "`StateMachine` panicked, which is a bug in the derive: please report it, with this declaration, at {}/issues: {}",
            env!("CARGO_PKG_REPOSITORY"),
            message(&*payload)
        )
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("the panic has no message")
}
