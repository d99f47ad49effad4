//! `by = worker` in `#[on(…)]`: only the worker of the state and the runtime can fire the event.

use proc_macro2::{Ident, Span};
use syn::{ext::IdentExt as _, parse::ParseStream};

use super::syntax;

/// Reads `= worker`. Returns the span of the option.
pub(super) fn by(input: ParseStream<'_>, key: &Ident) -> syn::Result<Span> {
    syntax::equals(input, key, "worker")?;
    if !input.peek(syn::Ident::peek_any) {
        return Err(input.error("expected `by = worker`"));
    }
    let value = syntax::word(input)?;
    let message = match value.to_string().as_str() {
        "worker" => return Ok(key.span()),
        "anyone" | "caller" | "callers" | "all" | "any" => {
            "callers can fire an event without `by`: remove it".to_owned()
        }
        "timer" | "timers" | "exhausted" | "system" | "runtime" => {
            format!(
                "unknown value `{value}` of `by`: write `by = worker`, which also covers timers, waits and `exhausted`"
            )
        }
        "operator" => {
            "an operator moves an instance without an event, with `machines.move_to`: write `by = worker`, or \
                       remove `by`"
                .to_owned()
        }
        _ => format!("unknown value `{value}` of `by`: expected `by = worker`"),
    };
    Err(syn::Error::new(value.span(), message))
}
