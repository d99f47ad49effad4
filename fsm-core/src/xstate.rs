//! The graph as the configuration of an `XState` machine.

use alloc::{
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use core::fmt;

use crate::{
    graph::{Graph, HistoryInfo, StateInfo, StateKind, TransitionInfo},
    json::{self, Text},
};

/// A graph as the JSON configuration of an `XState` v5 machine, written by [`Display`](fmt::Display).
///
/// `createMachine(config)` takes it, and so do the visual tools of that ecosystem. What they show:
///
/// - States are nested in their superstates. A superstate has an `initial` state because `XState` requires one; no transition uses it.
/// - Each transition is at the state that it leaves, also if a superstate declares it. A guard is named after its event.
/// - A branch is a list of transitions, each with a guard that is named after event and target: only code decides which is taken.
/// - The target `history(Superstate)` is a state of the type `history` in the superstate.
/// - An internal transition has no target. A transition of a state to itself has `reenter`.
/// - The function that runs on entry is an `entry` action.
/// - A timer is an `after` beside the transition of its event. A computed delay has the name of the event, for `setup({ delays })`.
/// - A transition that only the worker fires, `by = worker`, has the description `by worker`; one in a compensation sequence of a saga has
///   `undo`, or `by worker, undo`.
/// - What a state waits for is in its `meta`, a list `waits` with the keys of [`Json`](crate::Json), and in the description of the transition
///   that is then taken: `when payment: Payment in Captured`.
/// - End states are `final`. `work` states have the tag `work`, what undoes a step of a saga the tag `undo`, further initial states the tag
///   `initial`, and descriptions are the doc comments.
///
/// ```
/// # use fsm_core::{Graph, StateInfo};
/// const DOOR: Graph = Graph::new("Door").with_states(&[StateInfo::new("Open").with_initial(true)]);
/// assert_eq!(DOOR.xstate_json().to_string(), r#"{"id":"Door","initial":"Open","states":{"Open":{}}}"#);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "the text is written by `Display`"]
pub struct XstateJson(Graph);

impl Graph {
    /// The graph as the configuration of an `XState` v5 machine.
    #[inline]
    pub const fn xstate_json(&self) -> XstateJson {
        XstateJson(*self)
    }
}

impl fmt::Display for XstateJson {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = &self.0;
        write!(f, "{{\"id\":{}", Text(graph.machine))?;
        description(f, graph.doc)?;
        if let Some(initial) = graph.initial().next() {
            write!(f, ",\"initial\":{}", Text(outermost(graph, initial.name, None)))?;
        }
        f.write_str(",\"states\":")?;
        self.members(f, None, 0)?;
        f.write_str("}")
    }
}

impl XstateJson {
    /// The states and superstates directly in a superstate, or at the top.
    #[inline]
    fn members(&self, f: &mut fmt::Formatter<'_>, group: Option<&str>, depth: usize) -> fmt::Result {
        let graph = &self.0;
        let mut separator = "{";
        for state in graph.states.iter().filter(|state| state.group == group) {
            write!(f, "{separator}{}:", Text(state.name))?;
            self.state(f, state)?;
            separator = ",";
        }
        for history in graph.histories().into_iter().filter(|history| Some(history.group) == group) {
            let (name, depth) = (history_name(graph, history), if history.deep { "deep" } else { "shallow" });
            write!(f, "{separator}{}:{{\"type\":\"history\",\"history\":\"{depth}\"}}", Text(&name))?;
            separator = ",";
        }
        // A graph built by hand can have a cycle.
        for inner in graph.groups.iter().filter(|inner| inner.parent == group && depth < graph.groups.len()) {
            write!(f, "{separator}{}:{{", Text(inner.name))?;
            let first =
                graph.states.iter().find(|state| graph.groups_of(state.name).any(|group| group.name == inner.name));
            if let Some(first) = first {
                write!(f, "\"initial\":{},", Text(outermost(graph, first.name, Some(inner.name))))?;
            }
            f.write_str("\"states\":")?;
            self.members(f, Some(inner.name), depth + 1)?;
            f.write_str("}")?;
            separator = ",";
        }
        f.write_str(if separator == "{" { "{}" } else { "}" })
    }

