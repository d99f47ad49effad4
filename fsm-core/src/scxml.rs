//! The graph as SCXML.

use alloc::{collections::BTreeMap, format, string::String, vec, vec::Vec};
use core::fmt;

use crate::graph::{Graph, HistoryInfo, StateInfo, StateKind, TimerDelay, TransitionInfo};

/// A graph as an [SCXML](https://www.w3.org/TR/scxml/) document, written by [`Display`](fmt::Display).
///
/// - States are nested in their superstates. Each transition is at the state that it leaves, also if a superstate declares it.
/// - A branch is one transition for each target, in the order of the declaration.
/// - The target `history(Superstate)` is a `history` in the superstate. Its default transition, which SCXML requires, leads to the
///   first state.
/// - An internal transition has no `target`.
/// - A timer is a delayed `send` on entry, which is cancelled on exit, and sent again where it is rewound. Only code knows a computed delay:
///   `after` or `at` of its transition.
/// - End states are `final`. Only the first initial state is the document's.
/// - What SCXML does not have is in attributes of the namespace `urn:fsm-core`: `work`, `enter` with the function that runs on entry, `guarded`,
///   `branch`, `auto`, `by`, `undoes` with the step of a saga, `undo`, `after`, `at`, `rewinds`, `waits` with what fires the transition, as in
///   `payment: Payment in Captured`, and `name`, the name of a state that is not a valid id.
///
/// The data model is `null`: guards and functions are code, which the document does not contain.
///
/// ```
/// # use fsm_core::{Graph, StateInfo};
/// const DOOR: Graph = Graph::new("Door").with_states(&[StateInfo::new("Open").with_initial(true)]);
/// assert!(DOOR.scxml().to_string().ends_with("  <state id=\"Open\"/>\n</scxml>\n"));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "the text is written by `Display`"]
pub struct Scxml(Graph);

impl Graph {
    /// The graph as SCXML.
    #[inline]
    pub const fn scxml(&self) -> Scxml {
        Scxml(*self)
    }
}

impl fmt::Display for Scxml {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = &self.0;
        let document = Document { graph, ids: ids(graph) };
        f.write_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")?;
        f.write_str("<scxml xmlns=\"http://www.w3.org/2005/07/scxml\" xmlns:fsm=\"urn:fsm-core\" version=\"1.0\"")?;
        write!(f, " datamodel=\"null\" name=\"{}\"", Escaped(graph.machine))?;
        if let Some(initial) = graph.initial().next() {
            write!(f, " initial=\"{}\"", document.id(initial.name))?;
        }
        f.write_str(">\n")?;
        document.members(f, None, 1)?;
        f.write_str("</scxml>\n")
    }
}

/// A graph with an XML id for each name.
struct Document<'g> {
    graph: &'g Graph,
    ids: BTreeMap<&'static str, String>,
}

