//! What callers can fire: everything but the transitions that are `by = worker`.

use super::{Durable, error::TransitionError};
use crate::{
    machine::{Seal, StoredMachine},
    store::Key,
};
use fsm_core::{Name as _, StateMachine};

/// A value that callers can fire by id on a machine, with [`Machines::fire`](crate::Machines::fire). Implemented by the derive, for the
/// machine's `Event` and the types of its events. It cannot be implemented by hand.
///
/// - If no transition is `by = worker`, also for everything else that converts into `Event`.
/// - The type of an event that is `by = worker` in every state that declares it is left out: `machines.fire(id, event)` does not
///   compile with it.
///
/// Every durable machine has it for its own `Event`, so code that is generic over machines fires events without a further bound.
pub trait CallerEvent<E>: StateMachine {
    #[doc(hidden)]
    fn into_event(event: E, seal: Seal) -> Self::Event;
}

/// The refusal of an event that is `by = worker` in every state that declares it. Does not need the instance.
pub(super) fn refused_in_every_state<M: Durable>(key: &Key, event: M::EventKind) -> Option<TransitionError<M>> {
    let refused = !M::GRAPH.callers_can_fire(event.as_str());
    refused.then(|| TransitionError::ByWorker { key: key.clone(), event, state: None })
}

/// The refusal of an event that is `by = worker` in `state`.
pub(super) fn refused<M: Durable>(key: &Key, state: M::State, event: M::EventKind) -> Option<TransitionError<M>> {
    is_by_worker::<M>(state, event).then(|| TransitionError::ByWorker { key: key.clone(), event, state: Some(state) })
}

/// Whether the state declares the event, but not for callers.
pub(super) fn is_by_worker<M: StoredMachine>(state: M::State, event: M::EventKind) -> bool {
    let transition = M::GRAPH.transition(state.as_str(), event.as_str());
    transition.is_some_and(|transition| !transition.by.includes_callers())
}
