//! The traits that link a declared machine to generic code.
//!
//! All of them are implemented by the derive. Who uses a machine calls its generated methods and needs none of these.

use crate::error::{Refused, Rejected};
use crate::graph::Graph;
use crate::names::Name;

/// A declared machine: the enum itself, seen by code that is generic over machines.
pub trait StateMachine: Sized {
    /// The names of the states.
    type State: Name;
    /// The names of the events.
    type EventKind: Name;
    /// Any event, with its payload.
    type Event;
    /// What every state shares, `#[fsm(context = Type)]`; `()` without.
    type Context;
    /// The graph.
    const GRAPH: &'static Graph;

    /// The state this value is in.
    fn state(&self) -> Self::State;

    /// The events that this state declares. A guard can still refuse one.
    fn accepts(&self) -> &'static [Self::EventKind];

    /// Whether this state declares `event`.
    fn can(&self, event: Self::EventKind) -> bool {
        self.accepts().contains(&event)
    }

    /// The transition when state and event are only known at run time. Guards read the context, a `with` may change it.
    ///
    /// # Errors
    /// Machine and event come back when the state does not declare the event, or when a guard refuses it; the context is as
    /// it was then.
    fn apply(self, event: Self::Event, context: &mut Self::Context) -> Result<Self, Rejected<Self>>;

    /// Which event this is.
    fn kind_of(event: &Self::Event) -> Self::EventKind;
}

/// What a transition can lead to: a state, or a generated choice of states.
pub trait Target<M: StateMachine>: Sized {
    /// Back to the enum.
    fn into_enum(self) -> M;

    /// Out of the enum.
    ///
    /// # Errors
    /// The value comes back if it is in another state.
    fn from_enum(machine: M) -> Result<Self, M>;
}

/// One of the states of `M`.
pub trait StateOf<M: StateMachine>: Target<M> {
    /// Which one.
    const STATE: M::State;
}

/// `M`, standing in `S`, accepts `E`.
///
/// Implemented once per `durable` machine, for every event that the machine's own events cover: so the run time can bound
/// on this trait, and an illegal pair is still explained in the words of the machine's module.
pub trait Accepts<S, E>: StateMachine {
    /// Which event this is.
    const EVENT: Self::EventKind;
    /// The state that follows, or the choice of states that can.
    type Target: Target<Self>;

    /// Asks the guard, then makes the transition.
    ///
    /// # Errors
    /// State and event come back when the guard refuses; the context is as it was then.
    fn transition(state: S, event: E, context: &mut Self::Context) -> Result<Self::Target, Refused<S, E>>;
}
