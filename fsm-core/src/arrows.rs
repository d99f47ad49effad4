//! The arrows of a drawing: a transition that many states share is drawn once, so that large graphs stay readable.

use alloc::{borrow::Cow, format, string::String, vec::Vec};

use crate::graph::{Graph, GroupInfo, StateKind, TransitionInfo};

/// A transition shared by more states than this is drawn once, from a box that lists the states.
const MANY_SOURCES: usize = 8;
/// The most exceptions that such a box lists.
const MAX_EXCEPTIONS: usize = 4;
/// The fewest members of a superstate for which one arrow stands for all of them.
const MIN_MEMBERS: usize = 3;

/// The start of an arrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    State(&'static str),
    /// A superstate, on behalf of all its members.
    Group(&'static str),
    /// Every state except the end states and these.
    AllBut(Vec<&'static str>),
}

/// The arrows in declaration order, each with a transition that supplies event, targets and guard.
#[inline]
pub(crate) fn arrows(graph: &Graph) -> Vec<(Tail, &'static TransitionInfo)> {
    let mut arrows = Vec::new();
    for transition in graph.transitions {
        let arrow = (tail(graph, transition), transition);
        let drawn = |(tail, other): &(Tail, &TransitionInfo)| *tail == arrow.0 && alike(transition, other);
        if !arrows.iter().any(drawn) {
            arrows.push(arrow);
        }
    }
    arrows
}

#[inline]
fn tail(graph: &Graph, transition: &'static TransitionInfo) -> Tail {
    let from = Tail::State(transition.from);
    if is_timed(graph, transition) {
        return from;
    }
    let shared = graph.transitions.iter().filter(|other| alike(transition, other) && !is_timed(graph, other));
    let sources: Vec<_> = shared.map(|transition| transition.from).collect();
    let not_ended = graph.states.iter().filter(|state| state.kind != StateKind::End).map(|state| state.name);
    let others: Vec<_> = not_ended.filter(|state| !sources.contains(state)).collect();
    if sources.len() > MANY_SOURCES && others.len() <= MAX_EXCEPTIONS {
        return Tail::AllBut(others);
    }
    let stands_for_all = |group: &&GroupInfo| {
        let is_member = |state: &&str| graph.groups_of(state).any(|other| other.name == group.name);
        let members: Vec<_> = graph.states.iter().map(|state| state.name).filter(is_member).collect();
        let leaves = !transition.to.iter().any(is_member);
        leaves && members.len() >= MIN_MEMBERS && members.iter().all(|member| sources.contains(member))
    };
    // The outermost superstate for which one arrow stands.
    graph.groups_of(transition.from).filter(stands_for_all).last().map_or(from, |group| Tail::Group(group.name))
}

#[inline]
fn alike(one: &TransitionInfo, other: &TransitionInfo) -> bool {
    let shown = |transition: &TransitionInfo| {
        let TransitionInfo { event, to, guarded, internal, history, overrides, by, rewinds, .. } = *transition;
        (event, to, guarded, internal, history, overrides, by, rewinds)
    };
    shown(one) == shown(other)
}

/// A transition that a timer or a wait fires has its own arrow, because the label says when.
#[inline]
fn is_timed(graph: &Graph, transition: &TransitionInfo) -> bool {
    let timed = graph.state(transition.from).is_some_and(|state| state.timer(transition.event).is_some());
    timed || graph.waits_of(transition).next().is_some()
}

/// The label of a box for every state except some, with names escaped by `write`.
#[inline]
pub(crate) fn every_except(
    graph: &Graph,
    others: &[&'static str],
    write: impl Fn(&'static str) -> Cow<'static, str>,
) -> String {
    let ends = graph.states.iter().any(|state| state.kind == StateKind::End).then_some(Cow::Borrowed("end states"));
    let others: Vec<_> = others.iter().map(|name| write(name)).chain(ends).collect();
    match others.split_last() {
        None => "every state".into(),
        Some((last, [])) => format!("every state except {last}"),
        Some((last, first)) => format!("every state except {} and {last}", first.join(", ")),
    }
}
