//! Traits without implementations, whose diagnostics explain a likely mistake.

/// An event that is fired on a machine whose state is not known to the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be fired on an `Any`, whose state is known only at run time",
    label = "match on the `Any` first",
    note = "each variant of `Any` holds a machine whose state is known: `match any {{ Any::Idle(idle) => idle.start(), … }}`",
    note = "to fire an event that is known only at run time, convert into the enum and call its `apply`"
)]
pub trait FireOnAny {
    #[doc(hidden)]
    type Next;
    #[doc(hidden)]
    fn __next(self) -> Self::Next;
}
