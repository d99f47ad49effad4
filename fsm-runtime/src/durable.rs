//! Owns the traits that `#[fsm(durable)]` implements: what the run time knows of a user's machine.

use crate::{
    codec::CodecError,
    records::{Meta, RawRecord},
    work::{Finished, Lease, WorkError},
};
use fsm_core::{StateMachine, StateOf};
use std::{fmt, future::Future};

/// A machine whose instances can be stored. Implemented by `#[derive(StateMachine)]` with `#[fsm(durable)]`, never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a durable machine",
    label = "its instances cannot be stored",
    note = "add `durable` to its declaration: `#[fsm(initial = …, durable, derive(Serialize, Deserialize))]`"
)]
pub trait Durable: StateMachine<Event: Send, Context: Send + Sync + 'static> + Send + Sync + 'static {
    /// A stored instance whose state is known to the compiler: the generated `Record<S>`.
    type Record<S: DurableState<Machine = Self>>: Send + 'static;
    /// A stored instance in any state, to match on: the generated `AnyRecord`.
    type AnyRecord: fmt::Debug + Send + Sync + 'static;

    /// A value with what it shares: the enum itself; where the machine has a context, the pair, `(value, context)`.
    type Whole;

    #[doc(hidden)]
    fn split(whole: Self::Whole) -> (Self, Self::Context);
    #[doc(hidden)]
    fn wrap<S: DurableState<Machine = Self>>(raw: RawRecord<S>) -> Self::Record<S>;
    #[doc(hidden)]
    fn wrap_any(self, meta: Meta<Self>) -> Self::AnyRecord;
    #[doc(hidden)]
    fn unwrap_any(record: Self::AnyRecord) -> (Self, Meta<Self>);
    /// The data of the present state as JSON, and the machine again.
    #[doc(hidden)]
    fn encode(self) -> Result<(Self, String), CodecError>;
    #[doc(hidden)]
    fn decode(state: Self::State, data: &str) -> Result<Self, CodecError>;
    #[doc(hidden)]
    fn encode_event(event: &Self::Event) -> Result<String, CodecError>;
    #[doc(hidden)]
    fn decode_event(kind: Self::EventKind, payload: &str) -> Result<Self::Event, CodecError>;
    /// The context as JSON; `None` where the machine has none.
    #[doc(hidden)]
    fn encode_context(context: &Self::Context) -> Result<Option<String>, CodecError>;
    #[doc(hidden)]
    fn decode_context(stored: &str) -> Result<Self::Context, CodecError>;
    /// The event that the state's `exhausted` fires; `None` where it declares none.
    #[doc(hidden)]
    fn exhausted_event(_state: Self::State, _error: &WorkError) -> Option<Self::Event> {
        None
    }
    /// The event that the state's `#[after]` fires.
    #[doc(hidden)]
    fn timer_event(state: Self::State) -> Option<Self::Event>;
}

/// A state of a durable machine. Implemented by the derive for each generated state struct.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a state of a durable machine")]
pub trait DurableState: StateOf<<Self as DurableState>::Machine> + Send + Sync + 'static {
    /// The machine whose state it is.
    type Machine: Durable;
}

/// A state that async work moves on. Implemented by the derive for each state marked `work`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `work` state",
    label = "this state has no worker",
    note = "mark the variant with `#[state(work)]`"
)]
pub trait WorkState: DurableState {}

/// An instance of `Self` can be born of a `B`. Implemented by the derive for the states of `initial = …`; where the machine has a
/// context, for the pair of such a state and a context.
pub trait BornIn<B>: Durable {
    /// The state that it is born in.
    type Born: DurableState<Machine = Self>;
    #[doc(hidden)]
    fn parts(birth: B) -> (Self::Born, Self::Context);
}

/// `W` does the async work of `Self`. Implemented by the derive for every `W` that implements the module's `Workers`.
pub trait WorkedBy<W>: Durable {
    #[doc(hidden)]
    fn work(self, workers: &W, lease: Lease<Self>) -> impl Future<Output = Result<Finished<Self>, WorkError>> + Send;
}
