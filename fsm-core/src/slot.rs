//! A place for a machine that is moved in place, behind `&mut`.

use core::{error::Error, fmt};

use crate::any::{AnyApplyError, AnyMachine, Refusal};
use crate::machine::StateMachine;

type State<A> = <<A as AnyMachine>::Machine as StateMachine>::State;
type Event<A> = <<A as AnyMachine>::Machine as StateMachine>::Event;

/// A place for a machine, such as a field of a struct, in which [`apply`](Self::apply) moves it through `&mut`.
///
/// A transition consumes the machine, so that its data can move into the next state. The slot takes it out, applies the event,
/// and puts the result back, or the unchanged machine if the event is refused. Neither `Clone` nor `Default` is needed.
///
/// If a guard or a `with` function panics, its machine is lost and the slot is empty. [`get`](Self::get) returns `None` then, and
/// [`apply`](Self::apply) returns [`SlotError::Empty`], until [`set`](Self::set) puts in another machine. [`take`](Self::take)
/// also leaves the slot empty.
///
/// ```
/// use fsm_core::{Slot, StateMachine};
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
/// struct House {
///     door: Slot<door::Any>,
/// }
///
/// impl House {
///     fn enter(&mut self) -> Result<(), fsm_core::SlotError<Door>> {
///         self.door.apply(door::event::Open)?;
///         Ok(())
///     }
/// }
///
/// # fn main() {
/// let mut house = House { door: Slot::new(door::Machine::new(door::Closed)) };
/// assert!(house.enter().is_ok());
/// assert_eq!(house.door.state(), Some(door::State::Open));
/// assert_eq!(house.enter().unwrap_err().to_string(), "`open` is not accepted in state `Open` of `Door`, which accepts `close`");
/// assert_eq!(house.door.state(), Some(door::State::Open)); // unchanged
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Slot<A> {
    /// `None` after a panic, and after `take`.
    machine: Option<A>,
}

impl<A: AnyMachine> Slot<A> {
    /// A slot with a machine: a typed one, an `Any`, or what an `Any` is restored from.
    pub fn new(machine: impl Into<A>) -> Self {
        Self { machine: Some(machine.into()) }
    }

    /// The machine, to match on; `None` if the slot is empty.
    #[must_use]
    pub fn get(&self) -> Option<&A> {
        self.machine.as_ref()
    }

    /// The machine, for example to change its context; `None` if the slot is empty.
    pub fn get_mut(&mut self) -> Option<&mut A> {
        self.machine.as_mut()
    }

    /// Replaces the machine.
    pub fn set(&mut self, machine: impl Into<A>) {
        self.machine = Some(machine.into());
    }

    /// Takes the machine out, for example to fire typed events on it, and leaves the slot empty.
    #[must_use = "a machine that is dropped is lost"]
    pub fn take(&mut self) -> Option<A> {
        self.machine.take()
    }

    /// The machine; `None` if the slot is empty.
    #[must_use]
    pub fn into_inner(self) -> Option<A> {
        self.machine
    }

    /// The name of the machine's state; `None` if the slot is empty.
    #[must_use]
    pub fn state(&self) -> Option<State<A>> {
        Some(self.machine.as_ref()?.state())
    }

    /// Makes a transition in place, and returns the next state.
    ///
    /// # Errors
    /// [`SlotError::Refused`] if the state does not declare the event, or if a guard refuses it: the machine is unchanged.
    /// [`SlotError::Empty`] if the slot is empty. Both return the event.
    pub fn apply(&mut self, event: impl Into<Event<A>>) -> Result<State<A>, SlotError<A::Machine>> {
        let event = event.into();
        let Some(machine) = self.machine.take() else { return Err(SlotError::Empty { event }) };
        match machine.apply(event) {
            Ok(machine) => {
                let state = machine.state();
                self.machine = Some(machine);
                Ok(state)
            }
            Err(AnyApplyError { machine, event, reason }) => {
                let refusal = Refusal::new(machine.state(), A::Machine::kind_of(&event), reason);
                self.machine = Some(machine);
                Err(SlotError::Refused { refusal, event })
            }
        }
    }
}

impl<A: AnyMachine> From<A> for Slot<A> {
    fn from(machine: A) -> Self {
        Self::new(machine)
    }
}

/// [`Slot::apply`] made no transition.
#[non_exhaustive]
pub enum SlotError<M: StateMachine> {
    /// The state does not declare the event, or a guard refuses it. The machine is unchanged.
    Refused {
        /// State, event and reason.
        refusal: Refusal<M>,
        /// The event with its payload.
        event: M::Event,
    },
    /// The slot is empty.
    Empty {
        /// The event with its payload.
        event: M::Event,
    },
}

impl<M: StateMachine> fmt::Debug for SlotError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal, .. } => {
                f.debug_struct("Refused").field("refusal", refusal).finish_non_exhaustive()
            }
            Self::Empty { event } => f.debug_struct("Empty").field("event", &M::kind_of(event)).finish_non_exhaustive(),
        }
    }
}

impl<M: StateMachine> fmt::Display for SlotError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal, .. } => refusal.fmt(f),
            Self::Empty { event } => write!(
                f,
                "`{}` was applied to an empty slot: its machine was taken, or lost when a guard or a `with` function of `{}` \
                 panicked; put one in with `Slot::set`",
                M::kind_of(event),
                M::GRAPH.machine
            ),
        }
    }
}

impl<M: StateMachine> Error for SlotError<M> {}
