//! Which arrows a picture needs: what many states have in common is drawn once.
//!
//! The same rules as in `fsm-core`, whose Mermaid and DOT this crate cannot use: `fsm-core` depends on it.

use crate::model::{Kind, Machine, Transition};

/// A common transition that leaves more states than this is drawn once, from a box that says which.
const MANY: usize = 8;
/// A box names no more exceptions than this.
const FEW: usize = 4;
/// A superstate has at least so many members before one arrow leaves it for all of them.
const SOME: usize = 3;

/// Where an arrow begins.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Tail {
    State(usize),
    /// Each state of the superstate.
    Group(usize),
    /// Every state that is not an end, but these.
    AllBut(Vec<usize>),
}

/// The arrows, in declaration order; the transition has event, targets and guard.
pub(super) fn arrows(machine: &Machine) -> Vec<(Tail, &Transition)> {
    let mut arrows: Vec<(Tail, &Transition)> = Vec::new();
    for transition in &machine.transitions {
        let tail = tail(machine, transition);
        if !arrows.iter().any(|(drawn, other)| *drawn == tail && alike(transition, other)) {
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
    let family = machine.transitions.iter().filter(|other| alike(transition, other) && !is_timed(machine, other));
    let sources: Vec<_> = family.map(|transition| transition.from).collect();
    let going = (0..machine.states.len()).filter(|state| machine.states[*state].kind != Kind::End);
    let others: Vec<_> = going.filter(|state| !sources.contains(state)).collect();
    if sources.len() > MANY && others.len() <= FEW {
        return Tail::AllBut(others);
    }
    let Some(group) = machine.states[transition.from].group else { return from };
    let members: Vec<_> = machine.members(group).collect();
    let leaves = !transition.to.iter().any(|to| members.contains(to));
    let all = members.len() >= SOME && members.iter().all(|member| sources.contains(member));
    if all && leaves { Tail::Group(group) } else { from }
}

fn alike(one: &Transition, other: &Transition) -> bool {
    (one.event, &one.to, one.guard.is_some()) == (other.event, &other.to, other.guard.is_some())
}

/// Its arrow says when the timer fires, as no other does.
pub(super) fn is_timed(machine: &Machine, transition: &Transition) -> bool {
    machine.states[transition.from].timer.as_ref().is_some_and(|timer| timer.fires.event == transition.event)
}