    #[inline]
    fn state(&self, f: &mut fmt::Formatter<'_>, state: &StateInfo) -> fmt::Result {
        let graph = &self.0;
        let mut item = Separated("{");
        if state.kind == StateKind::End {
            write!(f, "{}\"type\":\"final\"", item.next())?;
        }
        let further = state.initial && graph.initial().next().is_some_and(|first| first.name != state.name);
        let tags = [
            (state.kind == StateKind::Work, "\"work\""),
            (graph.is_compensation(state.name), "\"undo\""),
            (further, "\"initial\""),
        ];
        let tags: Vec<_> = tags.into_iter().filter_map(|(holds, tag)| holds.then_some(tag)).collect();
        if !tags.is_empty() {
            write!(f, "{}\"tags\":[{}]", item.next(), tags.join(","))?;
        }
        if !state.doc.is_empty() {
            write!(f, "{}\"description\":{}", item.next(), Text(state.doc))?;
        }
        if let Some(function) = state.enter {
            write!(f, "{}\"entry\":[{}]", item.next(), Text(function))?;
        }
        if !state.waits.is_empty() {
            write!(f, "{}\"meta\":{{\"waits\":", item.next())?;
            json::array(f, state.waits, json::wait)?;
            f.write_str("}")?;
        }
        let mut on = Separated("\"on\":{");
        for transition in graph.transitions_from(state.name) {
            let separator = if on.0 == "," {
                on.next()
            } else {
                write!(f, "{}", item.next())?;
                on.next()
            };
            write!(f, "{separator}{}:", Text(transition.event))?;
            self.transition(f, transition)?;
        }
        if on.0 == "," {
            f.write_str("}")?;
        }
        let after = self.after(state);
        if !after.is_empty() {
            write!(f, "{}\"after\":{{", item.next())?;
            for (i, (delay, transitions)) in after.iter().enumerate() {
                write!(f, "{}{}:", if i == 0 { "" } else { "," }, Text(delay))?;
                self.alternatives(f, transitions)?;
            }
            f.write_str("}")?;
        }
        f.write_str(if item.0 == "{" { "{}" } else { "}" })
    }

    /// The transitions of the timers, by their delays.
    #[inline]
    fn after(&self, state: &StateInfo) -> Vec<(String, Vec<&'static TransitionInfo>)> {
        let mut after: Vec<(String, Vec<&'static TransitionInfo>)> = Vec::new();
        for timer in state.timers {
            let Some(transition) = self.0.transition(state.name, timer.event) else { continue };
            let delay = match timer.delay.duration() {
                Some(duration) => duration.as_millis().to_string(),
                None => timer.event.to_string(),
            };
            match after.iter_mut().find(|(other, _)| *other == delay) {
                Some((_, transitions)) => transitions.push(transition),
                None => after.push((delay, vec![transition])),
            }
        }
        after
    }

    /// One transition, or a list of those for which the delay is the same.
    #[inline]
    fn alternatives(&self, f: &mut fmt::Formatter<'_>, transitions: &[&TransitionInfo]) -> fmt::Result {
        if let [transition] = transitions {
            return self.transition(f, transition);
        }
        f.write_str("[")?;
        for (i, transition) in transitions.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            self.branches(f, transition)?;
        }
        f.write_str("]")
    }

    #[inline]
    fn transition(&self, f: &mut fmt::Formatter<'_>, transition: &TransitionInfo) -> fmt::Result {
        if transition.to.len() > 1 && !transition.internal && transition.history.is_none() {
            f.write_str("[")?;
            self.branches(f, transition)?;
            return f.write_str("]");
        }
        self.branches(f, transition)
    }

