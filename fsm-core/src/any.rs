//! A machine in any state, with its context: the trait of the generated `Any`, and its errors.

use alloc::boxed::Box;
use core::{error::Error, fmt};

use crate::error::{ApplyError, list};
use crate::explain::WhyNot;
use crate::machine::{StateMachine, StateOf};
use crate::names::Name;
use crate::reason::Reason;

type State<A> = <<A as AnyMachine>::Machine as StateMachine>::State;
type EventKind<A> = <<A as AnyMachine>::Machine as StateMachine>::EventKind;
type Event<A> = <<A as AnyMachine>::Machine as StateMachine>::Event;
type Context<A> = <<A as AnyMachine>::Machine as StateMachine>::Context;

/// A machine in any state, with its context: the generated `Any`, for code that is generic over machines.
///
/// The derive implements it. `Any` also has [`state`](Self::state), [`accepts`](Self::accepts), [`can`](Self::can),
/// [`why_not`](Self::why_not), [`would_accept`](Self::would_accept) and [`apply`](Self::apply) as inherent methods.
///
/// ```
/// use fsm_core::{AnyMachine, StateMachine};
///
/// #[derive(StateMachine)]
/// #[fsm(initial = Closed)]
/// enum Door {
///     #[on(open => Open)]
///     Closed,
///     #[on(close => Closed)]
///     Open,
/// }
///
/// fn names<A: AnyMachine>(machines: &[A]) -> Vec<String> {
///     machines.iter().map(|machine| machine.state().to_string()).collect()
/// }
///
/// # fn main() {
/// let doors: Vec<door::Any> =
///     vec![door::Machine::new(door::Closed).into(), door::Machine::new(door::Closed).open().into()];
/// assert_eq!(names(&doors), ["Closed", "Open"]);
/// # }
/// ```
pub trait AnyMachine: Sized {
    /// The enum.
    type Machine: StateMachine;

    /// The name of its state.
    fn state(&self) -> State<Self>;

    /// The events that its state declares. A guard can still refuse one.
    fn accepts(&self) -> &'static [EventKind<Self>];

    /// The context, which all states share; `()` if there is none.
    fn context(&self) -> &Context<Self>;

    /// Asks the guard of the transition, if there is one.
    #[doc(hidden)]
    fn __guard(&self, _event: &Event<Self>) -> Result<(), Reason> {
        Ok(())
    }

    #[doc(hidden)]
    fn __join(machine: Self::Machine, context: Box<Context<Self>>) -> Self;

    #[doc(hidden)]
    fn __split(self) -> (Self::Machine, Box<Context<Self>>);

    /// Whether its state declares `event`.
    fn can(&self, event: EventKind<Self>) -> bool {
        self.accepts().contains(&event)
    }

    /// Why its state does not accept `event`, and which events lead to one that does; `None` if the state declares it.
    fn why_not(&self, event: EventKind<Self>) -> Option<WhyNot> {
        WhyNot::in_state::<Self::Machine>(self.state(), event)
    }

    /// Whether [`apply`](Self::apply) would make a transition: the state declares the event, and the guard accepts it with its
    /// payload. Nothing is changed.
    ///
    /// # Errors
    /// If the state does not declare the event, or if the guard refuses it.
    fn would_accept(&self, event: &Event<Self>) -> Result<(), Refusal<Self::Machine>> {
        let (state, kind) = (self.state(), Self::Machine::kind_of(event));
        if !self.can(kind) {
            return Err(Refusal::new(state, kind, None));
        }
        self.__guard(event).map_err(|reason| Refusal::new(state, kind, Some(reason)))
    }

    /// Makes a transition whose state and event are known only at run time.
    ///
    /// # Errors
    /// Returns machine and event, unchanged, if the state does not declare the event, or if a guard refuses it.
    fn apply(self, event: impl Into<Event<Self>>) -> Result<Self, AnyApplyError<Self>> {
        let (machine, mut context) = self.__split();
        match machine.apply(event.into(), &mut context) {
            Ok(machine) => Ok(Self::__join(machine, context)),
            Err(ApplyError { machine, event, reason }) => {
                Err(AnyApplyError { machine: Self::__join(machine, context), event, reason })
            }
        }
    }

    /// The enum's value and the context.
    fn into_parts(self) -> (Self::Machine, Context<Self>) {
        let (machine, context) = self.__split();
        (machine, *context)
    }
}

