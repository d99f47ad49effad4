//! The graph of a machine as `const` data, and lookups in it.

use core::{fmt, time::Duration};

use crate::{fired_by::FiredBy, saga::SagaInfo, waits::WaitInfo};

/// A machine as `const` data: everything its declaration says, in declaration order.
///
/// The derive generates it as `Server::GRAPH`. Every part is `'static`, so a graph is copied freely and needs no allocation.
///
/// Build one by hand only to test code that takes graphs:
///
/// ```
/// use fsm_core::{Graph, StateInfo, StateKind, TransitionInfo};
///
/// const DOOR: Graph = Graph::new("Door")
///     .with_states(&[StateInfo::new("Open").with_initial(true), StateInfo::new("Sealed").with_kind(StateKind::End)])
///     .with_transitions(&[TransitionInfo::new("Open", "seal", &["Sealed"])]);
/// assert_eq!(DOOR.transition("Open", "seal").unwrap().to, ["Sealed"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Graph {
    /// The enum's name.
    pub machine: &'static str,
    /// The enum's doc comment.
    pub doc: &'static str,
    /// The schema version, `#[fsm(version = N)]`.
    pub version: u32,
    /// The type of the shared context as the declaration writes it, `#[fsm(context = Type)]`.
    pub context: Option<&'static str>,
    /// All states.
    pub states: &'static [StateInfo],
    /// All events.
    pub events: &'static [EventInfo],
    /// All transitions.
    pub transitions: &'static [TransitionInfo],
    /// All superstates.
    pub groups: &'static [GroupInfo],
    /// How it is undone, `#[fsm(saga(undone = State))]`.
    pub saga: Option<&'static SagaInfo>,
}

/// What moves a machine out of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateKind {
    /// An event from outside, or a timer.
    Rest,
    /// A worker, `#[state(work)]`.
    Work,
    /// Nothing: the machine has ended, `#[state(end)]`.
    End,
}

/// One state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateInfo {
    /// The name, as it is stored and drawn.
    pub name: &'static str,
    /// The doc comment.
    pub doc: &'static str,
    /// What moves a machine out of the state.
    pub kind: StateKind,
    /// Whether a machine can be created in the state.
    pub initial: bool,
    /// Whether a stored machine is removed on entry, `#[state(end, remove)]`.
    pub remove: bool,
    /// Former names, still accepted from stored rows, `#[state(was = "Old")]`.
    pub was: &'static [&'static str],
    /// The innermost superstate that contains the state.
    pub group: Option<&'static str>,
    /// The fields.
    pub fields: &'static [FieldInfo],
    /// The timers that start on entry, each for an event of its own.
    pub timers: &'static [TimerInfo],
    /// The event that fires when the worker has used up its attempts, `#[state(work, exhausted = event)]`.
    pub exhausted: Option<&'static str>,
    /// The instances of other machines that it waits for, `#[state(waits(…))]`.
    pub waits: &'static [WaitInfo],
    /// The path of the function that runs on entry, `#[state(enter = path)]`; `closure` for a closure.
    pub enter: Option<&'static str>,
}

/// One field of a state or of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldInfo {
    /// The name, or the position in a tuple.
    pub name: &'static str,
    /// The type, as the declaration writes it.
    pub ty: &'static str,
}

/// A timer that runs while a machine is in a state, `#[after(…)]` or `#[at(…)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimerInfo {
    /// When it fires.
    pub delay: TimerDelay,
    /// The event that it fires, which is also the name of the timer.
    pub event: &'static str,
}

/// When a timer fires.
///
/// [`Display`](fmt::Display) writes it as pictures show it: `after 15m`, `after session.hold`, `at offer.until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerDelay {
    /// This long after it was started.
    After(Duration),
    /// A computed time after it was started, `#[after(|state| state.patience, event)]`. Has the body of the closure if it is short,
    /// otherwise `closure`.
    Computed(&'static str),
    /// At a computed time, `#[at(|state| state.until, event)]`. Has the body of the closure if it is short, otherwise `closure`.
    At(&'static str),
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventInfo {
    /// The name in `snake_case`, which is also the name of the method.
    pub name: &'static str,
    /// The fields of the payload.
    pub fields: &'static [FieldInfo],
}

/// One transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransitionInfo {
    /// The source state.
    pub from: &'static str,
    /// The event that triggers it.
    pub event: &'static str,
    /// The possible target states; more than one if the transition branches. Of an internal transition, the source state.
    pub to: &'static [&'static str],
    /// Whether it stays in its state, without an exit and an entry, `#[on(event => _)]`: the timers and the worker of a durable machine
    /// continue.
    pub internal: bool,
    /// The history to which it leads, `#[on(event => history(Superstate))]`. The targets are then all states that it can be; which
    /// of them is taken depends on the state that was left.
    pub history: Option<HistoryInfo>,
    /// The superstate, or the machine, whose declaration for the same event this one overrides.
    pub overrides: Option<&'static str>,
    /// Whether a guard can refuse it.
    pub guarded: bool,
    /// The timers that an internal transition starts again, by their events, `#[on(event => _, rewind = timer)]`.
    pub rewinds: &'static [&'static str],
    /// Whether the runtime may fire it to reach a desired state.
    pub auto: bool,
    /// Who can fire it.
    pub by: FiredBy,
    /// The description in the declaration.
    pub doc: &'static str,
}

