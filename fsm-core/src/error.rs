//! What can be wrong at run time: each error says what was found and gives back what went in.
//!
//! None of them prints a machine's data: states and payloads may be private.

use alloc::{borrow::Cow, boxed::Box, string::String};
use core::{error::Error, fmt};

use crate::machine::{StateMachine, StateOf};
use crate::names::Name;

/// Why a guard said no, for people.
///
/// A guard returns `Result<(), R>` with any `R: Into<Reason>`; text is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Reason {
    fn from(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

impl From<String> for Reason {
    fn from(reason: String) -> Self {
        Self(Cow::Owned(reason))
    }
}

impl From<Cow<'static, str>> for Reason {
    fn from(reason: Cow<'static, str>) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A guard refused a typed transition: everything that went in comes back.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused<S, E> {
    /// What was to be moved on, unchanged.
    pub machine: S,
    /// The event, unchanged.
    pub event: E,
    /// The guard's reason.
    pub reason: Reason,
}

impl<S, E> Refused<S, E> {
    /// Puts what was to be moved on into something else, as a machine around its state.
    pub fn map<T>(self, wrap: impl FnOnce(S) -> T) -> Refused<T, E> {
        Refused { machine: wrap(self.machine), event: self.event, reason: self.reason }
    }
}

impl<S, E> fmt::Debug for Refused<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<S, E> fmt::Display for Refused<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {}", self.reason)
    }
}

impl<S, E> Error for Refused<S, E> {}

/// [`apply`](StateMachine::apply) did not move the machine: machine and event come back.
pub struct Rejected<M: StateMachine> {
    /// The machine, unchanged.
    pub machine: M,
    /// The event, unchanged.
    pub event: M::Event,
    /// A guard's reason; `None` where the state does not declare the event.
    pub reason: Option<Reason>,
}

impl<M: StateMachine> Rejected<M> {
    /// What the state accepts instead.
    pub fn accepts(&self) -> &'static [M::EventKind] {
        self.machine.accepts()
    }
}

impl<M: StateMachine> fmt::Debug for Rejected<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("state", &self.machine.state())
            .field("event", &M::kind_of(&self.event))
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<M: StateMachine> fmt::Display for Rejected<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, state, event) = (M::GRAPH.machine, self.machine.state(), M::kind_of(&self.event));
        if let Some(reason) = &self.reason {
            return write!(f, "`{event}` was refused in state `{state}` of `{machine}`: {reason}");
        }
        write!(f, "`{event}` is not accepted in state `{state}` of `{machine}`, which accepts ")?;
        list(f, self.accepts().iter().map(|event| event.as_str()))
    }
}

impl<M: StateMachine> Error for Rejected<M> {}

/// A value was not in the state that was asked for: it comes back.
pub struct WrongStateError<M: StateMachine> {
    /// The value, unchanged.
    pub machine: M,
    /// What came with it; `()` where the machine has no context.
    pub context: M::Context,
    /// The state that was asked for.
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
        write!(f, "the `{}` is in state `{}`, not in `{}`", M::GRAPH.machine, self.machine.state(), self.wanted)
    }
}

impl<M: StateMachine> Error for WrongStateError<M> {}

/// A text names none of a machine's states, or none of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownNameError {
    of: &'static str,
    name: Box<str>,
    known: Box<[&'static str]>,
}

impl UnknownNameError {
    /// `name` is none of `N`'s; `of` says what those are names of, as in "state of `Server`".
    #[must_use]
    pub fn new<N: Name>(of: &'static str, name: &str) -> Self {
        Self { of, name: name.into(), known: N::ALL.iter().map(|known| known.as_str()).collect() }
    }

    /// What was found.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names there are.
    #[must_use]
    pub fn known(&self) -> &[&'static str] {
        &self.known
    }
}

impl fmt::Display for UnknownNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no {}; there are ", self.name, self.of)?;
        list(f, self.known.iter().copied())
    }
}

impl Error for UnknownNameError {}

/// `` `a`, `b` and `c` ``, or `none`.
pub(crate) fn list(f: &mut fmt::Formatter<'_>, names: impl Iterator<Item = &'static str>) -> fmt::Result {
    let mut names = names.peekable();
    let Some(first) = names.next() else { return f.write_str("none") };
    write!(f, "`{first}`")?;
    while let Some(name) = names.next() {
        let separator = if names.peek().is_some() { ", " } else { " and " };
        write!(f, "{separator}`{name}`")?;
    }
    Ok(())
}
