//! The errors of a machine: each names the problem and returns the caller's values.
//!
//! None of them prints a machine's data, because states and payloads may be private.

use alloc::boxed::Box;
use core::{error::Error, fmt};

use crate::any::refused;
use crate::machine::{StateMachine, StateOf};
use crate::names::Name;
use crate::reason::Reason;

/// A guard refused a typed transition. Machine and event are returned unchanged.
#[derive(Clone, PartialEq, Eq)]
pub struct GuardError<S, E> {
    /// The machine, or its state.
    pub machine: S,
    /// The event.
    pub event: E,
    /// The guard's reason.
    pub reason: Reason,
}

impl<S, E> GuardError<S, E> {
    /// Converts the machine and keeps event and reason.
    pub fn map<T>(self, convert: impl FnOnce(S) -> T) -> GuardError<T, E> {
        GuardError { machine: convert(self.machine), event: self.event, reason: self.reason }
    }
}

impl<S, E> fmt::Debug for GuardError<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<S, E> fmt::Display for GuardError<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused by the guard: {}", self.reason)
    }
}

impl<S, E> Error for GuardError<S, E> {}

/// [`apply`](StateMachine::apply) made no transition. Machine and event are returned unchanged.
pub struct ApplyError<M: StateMachine> {
    /// The machine.
    pub machine: M,
    /// The event.
    pub event: M::Event,
    /// The guard's reason; `None` if the state does not declare the event.
    pub reason: Option<Reason>,
}

impl<M: StateMachine> ApplyError<M> {
    /// The events that the state declares.
    pub fn accepts(&self) -> &'static [M::EventKind] {
        self.machine.accepts()
    }
}

impl<M: StateMachine> fmt::Debug for ApplyError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplyError")
            .field("state", &self.machine.state())
            .field("event", &M::kind_of(&self.event))
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<M: StateMachine> fmt::Display for ApplyError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        refused::<M>(f, self.machine.state(), M::kind_of(&self.event), self.reason.as_ref())
    }
}

impl<M: StateMachine> Error for ApplyError<M> {}

/// A value is not in the requested state. It is returned unchanged.
pub struct WrongStateError<M: StateMachine> {
    /// The value.
    pub machine: M,
    /// Its context; `()` if the machine has none.
    pub context: M::Context,
    /// The requested state.
    pub wanted: M::State,
}

impl<M: StateMachine> WrongStateError<M> {
    /// `machine` is not in state `S`.
    pub fn new<S: StateOf<M>>(machine: M, context: M::Context) -> Self {
        Self { machine, context, wanted: S::STATE }
    }
}

impl<M: StateMachine> fmt::Debug for WrongStateError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrongStateError")
            .field("state", &self.machine.state())
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl<M: StateMachine> fmt::Display for WrongStateError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, state) = (M::GRAPH.machine, self.machine.state());
        write!(f, "`{machine}` is in state `{state}`; expected `{}`", self.wanted)
    }
}

impl<M: StateMachine> Error for WrongStateError<M> {}

/// A text is not the name of any state, or of any event, of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownNameError {
    of: &'static str,
    name: Box<str>,
    known: Box<[&'static str]>,
}

impl UnknownNameError {
    /// `name` is not one of `N`'s names; `of` says what those name, such as "state of `Server`".
    #[must_use]
    pub fn new<N: Name>(of: &'static str, name: &str) -> Self {
        Self { of, name: name.into(), known: N::ALL.iter().map(|known| known.as_str()).collect() }
    }

    /// The unknown name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The known names.
    #[must_use]
    pub fn known(&self) -> &[&'static str] {
        &self.known
    }
}

impl fmt::Display for UnknownNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {}: `{}`", self.of, self.name)?;
        if self.known.is_empty() {
            return Ok(());
        }
        f.write_str("; expected ")?;
        list(f, "or", self.known.iter().copied())
    }
}

impl Error for UnknownNameError {}

/// Writes `` `a`, `b` and `c` `` with the given conjunction; `none` if there are no names.
pub(crate) fn list(
    f: &mut fmt::Formatter<'_>,
    conjunction: &str,
    names: impl Iterator<Item = &'static str>,
) -> fmt::Result {
    let mut names = names.peekable();
    let Some(first) = names.next() else { return f.write_str("none") };
    write!(f, "`{first}`")?;
    while let Some(name) = names.next() {
        if names.peek().is_some() {
            write!(f, ", `{name}`")?;
        } else {
            write!(f, " {conjunction} `{name}`")?;
        }
    }
    Ok(())
}