/// The history of a superstate, as a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryInfo {
    /// The superstate.
    pub group: &'static str,
    /// Whether it leads into superstates inside the superstate, `history(Superstate, deep)`.
    pub deep: bool,
}

/// One superstate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupInfo {
    /// The name.
    pub name: &'static str,
    /// The superstate that contains it.
    pub parent: Option<&'static str>,
    /// The description in the declaration.
    pub doc: &'static str,
}

impl Graph {
    /// A graph without states, of schema version 1.
    #[must_use]
    pub const fn new(machine: &'static str) -> Self {
        Self {
            machine,
            doc: "",
            version: 1,
            context: None,
            states: &[],
            events: &[],
            transitions: &[],
            groups: &[],
            saga: None,
        }
    }

    /// Sets the doc comment.
    #[must_use]
    pub const fn with_doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// Sets the schema version.
    #[must_use]
    pub const fn with_version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Sets the type of the shared context.
    #[must_use]
    pub const fn with_context(mut self, ty: &'static str) -> Self {
        self.context = Some(ty);
        self
    }

    /// Sets the states.
    #[must_use]
    pub const fn with_states(mut self, states: &'static [StateInfo]) -> Self {
        self.states = states;
        self
    }

    /// Sets the events.
    #[must_use]
    pub const fn with_events(mut self, events: &'static [EventInfo]) -> Self {
        self.events = events;
        self
    }

    /// Sets the transitions.
    #[must_use]
    pub const fn with_transitions(mut self, transitions: &'static [TransitionInfo]) -> Self {
        self.transitions = transitions;
        self
    }

    /// Sets the superstates.
    #[must_use]
    pub const fn with_groups(mut self, groups: &'static [GroupInfo]) -> Self {
        self.groups = groups;
        self
    }

    /// Sets how it is undone.
    #[must_use]
    pub const fn with_saga(mut self, saga: &'static SagaInfo) -> Self {
        self.saga = Some(saga);
        self
    }

    /// The state whose current name is `name`.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<&'static StateInfo> {
        self.states.iter().find(|state| state.name == name)
    }

    /// The state whose current or former name is `name`, for rows stored under an earlier declaration.
    ///
    /// A current name takes precedence over a former one.
    #[must_use]
    pub fn state_was(&self, name: &str) -> Option<&'static StateInfo> {
        self.state(name).or_else(|| self.states.iter().find(|state| state.was.contains(&name)))
    }

    /// The names under which rows in the state `name` can be stored: the current name and the former names that no other
    /// state has taken over.
    pub fn stored_names(&self, name: &str) -> impl Iterator<Item = &'static str> + use<'_> {
        let state = self.state(name);
        let former = state.into_iter().flat_map(|state| state.was).copied();
        state.map(|state| state.name).into_iter().chain(former.filter(|was| self.state(was).is_none()))
    }

    /// The event `name`.
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

    /// The superstate `name`.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&'static GroupInfo> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The superstates that contain the state `name`, from the innermost to the outermost.
    pub fn groups_of(&self, name: &str) -> impl Iterator<Item = &'static GroupInfo> + use<'_> {
        let innermost = self.state(name).and_then(|state| state.group).and_then(|group| self.group(group));
        core::iter::successors(innermost, |group| group.parent.and_then(|parent| self.group(parent)))
            // A graph built by hand can have a cycle.
            .take(self.groups.len())
    }

    /// The histories to which transitions lead, each once.
    pub(crate) fn histories(&self) -> alloc::vec::Vec<HistoryInfo> {
        let mut histories = alloc::vec::Vec::new();
        for history in self.transitions.iter().filter_map(|transition| transition.history) {
            if !histories.contains(&history) {
                histories.push(history);
            }
        }
        histories
    }

    /// The states in which a machine can be created.
    pub fn initial(&self) -> impl Iterator<Item = &'static StateInfo> + use<> {
        self.states.iter().filter(|state| state.initial)
    }
}