impl Document<'_> {
    #[inline]
    fn id<'n>(&'n self, name: &'n str) -> &'n str {
        self.ids.get(name).map_or(name, String::as_str)
    }

    /// The states and superstates directly in a superstate, or at the top.
    #[inline]
    fn members(&self, f: &mut fmt::Formatter<'_>, group: Option<&str>, depth: usize) -> fmt::Result {
        let (graph, indent) = (self.graph, "  ".repeat(depth));
        for state in graph.states.iter().filter(|state| state.group == group) {
            self.state(f, state, &indent)?;
        }
        for history in graph.histories().into_iter().filter(|history| Some(history.group) == group) {
            self.history(f, history, &indent)?;
        }
        // A graph built by hand can have a cycle.
        for inner in graph.groups.iter().filter(|inner| inner.parent == group && depth <= graph.groups.len()) {
            writeln!(f, "{indent}<state id=\"{}\"{}>", self.id(inner.name), self.name(inner.name))?;
            self.members(f, Some(inner.name), depth + 1)?;
            writeln!(f, "{indent}</state>")?;
        }
        Ok(())
    }

    /// The attribute for a name that is not its id.
    #[inline]
    fn name(&self, name: &str) -> String {
        if self.id(name) == name { String::new() } else { format!(" fsm:name=\"{}\"", Escaped(name)) }
    }

    #[inline]
    fn state(&self, f: &mut fmt::Formatter<'_>, state: &StateInfo, indent: &str) -> fmt::Result {
        let element = if state.kind == StateKind::End { "final" } else { "state" };
        let work = if state.kind == StateKind::Work { " fsm:work=\"true\"" } else { "" };
        write!(f, "{indent}<{element} id=\"{}\"{}{work}", self.id(state.name), self.name(state.name))?;
        if let Some(step) = self.graph.saga.and_then(|saga| saga.undoes(state.name)) {
            write!(f, " fsm:undoes=\"{}\"", Escaped(step.state))?;
        }
        if let Some(function) = state.enter {
            write!(f, " fsm:enter=\"{}\"", Escaped(function))?;
        }
        let transitions: Vec<_> = self.graph.transitions_from(state.name).collect();
        // A final state has no transitions. A graph built by hand can give it some.
        if transitions.is_empty() || state.kind == StateKind::End {
            return writeln!(f, "/>");
        }
        writeln!(f, ">")?;
        let sends: Vec<_> = state.timers.iter().filter_map(|timer| self.send(state, timer.event)).collect();
        if !sends.is_empty() {
            let sent: String = sends.iter().map(|(_, send)| send.as_str()).collect();
            writeln!(f, "{indent}  <onentry>{sent}</onentry>")?;
            let cancelled: String = sends.iter().map(|(cancel, _)| cancel.as_str()).collect();
            writeln!(f, "{indent}  <onexit>{cancelled}</onexit>")?;
        }
        for transition in transitions {
            self.transition(f, state, transition, indent)?;
        }
        writeln!(f, "{indent}</{element}>")
    }

    #[inline]
    fn history(&self, f: &mut fmt::Formatter<'_>, history: HistoryInfo, indent: &str) -> fmt::Result {
        let (id, depth) = (self.history_id(history), if history.deep { "deep" } else { "shallow" });
        let mut to = self.graph.transitions.iter().filter(|transition| transition.history == Some(history));
        let first = to.find_map(|transition| transition.to.first()).map_or("", |first| self.id(first));
        writeln!(f, "{indent}<history id=\"{id}\" type=\"{depth}\"><transition target=\"{first}\"/></history>")
    }

    /// The id of a history, distinct from all others.
    #[inline]
    fn history_id(&self, history: HistoryInfo) -> String {
        let kind = if history.deep { "deep-history" } else { "history" };
        let mut id = format!("{}.{kind}", self.id(history.group));
        while self.ids.values().any(|taken| *taken == id) {
            id.push('_');
        }
        id
    }

    /// The elements that cancel and start the timer of an event; `None` if only code knows the delay.
    #[inline]
    fn send(&self, state: &StateInfo, event: &str) -> Option<(String, String)> {
        let delay = state.timer(event)?.delay.duration()?.as_millis();
        let (id, event) = (self.id(state.name), Escaped(event));
        let cancel = format!("<cancel sendid=\"{id}.{event}\"/>");
        Some((cancel, format!("<send id=\"{id}.{event}\" event=\"{event}\" delay=\"{delay}ms\"/>")))
    }

    #[inline]
    fn transition(
        &self,
        f: &mut fmt::Formatter<'_>,
        state: &StateInfo,
        transition: &TransitionInfo,
        indent: &str,
    ) -> fmt::Result {
        let TransitionInfo { event, to, internal, history, guarded, rewinds, auto, by, .. } = *transition;
        let rewound: String =
            rewinds.iter().filter_map(|timer| self.send(state, timer)).map(|(cancel, send)| cancel + &send).collect();
        let targets = match history {
            Some(history) => vec![self.history_id(history)],
            None => to.iter().map(|to| self.id(to).into()).collect(),
        };
        let back = self.graph.leads_back(transition);
        for target in &targets {
            write!(f, "{indent}  <transition event=\"{}\"", Escaped(event))?;
            if !internal {
                write!(f, " target=\"{target}\"")?;
            }
            let marks = [(guarded, "guarded"), (targets.len() > 1, "branch"), (auto, "auto"), (back, "undo")];
            for (_, mark) in marks.iter().filter(|(holds, _)| *holds) {
                write!(f, " fsm:{mark}=\"true\"")?;
            }
            if !by.includes_callers() {
                write!(f, " fsm:by=\"{}\"", by.as_str())?;
            }
            match state.timer(event).map(|timer| timer.delay) {
                Some(TimerDelay::Computed(code)) => write!(f, " fsm:after=\"{}\"", Escaped(code))?,
                Some(TimerDelay::At(code)) => write!(f, " fsm:at=\"{}\"", Escaped(code))?,
                Some(TimerDelay::After(_)) | None => {}
            }
            if let Some(waits) = self.graph.wait_text(transition) {
                write!(f, " fsm:waits=\"{}\"", Escaped(&waits))?;
            }
            if !rewinds.is_empty() {
                write!(f, " fsm:rewinds=\"{}\"", Escaped(&rewinds.join(" ")))?;
            }
            if rewound.is_empty() {
                writeln!(f, "/>")?;
            } else {
                writeln!(f, ">{rewound}</transition>")?;
            }
        }
        Ok(())
    }
}

/// A distinct XML id for each name of a state or superstate.
#[inline]
fn ids(graph: &Graph) -> BTreeMap<&'static str, String> {
    let mut ids: BTreeMap<&'static str, String> = BTreeMap::new();
    let names = graph.states.iter().map(|state| state.name);
    for name in names.chain(graph.groups.iter().map(|group| group.name)) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
        let mut id: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        if !id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            id.insert(0, '_');
        }
        while ids.values().any(|taken| *taken == id) {
            id.push('_');
        }
        ids.insert(name, id);
    }
    ids
}

/// Text within an attribute's quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            c if c.is_control() => f.write_str(" "),
            c => write!(f, "{c}"),
        })
    }
}
