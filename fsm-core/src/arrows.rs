//! Which arrows a drawing needs: what many states have in common is drawn once, or a picture of thirty states is a thicket.

use alloc::{borrow::Cow, format, string::String, vec::Vec};

use crate::graph::{Graph, Kind, TransitionInfo};

/// A common transition that leaves more states than this is drawn once, from a box that says which.
const MANY: usize = 8;
/// A box names no more exceptions than this.
const FEW: usize = 4;
/// A superstate has at least so many members before one arrow leaves it for all of them.
const SOME: usize = 3;

/// Where an arrow begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    State(&'static str),
    /// The superstate, for all its members.
    Group(&'static str),
    /// Every state that is not an end, but these.
    AllBut(Vec<&'static str>),
}

/// The arrows, in declaration order; the transition has event, targets and guard.
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

fn tail(graph: &Graph, transition: &'static TransitionInfo) -> Tail {
    let from = Tail::State(transition.from);
    if is_timed(graph, transition) {
        return from;
    }
    let family = graph.transitions.iter().filter(|other| alike(transition, other) && !is_timed(graph, other));
    let sources: Vec<_> = family.map(|transition| transition.from).collect();
    let going = graph.states.iter().filter(|state| state.kind != Kind::End).map(|state| state.name);
    let others: Vec<_> = going.filter(|state| !sources.contains(state)).collect();
    if sources.len() > MANY && others.len() <= FEW {
        return Tail::AllBut(others);
    }
    let Some(group) = graph.state(transition.from).and_then(|state| state.group) else { return from };
    let is_member = |state: &str| graph.state(state).is_some_and(|state| state.group == Some(group));
    let members: Vec<_> = graph.states.iter().map(|state| state.name).filter(|state| is_member(state)).collect();
    let leaves = !transition.to.iter().any(|to| is_member(to));
    let all = members.len() >= SOME && members.iter().all(|member| sources.contains(member));
    if all && leaves { Tail::Group(group) } else { from }
}

fn alike(one: &TransitionInfo, other: &TransitionInfo) -> bool {
    (one.event, one.to, one.guarded) == (other.event, other.to, other.guarded)
}

/// Its arrow says when the timer fires, as no other does.
fn is_timed(graph: &Graph, transition: &TransitionInfo) -> bool {
    let timer = graph.state(transition.from).and_then(|state| state.timer);
    timer.is_some_and(|timer| timer.event == transition.event)
}

/// What a box says that stands for every state but some, with names as `write` writes them.
pub(crate) fn every_but(
    graph: &Graph,
    others: &[&'static str],
    write: impl Fn(&'static str) -> Cow<'static, str>,
) -> String {
    let ends = graph.states.iter().any(|state| state.kind == Kind::End).then_some(Cow::Borrowed("the ends"));
    let others: Vec<_> = others.iter().map(|name| write(name)).chain(ends).collect();
    match others.split_last() {
        None => "every state".into(),
        Some((last, [])) => format!("every state but {last}"),
        Some((last, first)) => format!("every state but {} and {last}", first.join(", ")),
    }
}