impl StateInfo {
    /// A state of kind [`Rest`](StateKind::Rest), without fields, that is not initial.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            doc: "",
            kind: StateKind::Rest,
            initial: false,
            remove: false,
            was: &[],
            group: None,
            fields: &[],
            timers: &[],
            exhausted: None,
            waits: &[],
            enter: None,
        }
    }

    /// Sets the doc comment.
    #[must_use]
    pub const fn with_doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// Sets the kind.
    #[must_use]
    pub const fn with_kind(mut self, kind: StateKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets whether a machine can be created in the state.
    #[must_use]
    pub const fn with_initial(mut self, initial: bool) -> Self {
        self.initial = initial;
        self
    }

    /// Sets whether a stored machine is removed on entry.
    #[must_use]
    pub const fn with_remove(mut self, remove: bool) -> Self {
        self.remove = remove;
        self
    }

    /// Sets the former names.
    #[must_use]
    pub const fn with_was(mut self, names: &'static [&'static str]) -> Self {
        self.was = names;
        self
    }

    /// Sets the superstate.
    #[must_use]
    pub const fn with_group(mut self, group: &'static str) -> Self {
        self.group = Some(group);
        self
    }

    /// Sets the fields.
    #[must_use]
    pub const fn with_fields(mut self, fields: &'static [FieldInfo]) -> Self {
        self.fields = fields;
        self
    }

    /// Sets the timers.
    #[must_use]
    pub const fn with_timers(mut self, timers: &'static [TimerInfo]) -> Self {
        self.timers = timers;
        self
    }

    /// The timer that fires `event`.
    #[must_use]
    pub fn timer(&self, event: &str) -> Option<&'static TimerInfo> {
        self.timers.iter().find(|timer| timer.event == event)
    }

    /// Sets the event that fires when the worker has used up its attempts.
    #[must_use]
    pub const fn with_exhausted(mut self, event: &'static str) -> Self {
        self.exhausted = Some(event);
        self
    }

    /// Sets what it waits for.
    #[must_use]
    pub const fn with_waits(mut self, waits: &'static [WaitInfo]) -> Self {
        self.waits = waits;
        self
    }

    /// Sets the function that runs on entry.
    #[must_use]
    pub const fn with_enter(mut self, function: &'static str) -> Self {
        self.enter = Some(function);
        self
    }
}

impl StateKind {
    /// `"rest"`, `"work"` or `"end"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Work => "work",
            Self::End => "end",
        }
    }
}

impl FieldInfo {
    /// A field `name` of type `ty`.
    #[must_use]
    pub const fn new(name: &'static str, ty: &'static str) -> Self {
        Self { name, ty }
    }
}

impl TimerInfo {
    /// A timer that fires `event` once `after` has passed.
    #[must_use]
    pub const fn new(after: Duration, event: &'static str) -> Self {
        Self { delay: TimerDelay::After(after), event }
    }

    /// A timer that fires `event` after a delay that `code` computes from the data.
    #[must_use]
    pub const fn computed(code: &'static str, event: &'static str) -> Self {
        Self { delay: TimerDelay::Computed(code), event }
    }

    /// A timer that fires `event` at a time that `code` computes from the data.
    #[must_use]
    pub const fn at(code: &'static str, event: &'static str) -> Self {
        Self { delay: TimerDelay::At(code), event }
    }
}

impl TimerDelay {
    /// The duration, if the declaration has it.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::After(after) => Some(after),
            Self::Computed(_) | Self::At(_) => None,
        }
    }
}

impl fmt::Display for TimerDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(after) => write!(f, "after {}", crate::mermaid::Span(*after)),
            Self::Computed(code) => write!(f, "after {code}"),
            Self::At(code) => write!(f, "at {code}"),
        }
    }
}

impl EventInfo {
    /// An event without a payload.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, fields: &[] }
    }

    /// Sets the fields of the payload.
    #[must_use]
    pub const fn with_fields(mut self, fields: &'static [FieldInfo]) -> Self {
        self.fields = fields;
        self
    }
}

