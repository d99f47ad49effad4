//! Why an event is not accepted, and which events would help.

use core::fmt;

use crate::{
    error::list,
    graph::{Graph, TransitionInfo},
    machine::StateMachine,
    names::Name,
};

/// Why a state does not accept an event, with the events it accepts and a path to a state that accepts this one.
///
/// Returned by the generated `why_not`, and by [`WhyNot::of`] in code that is generic over machines.
#[derive(Clone, Copy, Debug)]
pub struct WhyNot {
    graph: &'static Graph,
    state: &'static str,
    event: &'static str,
    /// Whether only the transitions of callers count.
    to_caller: bool,
}

impl WhyNot {
    /// Why `machine` does not accept `event`; `None` if its state declares the event. A guard can still refuse it then.
    #[inline]
    pub fn of<M: StateMachine>(machine: &M, event: M::EventKind) -> Option<Self> {
        Self::in_state::<M>(machine.state(), event)
    }

    /// Why a machine `M` in `state` does not accept `event`; `None` if the state declares the event.
    #[inline]
    pub fn in_state<M: StateMachine>(state: M::State, event: M::EventKind) -> Option<Self> {
        Self { graph: M::GRAPH, state: state.as_str(), event: event.as_str(), to_caller: false }.if_any()
    }

    /// Why a durable machine `M` in `state` does not accept `event` from a caller; `None` if it does. A transition with `by = worker`
    /// does not count.
    #[inline]
    pub fn to_caller<M: StateMachine>(state: M::State, event: M::EventKind) -> Option<Self> {
        Self { graph: M::GRAPH, state: state.as_str(), event: event.as_str(), to_caller: true }.if_any()
    }

    #[inline]
    fn if_any(self) -> Option<Self> {
        self.accepts().all(|accepted| accepted != self.event).then_some(self)
    }

    /// The transitions that count.
    #[inline]
    fn transitions(&self) -> impl Iterator<Item = &'static TransitionInfo> + use<> {
        let to_caller = self.to_caller;
        self.graph.transitions.iter().filter(move |transition| !to_caller || transition.by.includes_callers())
    }

    /// Whether the state declares the event, but not for callers.
    #[must_use]
    #[inline]
    pub fn is_by_worker(&self) -> bool {
        self.to_caller && self.graph.transition(self.state, self.event).is_some()
    }

    /// The events that the state accepts.
    #[inline]
    pub fn accepts(&self) -> impl Iterator<Item = &'static str> + use<> {
        let state = self.state;
        self.transitions().filter(move |transition| transition.from == state).map(|transition| transition.event)
    }

    /// The states that accept the event.
    #[inline]
    pub fn accepted_in(&self) -> impl Iterator<Item = &'static str> + use<> {
        let event = self.event;
        self.transitions().filter(move |transition| transition.event == event).map(|transition| transition.from)
    }
}

impl fmt::Display for WhyNot {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { graph, state, event, .. } = self;
        if self.is_by_worker() {
            write!(f, "`{event}` is `by = worker` in state `{state}` of `{}`, where callers can fire ", graph.machine)?;
            return list(f, "and", self.accepts());
        }
        write!(f, "`{event}` is not accepted in state `{state}` of `{}`, which accepts ", graph.machine)?;
        list(f, "and", self.accepts())?;
        f.write_str("; it is accepted in ")?;
        list(f, "or", self.accepted_in())?;
        let paths = self.accepted_in().filter_map(|to| graph.path(state, to));
        match paths.min_by_key(alloc::vec::Vec::len) {
            None => f.write_str(", which cannot be reached from here"),
            Some(path) => {
                f.write_str(", reached through ")?;
                list(f, "and", path.iter().map(|step| step.transition.event))
            }
        }
    }
}