    /// The targets of a transition, separated by commas.
    #[inline]
    fn branches(&self, f: &mut fmt::Formatter<'_>, transition: &TransitionInfo) -> fmt::Result {
        let TransitionInfo { from, event, to, internal, history, guarded, .. } = *transition;
        let description = self.fired_by(transition);
        if internal {
            let guard = if guarded { format!("\"guard\":{},", Text(event)) } else { String::new() };
            return write!(f, "{{{guard}\"actions\":[{}]{description}}}", Text(event));
        }
        if let Some(history) = history {
            let target = self.path_in(groups_around(&self.0, history.group), &history_name(&self.0, history));
            write!(f, "{{\"target\":{}{description}", Text(&target))?;
            return if guarded { write!(f, ",\"guard\":{}}}", Text(event)) } else { f.write_str("}") };
        }
        let one = |f: &mut fmt::Formatter<'_>, target: &str, guard: Option<&str>| {
            write!(f, "{{\"target\":{}", Text(&self.path(target)))?;
            if target == from {
                f.write_str(",\"reenter\":true")?;
            }
            f.write_str(&description)?;
            match guard {
                Some(guard) => write!(f, ",\"guard\":{}}}", Text(guard)),
                None => f.write_str("}"),
            }
        };
        if let [target] = to {
            return one(f, target, guarded.then_some(event));
        }
        for (i, target) in to.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            one(f, target, Some(&format!("{event}: {target}")))?;
        }
        Ok(())
    }

    /// The description of a transition that not only callers fire, or not at all, or that is part of a compensation sequence of a saga.
    #[inline]
    fn fired_by(&self, transition: &TransitionInfo) -> String {
        let worker = (!transition.by.includes_callers()).then(|| String::from("by worker"));
        let undo = self.0.leads_back(transition).then(|| String::from("undo"));
        let waits = self.0.wait_text(transition).map(|waits| format!("when {waits}"));
        let all: Vec<_> = worker.into_iter().chain(undo).chain(waits).collect();
        if all.is_empty() { String::new() } else { format!(",\"description\":{}", Text(&all.join(", "))) }
    }

    /// The path of a state from the root: `#Order.Active.Paid`. A dot in a name is escaped.
    #[inline]
    fn path(&self, state: &str) -> String {
        self.path_in(self.0.groups_of(state).map(|group| group.name).collect(), state)
    }

    /// The path of a name in superstates, the innermost first.
    #[inline]
    fn path_in<'n>(&self, mut names: Vec<&'n str>, name: &'n str) -> String {
        let graph = &self.0;
        names.reverse();
        names.push(name);
        names.iter().fold(format!("#{}", graph.machine), |path, name| format!("{path}.{}", name.replace('.', "\\.")))
    }
}

/// A superstate and those that contain it, the innermost first.
#[inline]
fn groups_around(graph: &Graph, group: &'static str) -> Vec<&'static str> {
    let outer = |name: &&'static str| graph.group(name).and_then(|group| group.parent);
    // A graph built by hand can have a cycle.
    core::iter::successors(Some(group), outer).take(graph.groups.len()).collect()
}

/// The name of a history, distinct from those of states and superstates.
#[inline]
fn history_name(graph: &Graph, history: HistoryInfo) -> String {
    let mut name = String::from(history.kind());
    while graph.state(&name).is_some() || graph.group(&name).is_some() {
        name.push('_');
    }
    name
}

/// What is between two items: first the beginning, then a comma.
struct Separated(&'static str);

impl Separated {
    #[inline]
    fn next(&mut self) -> &'static str {
        core::mem::replace(&mut self.0, ",")
    }
}

#[inline]
fn description(f: &mut fmt::Formatter<'_>, doc: &str) -> fmt::Result {
    if doc.is_empty() { Ok(()) } else { write!(f, ",\"description\":{}", Text(doc)) }
}

/// The name, among the direct members of `group`, of the state or of the superstate that contains it.
#[inline]
fn outermost(graph: &Graph, state: &'static str, group: Option<&str>) -> &'static str {
    let groups: Vec<_> = graph.groups_of(state).collect();
    groups.iter().find(|inner| inner.parent == group).map_or(state, |inner| inner.name)
}