impl TransitionInfo {
    /// A transition from `from` on `event` to one of `to`, without a guard.
    #[must_use]
    pub const fn new(from: &'static str, event: &'static str, to: &'static [&'static str]) -> Self {
        Self {
            from,
            event,
            to,
            internal: false,
            history: None,
            overrides: None,
            guarded: false,
            rewinds: &[],
            auto: false,
            by: FiredBy::Anyone,
            doc: "",
        }
    }

    /// Sets whether it stays in its state.
    #[must_use]
    pub const fn with_internal(mut self, internal: bool) -> Self {
        self.internal = internal;
        self
    }

    /// Sets the history to which it leads.
    #[must_use]
    pub const fn with_history(mut self, history: HistoryInfo) -> Self {
        self.history = Some(history);
        self
    }

    /// Sets the superstate, or the machine, whose declaration it overrides.
    #[must_use]
    pub const fn with_overrides(mut self, outer: &'static str) -> Self {
        self.overrides = Some(outer);
        self
    }

    /// Sets whether a guard can refuse it.
    #[must_use]
    pub const fn with_guarded(mut self, guarded: bool) -> Self {
        self.guarded = guarded;
        self
    }

    /// Sets the timers that it starts again.
    #[must_use]
    pub const fn with_rewinds(mut self, timers: &'static [&'static str]) -> Self {
        self.rewinds = timers;
        self
    }

    /// Sets whether the runtime may fire it to reach a desired state.
    #[must_use]
    pub const fn with_auto(mut self, auto: bool) -> Self {
        self.auto = auto;
        self
    }

    /// Sets who can fire it.
    #[must_use]
    pub const fn with_by(mut self, by: FiredBy) -> Self {
        self.by = by;
        self
    }

    /// Sets the description.
    #[must_use]
    pub const fn with_doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}

impl HistoryInfo {
    /// The sign of statecharts: `H`, or `H*` if it is deep.
    pub(crate) const fn sign(self) -> &'static str {
        if self.deep { "H*" } else { "H" }
    }

    /// `history`, or `deep history`.
    pub(crate) const fn kind(self) -> &'static str {
        if self.deep { "deep history" } else { "history" }
    }

    /// The history of the superstate `group`.
    #[must_use]
    pub const fn new(group: &'static str) -> Self {
        Self { group, deep: false }
    }

    /// Sets whether it leads into superstates inside the superstate.
    #[must_use]
    pub const fn with_deep(mut self, deep: bool) -> Self {
        self.deep = deep;
        self
    }
}

impl GroupInfo {
    /// A superstate `name`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, parent: None, doc: "" }
    }

    /// Sets the superstate that contains it.
    #[must_use]
    pub const fn with_parent(mut self, group: &'static str) -> Self {
        self.parent = Some(group);
        self
    }

    /// Sets the description.
    #[must_use]
    pub const fn with_doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const A: StateInfo =
        StateInfo::new("A").with_initial(true).with_was(&["Old", "B"]).with_fields(&[FieldInfo::new("x", "u8")]);
    const B: StateInfo = StateInfo::new("B").with_fields(A.fields);
    const GRAPH: Graph = Graph::new("M")
        .with_states(&[A, B])
        .with_events(&[EventInfo::new("go")])
        .with_transitions(&[TransitionInfo::new("A", "go", &["B"]), TransitionInfo::new("B", "go", &["A", "B"])]);

    #[test]
    fn lookups_by_name() {
        assert_eq!(GRAPH.state("A"), Some(&A));
        assert_eq!(GRAPH.state("Old"), None);
        assert_eq!(GRAPH.state_was("Old"), Some(&A));
        assert_eq!(
            GRAPH.state_was("B").map(|state| state.name),
            Some("B"),
            "a current name takes precedence over a former one"
        );
        assert_eq!(GRAPH.stored_names("A").collect::<Vec<_>>(), ["A", "Old"]);
        assert_eq!(GRAPH.event("go").map(|event| event.name), Some("go"));
        assert_eq!(GRAPH.transition("B", "go").map(|transition| transition.to), Some(&["A", "B"][..]));
        assert_eq!(GRAPH.transition("B", "stop"), None);
        assert_eq!(GRAPH.transitions_from("A").count(), 1);
        assert_eq!(GRAPH.initial().map(|state| state.name).collect::<Vec<_>>(), ["A"]);
    }

    #[test]
    fn the_fingerprint_covers_what_rows_depend_on() {
        const STORED: u64 = GRAPH.fingerprint();
        assert_eq!(STORED, 13_956_071_540_157_662_502, "the algorithm never changes: stored values stay comparable");
        let same = [
            GRAPH.with_doc("other"),
            GRAPH.with_transitions(&[]),
            Graph { states: &[StateInfo { doc: "other", was: &[], ..A }, B], ..GRAPH },
        ];
        assert!(same.iter().all(|graph| graph.fingerprint() == STORED));
        let other = [
            Graph { machine: "N", ..GRAPH },
            GRAPH.with_version(2),
            GRAPH.with_context("Shop"),
            GRAPH.with_states(&[A]),
            Graph { states: &[StateInfo { kind: StateKind::Work, ..A }, B], ..GRAPH },
            Graph { states: &[StateInfo { fields: &[FieldInfo { name: "x", ty: "u16" }], ..A }, B], ..GRAPH },
            Graph { events: &[EventInfo { name: "go", fields: A.fields }], ..GRAPH },
        ];
        assert!(other.iter().all(|graph| graph.fingerprint() != STORED));
    }
}
