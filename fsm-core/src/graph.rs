//! The graph of a machine as `const` data, and the questions one can ask it.

use core::time::Duration;

/// A machine as `const` data: what its declaration says, in declaration order.
///
/// The derive builds it; `Server::GRAPH` is where it is found. Everything in it is `'static`, so it is copied freely and
/// needs no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The enum's name.
    pub machine: &'static str,
    /// The enum's doc comment.
    pub doc: &'static str,
    /// The schema version, `#[fsm(version = N)]`.
    pub version: u32,
    /// The type of what every state shares, as the declaration writes it, `#[fsm(context = Type)]`.
    pub context: Option<&'static str>,
    /// All states.
    pub states: &'static [StateInfo],
    /// All events.
    pub events: &'static [EventInfo],
    /// All transitions.
    pub transitions: &'static [TransitionInfo],
    /// All superstates.
    pub groups: &'static [GroupInfo],
}

/// What a state is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It rests until an event comes.
    Rest,
    /// Async work moves it on, `#[state(work)]`.
    Work,
    /// The machine has ended, `#[state(end)]`.
    End,
}

/// One state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateInfo {
    /// Its name, as it is stored and drawn.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// Whether a machine can be born here.
    pub initial: bool,
    /// Whether a stored machine is removed on entry, `#[state(end, remove)]`.
    pub remove: bool,
    /// Earlier names, still accepted from stored rows, `#[state(was = "Old")]`.
    pub was: &'static [&'static str],
    /// The superstate it is in.
    pub group: Option<&'static str>,
    /// Its fields.
    pub fields: &'static [FieldInfo],
    /// What fires when the machine stays too long.
    pub timer: Option<TimerInfo>,
    /// The event that is fired when the worker's attempts are used up, `#[state(work, exhausted = event)]`.
    pub exhausted: Option<&'static str>,
}

/// One field of a state or of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// Its name, or its position in a tuple.
    pub name: &'static str,
    /// Its type, as the declaration writes it.
    pub ty: &'static str,
}

/// A timer that runs while the machine is in a state, `#[after(…)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerInfo {
    /// How long after the entry into the state it fires.
    pub after: Duration,
    /// The event that it fires.
    pub event: &'static str,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventInfo {
    /// Its name, in `snake_case`, as the method is called.
    pub name: &'static str,
    /// Its payload.
    pub fields: &'static [FieldInfo],
}

/// One transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransitionInfo {
    /// The state it leaves.
    pub from: &'static str,
    /// The event that causes it.
    pub event: &'static str,
    /// The states it can lead to; more than one where it branches.
    pub to: &'static [&'static str],
    /// Whether a guard can refuse it.
    pub guarded: bool,
    /// Whether the system itself may fire it on the way to a wished-for state.
    pub auto: bool,
    /// What the declaration says about it.
    pub doc: &'static str,
}

/// One superstate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub name: &'static str,
    /// What the declaration says about it.
    pub doc: &'static str,
}

