//! Traits without implementations, whose diagnostics explain a likely mistake.

/// An event that is fired on a record whose state is not known to the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be fired on an `AnyRecord`, whose state is known only at run time",
    label = "match on the `AnyRecord` first",
    note = "each variant of `AnyRecord` holds a record whose state is known: `match record {{ AnyRecord::Idle(idle) => idle.start().await?, … }}`",
    note = "to fire an event in whatever state the instance is, write `machines.fire(id, event)`"
)]
pub trait FireOnAnyRecord {
    #[doc(hidden)]
    type Next;
    #[doc(hidden)]
    fn __next(self) -> Self::Next;
}
