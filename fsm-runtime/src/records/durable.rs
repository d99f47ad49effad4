//! The traits of a machine whose instances are stored.

use super::{
    AnyRecord, CallerEvent,
    record::{RawRecord, RecordMeta},
};
use crate::machine::{DurableState, Seal, StoredMachine};
use fsm_core::StateMachine;

/// A machine whose instances can be stored. Implemented by `#[derive(StateMachine)]` with `#[fsm(durable)]`, never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a durable machine",
    label = "its instances cannot be stored",
    note = "add `durable` to its `#[fsm(…)]`: `#[fsm(initial = …, durable, derive(Serialize, Deserialize))]`"
)]
pub trait Durable: StoredMachine + CallerEvent<<Self as StateMachine>::Event> {
    /// A stored instance whose state is known to the compiler: the generated `Record<S>`.
    type Record<S: DurableState<Machine = Self>>: Into<Self::AnyRecord> + Send + 'static;
    /// A stored instance in any state, to match on: the generated `AnyRecord`.
    type AnyRecord: AnyRecord<Self>;

    #[doc(hidden)]
    fn wrap<S: DurableState<Machine = Self>>(raw: RawRecord<S>) -> Self::Record<S>;
    #[doc(hidden)]
    fn wrap_any(self, meta: RecordMeta<Self>) -> Self::AnyRecord;
    #[doc(hidden)]
    fn unwrap_any(record: Self::AnyRecord) -> (Self, RecordMeta<Self>);
}

/// A value from which an instance can be created. Implemented by the derive for the states of `initial = …`; if the machine has a
/// context, for the pair of such a state and a context. It cannot be implemented by hand.
pub trait CreateFrom<B>: Durable {
    /// The state of the new instance.
    type Initial: DurableState<Machine = Self>;
    #[doc(hidden)]
    fn parts(initial: B, seal: Seal) -> (Self::Initial, Self::Context);
}
