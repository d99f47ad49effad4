//! The traits of declared machines, for code that is generic over machines.
//!
//! The derive implements all of them. Code for one machine uses its generated methods instead.

use crate::error::{ApplyError, GuardError};
use crate::graph::Graph;
use crate::names::Name;

/// A declared machine, implemented by the derive for the enum itself.
pub trait StateMachine: Sized {
    /// The names of the states.
    type State: Name;
    /// The names of the events.
    type EventKind: Name;
    /// Any event, with its payload.
    type Event;
    /// The context that all states share, `#[fsm(context = Type)]`; `()` if there is none.
    type Context;
    /// The graph.
    const GRAPH: &'static Graph;

    /// The current state.
    fn state(&self) -> Self::State;

    /// The events that this state declares. A guard can still refuse one.
    fn accepts(&self) -> &'static [Self::EventKind];

    /// Whether this state declares `event`.
    fn can(&self, event: Self::EventKind) -> bool {
        self.accepts().contains(&event)
    }

    /// Makes a transition whose state and event are known only at run time.
    ///
    /// Guards read the context; a `with` function can change it.
    ///
    /// # Errors
    /// Returns machine and event if the state does not declare the event, or if a guard refuses it. The context is unchanged
    /// then.
    fn apply(self, event: Self::Event, context: &mut Self::Context) -> Result<Self, ApplyError<Self>>;

    /// The name of an event.
    fn kind_of(event: &Self::Event) -> Self::EventKind;
}

/// The result of a transition: a state, or a generated choice of states.
pub trait Target<M: StateMachine>: Sized {
    /// Converts into the enum.
    fn into_enum(self) -> M;

    /// Converts from the enum.
    ///
    /// # Errors
    /// Returns the value if it is in another state.
    fn from_enum(machine: M) -> Result<Self, M>;
}

/// One of the states of `M`.
pub trait StateOf<M: StateMachine>: Target<M> {
    /// The name of the state.
    const STATE: M::State;
}

/// The machine accepts event `E` in state `S`.
///
/// A `durable` machine has one blanket implementation, for every event that its own `EventOf<S>` covers. The runtime uses this
/// trait as a bound, and the compiler explains an illegal pair with the machine's own types.
pub trait Accepts<S, E>: StateMachine {
    /// The name of the event.
    const EVENT: Self::EventKind;
    /// The target state, or the choice of target states.
    type Target: Target<Self>;

    /// Checks the guard, then makes the transition.
    ///
    /// # Errors
    /// Returns state and event if the guard refuses. The context is unchanged then.
    fn transition(state: S, event: E, context: &mut Self::Context) -> Result<Self::Target, GuardError<S, E>>;
}