impl Graph {
    /// The state that is called `name` today.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<&'static StateInfo> {
        self.states.iter().find(|state| state.name == name)
    }

    /// The state that is, or once was, called `name`: for what was stored under an earlier declaration.
    #[must_use]
    pub fn state_was(&self, name: &str) -> Option<&'static StateInfo> {
        self.state(name).or_else(|| self.states.iter().find(|state| state.was.contains(&name)))
    }

    /// The names under which rows in the state that is called `name` today can be stored: this one, and those that it had
    /// earlier and no other state has now.
    pub fn stored_names(&self, name: &str) -> impl Iterator<Item = &'static str> + use<'_> {
        let state = self.state(name);
        let earlier = state.into_iter().flat_map(|state| state.was).copied();
        state.map(|state| state.name).into_iter().chain(earlier.filter(|was| self.state(was).is_none()))
    }

    /// The event that is called `name`.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<&'static EventInfo> {
        self.events.iter().find(|event| event.name == name)
    }

    /// The transition out of `from` on `event`, if it is declared.
    #[must_use]
    pub fn transition(&self, from: &str, event: &str) -> Option<&'static TransitionInfo> {
        self.transitions.iter().find(|transition| transition.from == from && transition.event == event)
    }

    /// The transitions out of `from`.
    pub fn transitions_from<'n>(&self, from: &'n str) -> impl Iterator<Item = &'static TransitionInfo> + use<'n> {
        self.transitions.iter().filter(move |transition| transition.from == from)
    }

    /// The states in which a machine can be born.
    pub fn initial(&self) -> impl Iterator<Item = &'static StateInfo> + use<> {
        self.states.iter().filter(|state| state.initial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const A: StateInfo = StateInfo {
        name: "A",
        doc: "",
        kind: Kind::Rest,
        initial: true,
        remove: false,
        was: &["Old", "B"],
        group: None,
        fields: &[FieldInfo { name: "x", ty: "u8" }],
        timer: None,
        exhausted: None,
    };
    const B: StateInfo = StateInfo { name: "B", initial: false, was: &[], ..A };
    const GRAPH: Graph = Graph {
        machine: "M",
        doc: "",
        version: 1,
        context: None,
        states: &[A, B],
        events: &[EventInfo { name: "go", fields: &[] }],
        transitions: &[
            TransitionInfo { from: "A", event: "go", to: &["B"], guarded: false, auto: false, doc: "" },
            TransitionInfo { from: "B", event: "go", to: &["A", "B"], guarded: false, auto: false, doc: "" },
        ],
        groups: &[],
    };

    #[test]
    fn names_are_found() {
        assert_eq!(GRAPH.state("A"), Some(&A));
        assert_eq!(GRAPH.state("Old"), None);
        assert_eq!(GRAPH.state_was("Old"), Some(&A));
        assert_eq!(
            GRAPH.state_was("B").map(|state| state.name),
            Some("B"),
            "a present name goes before an earlier one"
        );
        assert_eq!(GRAPH.stored_names("A").collect::<Vec<_>>(), ["A", "Old"]);
        assert_eq!(GRAPH.event("go").map(|event| event.name), Some("go"));
        assert_eq!(GRAPH.transition("B", "go").map(|transition| transition.to), Some(&["A", "B"][..]));
        assert_eq!(GRAPH.transition("B", "stop"), None);
        assert_eq!(GRAPH.transitions_from("A").count(), 1);
        assert_eq!(GRAPH.initial().map(|state| state.name).collect::<Vec<_>>(), ["A"]);
    }

    #[test]
    fn the_fingerprint_sees_what_rows_depend_on_and_nothing_else() {
        const STORED: u64 = GRAPH.fingerprint();
        assert_eq!(STORED, 13_956_071_540_157_662_502, "the algorithm is a promise: stored values stay comparable");
        let same = [
            Graph { doc: "other", ..GRAPH },
            Graph { transitions: &[], ..GRAPH },
            Graph { states: &[StateInfo { doc: "other", was: &[], ..A }, B], ..GRAPH },
        ];
        assert!(same.iter().all(|graph| graph.fingerprint() == STORED));
        let other = [
            Graph { machine: "N", ..GRAPH },
            Graph { version: 2, ..GRAPH },
            Graph { context: Some("Shop"), ..GRAPH },
            Graph { states: &[A], ..GRAPH },
            Graph { states: &[StateInfo { kind: Kind::Work, ..A }, B], ..GRAPH },
            Graph { states: &[StateInfo { fields: &[FieldInfo { name: "x", ty: "u16" }], ..A }, B], ..GRAPH },
            Graph { events: &[EventInfo { name: "go", fields: A.fields }], ..GRAPH },
        ];
        assert!(other.iter().all(|graph| graph.fingerprint() != STORED));
    }
}
