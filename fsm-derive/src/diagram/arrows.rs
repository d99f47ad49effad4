//! The arrows of a diagram. A transition that many states share is one arrow.
//!
//! `fsm-core` has the same rules for Mermaid and DOT. They are repeated here because `fsm-core` depends on this crate.

use crate::model::{Kind, Machine, Transition};

/// A transition from more states than this is one arrow, from a box that stands for all of them.
const MAX_SEPARATE: usize = 8;
/// The maximum number of exceptions in such a box.
const MAX_EXCEPTIONS: usize = 4;
/// The minimum number of states in a superstate for one arrow to stand for all of them.
const MIN_MEMBERS: usize = 3;

/// The source of an arrow.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Tail {
    State(usize),
    /// Each state of the superstate.
    Group(usize),
    /// Every state that is not an end state, except these.
    AllExcept(Vec<usize>),
}

/// The arrows, in declaration order. The transition has the event, the targets and the guard.
pub(super) fn arrows(machine: &Machine) -> Vec<(Tail, &Transition)> {
    let mut arrows: Vec<(Tail, &Transition)> = Vec::new();
    for transition in &machine.transitions {
        let tail = tail(machine, transition);
        if !arrows.iter().any(|(drawn, other)| *drawn == tail && same_arrow(transition, other)) {
            arrows.push((tail, transition));
        }
    }
    arrows
}

fn tail(machine: &Machine, transition: &Transition) -> Tail {
    let from = Tail::State(transition.from);
    if is_timed(machine, transition) {
        return from;
    }
    let same = machine.transitions.iter().filter(|other| same_arrow(transition, other) && !is_timed(machine, other));
    let sources: Vec<_> = same.map(|transition| transition.from).collect();
    let not_ended = (0..machine.states.len()).filter(|state| machine.states[*state].kind != Kind::End);
    let exceptions: Vec<_> = not_ended.filter(|state| !sources.contains(state)).collect();
    if sources.len() > MAX_SEPARATE && exceptions.len() <= MAX_EXCEPTIONS {
        return Tail::AllExcept(exceptions);
    }
    let stands_for_all = |group: &usize| {
        let members: Vec<_> = machine.members(*group).collect();
        let leaves_group = !transition.to.iter().any(|to| members.contains(to));
        leaves_group && members.len() >= MIN_MEMBERS && members.iter().all(|member| sources.contains(member))
    };
    // The outermost superstate for which one arrow stands.
    machine.groups_of(transition.from).filter(stands_for_all).last().map_or(from, Tail::Group)
}

fn same_arrow(one: &Transition, other: &Transition) -> bool {
    let shown = |transition: &Transition| (transition.event, transition.guard.is_some(), transition.internal);
    shown(one) == shown(other) && one.to == other.to && one.overrides == other.overrides && one.rewinds == other.rewinds
}

/// Whether the state's timer fires this transition. Its arrow shows the duration, so it is not merged with others.
pub(super) fn is_timed(machine: &Machine, transition: &Transition) -> bool {
    machine.states[transition.from].timer(transition.event).is_some()
}
