//! The traits of a machine as stored data.

use super::EventError;
use crate::{
    codec::{CodecError, to_json},
    store::TimerDue,
};
use fsm_core::{Graph, Name, StateMachine, StateOf};
use serde::{Serialize, Serializer, de::DeserializeOwned};

/// The part of [`Durable`](crate::Durable) that knows how the machine is stored. Implemented by `#[derive(StateMachine)]` with
/// `#[fsm(durable)]`, never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a durable machine",
    label = "its instances cannot be stored",
    note = "add `durable` to its `#[fsm(…)]`: `#[fsm(initial = …, durable, derive(Serialize, Deserialize))]`"
)]
pub trait StoredMachine:
    StateMachine<
        State: Serialize + DeserializeOwned,
        EventKind: Serialize + DeserializeOwned,
        Event: Send,
        Context: Send + Sync + 'static,
    > + Send
    + Sync
    + 'static
{
    /// A value with its context: the enum itself, or the pair `(value, context)` if the machine has a context.
    type Value;

    /// An event from its name and its payload as JSON, as a client sends them. An empty payload, `null` and `{}` are the same for an
    /// event without fields. The generated `Event::from_parts` calls this.
    ///
    /// # Errors
    /// [`EventError::UnknownName`] with the names of all events; [`EventError::Payload`] with the error of serde.
    fn event_from_parts(name: &str, payload: &str) -> Result<Self::Event, EventError> {
        let kind: Self::EventKind = name.parse()?;
        let plain = Self::GRAPH.event(kind.as_str()).is_some_and(|event| event.fields.is_empty());
        let payload = match payload.trim() {
            "" => "null",
            "{}" if plain => "null",
            payload => payload,
        };
        Self::decode_event(kind, payload).map_err(|cause| EventError::Payload { event: kind.as_str(), cause })
    }

    #[doc(hidden)]
    fn split(value: Self::Value) -> (Self, Self::Context);
    /// The data of the present state as JSON, and the machine again.
    #[doc(hidden)]
    fn encode(self) -> Result<(Self, String), CodecError>;
    #[doc(hidden)]
    fn decode(state: Self::State, data: &str) -> Result<Self, CodecError>;
    #[doc(hidden)]
    fn encode_event(event: &Self::Event) -> Result<String, CodecError>;
    #[doc(hidden)]
    fn decode_event(kind: Self::EventKind, payload: &str) -> Result<Self::Event, CodecError>;
    /// Serializes the context, `()` where the machine has none.
    #[doc(hidden)]
    fn serialize_context<Z: Serializer>(context: &Self::Context, serializer: Z) -> Result<Z::Ok, Z::Error>;
    /// The context as JSON; `None` where the machine has none.
    #[doc(hidden)]
    fn encode_context(context: &Self::Context) -> Result<Option<String>, CodecError> {
        ContextOf::<Self>::new(context).map(|context| to_json(&context)).transpose()
    }
    #[doc(hidden)]
    fn decode_context(stored: &str) -> Result<Self::Context, CodecError>;
    /// The machine after the `enter` of its state, for an override.
    #[doc(hidden)]
    #[must_use]
    fn enter(self, _context: &mut Self::Context) -> Self {
        self
    }
    /// The event of a timer of the state, with its payload; `None` if the state has no timer that fires it.
    #[doc(hidden)]
    fn timer_event(state: Self::State, event: Self::EventKind) -> Option<Self::Event>;
    /// The machine again, and when those timers of its state are due whose delay or time is computed from the data.
    #[doc(hidden)]
    #[must_use]
    fn computed_timers(self, _context: &Self::Context) -> (Self, Vec<(Self::EventKind, TimerDue)>) {
        (self, Vec::new())
    }
    /// The ids that the present state waits for: those of each of its waits, in the order of the declaration.
    #[doc(hidden)]
    fn awaited_ids(&self) -> Vec<Vec<String>> {
        Vec::new()
    }
    /// The event of the state's wait at place `wait`.
    #[doc(hidden)]
    fn wait_event(_state: Self::State, _wait: usize) -> Option<Self::Event> {
        None
    }
    /// Adds the graphs of the machines that this one waits for, and of those that they wait for.
    #[doc(hidden)]
    fn awaited_graphs(_graphs: &mut Vec<&'static Graph>) {}
    /// Adds the machine's own graph and those that it waits for.
    #[doc(hidden)]
    fn collect_graphs(graphs: &mut Vec<&'static Graph>) {
        if !graphs.iter().any(|graph| graph.machine == Self::GRAPH.machine) {
            graphs.push(Self::GRAPH);
            Self::awaited_graphs(graphs);
        }
    }
}

/// A machine's context, to be serialized.
pub(crate) struct ContextOf<'a, M: StoredMachine>(&'a M::Context);

impl<'a, M: StoredMachine> ContextOf<'a, M> {
    /// `None` where the machine has no context.
    pub(crate) fn new(context: &'a M::Context) -> Option<Self> {
        M::GRAPH.context.map(|_| Self(context))
    }
}

impl<M: StoredMachine> Serialize for ContextOf<'_, M> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        M::serialize_context(self.0, serializer)
    }
}

/// A state of a durable machine. Implemented by the derive for each generated state struct.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a state of a durable machine")]
pub trait DurableState: StateOf<<Self as DurableState>::Machine> + Send + Sync + 'static {
    /// The machine whose state it is.
    type Machine: StoredMachine;
}

/// A state that async work moves on. Implemented by the derive for each state marked `work`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `work` state",
    label = "no worker runs in it",
    note = "only a state whose variant is marked `#[state(work)]` has work to look after"
)]
pub trait WorkState: DurableState {}

/// An argument of hidden trait methods that only generated code calls and implements.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Seal;