/// Why an event is not accepted at the moment: the state does not declare it, a guard refuses it, or callers cannot fire it.
#[non_exhaustive]
pub struct Refusal<M: StateMachine> {
    /// The state.
    pub state: M::State,
    /// The event.
    pub event: M::EventKind,
    /// The guard's reason; `None` if the state does not declare the event.
    pub reason: Option<Reason>,
    /// Whether the state declares the event `by = worker`, so that callers cannot fire it.
    pub by_worker: bool,
}

impl<M: StateMachine> Refusal<M> {
    /// `event` is refused in `state`, by a guard if there is a `reason`.
    pub fn new(state: M::State, event: M::EventKind, reason: Option<Reason>) -> Self {
        Self { state, event, reason, by_worker: false }
    }

    /// `event` cannot be fired by callers in `state`: it is `by = worker`.
    pub fn by_worker(state: M::State, event: M::EventKind) -> Self {
        Self { state, event, reason: None, by_worker: true }
    }
}

impl<M: StateMachine> Clone for Refusal<M> {
    fn clone(&self) -> Self {
        Self { reason: self.reason.clone(), ..*self }
    }
}

impl<M: StateMachine> PartialEq for Refusal<M> {
    fn eq(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.state, it.event, it.by_worker);
        parts(self) == parts(other) && self.reason == other.reason
    }
}

impl<M: StateMachine> Eq for Refusal<M> {}

impl<M: StateMachine> fmt::Debug for Refusal<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("state", &self.state)
            .field("event", &self.event)
            .field("reason", &self.reason)
            .field("by_worker", &self.by_worker)
            .finish()
    }
}

impl<M: StateMachine> fmt::Display for Refusal<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.by_worker {
            return by_worker::<M>(f, self.state, self.event);
        }
        refused::<M>(f, self.state, self.event, self.reason.as_ref())
    }
}

impl<M: StateMachine> Error for Refusal<M> {}

/// [`AnyMachine::apply`] made no transition. Machine and event are returned unchanged.
#[non_exhaustive]
pub struct AnyApplyError<A: AnyMachine> {
    /// The machine.
    pub machine: A,
    /// The event.
    pub event: Event<A>,
    /// The guard's reason; `None` if the state does not declare the event.
    pub reason: Option<Reason>,
}

impl<A: AnyMachine> fmt::Debug for AnyApplyError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyApplyError")
            .field("state", &self.machine.state())
            .field("event", &A::Machine::kind_of(&self.event))
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<A: AnyMachine> fmt::Display for AnyApplyError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        refused::<A::Machine>(f, self.machine.state(), A::Machine::kind_of(&self.event), self.reason.as_ref())
    }
}

impl<A: AnyMachine> Error for AnyApplyError<A> {}

/// A machine is not in the requested state. It is returned unchanged.
#[non_exhaustive]
pub struct NotInStateError<A: AnyMachine> {
    /// The machine.
    pub machine: A,
    /// The requested state.
    pub wanted: State<A>,
}

impl<A: AnyMachine> NotInStateError<A> {
    /// `machine` is not in state `S`.
    pub fn new<S: StateOf<A::Machine>>(machine: A) -> Self {
        Self { machine, wanted: S::STATE }
    }
}

impl<A: AnyMachine> fmt::Debug for NotInStateError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotInStateError")
            .field("state", &self.machine.state())
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl<A: AnyMachine> fmt::Display for NotInStateError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, state) = (A::Machine::GRAPH.machine, self.machine.state());
        write!(f, "`{machine}` is in state `{state}`; expected `{}`", self.wanted)
    }
}

impl<A: AnyMachine> Error for NotInStateError<A> {}

/// Writes that `event` was refused in `state`, by a guard if there is a `reason`.
pub(crate) fn refused<M: StateMachine>(
    f: &mut fmt::Formatter<'_>,
    state: M::State,
    event: M::EventKind,
    reason: Option<&Reason>,
) -> fmt::Result {
    let machine = M::GRAPH.machine;
    if let Some(reason) = reason {
        return write!(f, "`{event}` was refused in state `{state}` of `{machine}`: {reason}");
    }
    write!(f, "`{event}` is not accepted in state `{state}` of `{machine}`, which accepts ")?;
    list(f, "and", M::GRAPH.transitions_from(state.as_str()).map(|transition| transition.event))
}

/// Writes that `event` is `by = worker` in `state`.
fn by_worker<M: StateMachine>(f: &mut fmt::Formatter<'_>, state: M::State, event: M::EventKind) -> fmt::Result {
    WhyNot::to_caller::<M>(state, event).map_or(Ok(()), |why| write!(f, "{why}"))
}
