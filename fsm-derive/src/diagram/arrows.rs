//! The arrows of a diagram. A transition that many states share is one arrow.
//!
//! `fsm-core` has similar rules for Mermaid and DOT. They are repeated here because `fsm-core` depends on this crate, and differ
//! because Mermaid does not draw an arrow from a superstate to one of its own states.

use crate::{
    each::{each, indices},
    model::{Kind, Machine, Origin, Transition},
};

/// A transition from more states than this is one arrow, from a box that stands for all of them.
const MAX_SEPARATE: usize = 8;
/// The same for a transition that is declared on the enum.
const MAX_SEPARATE_SHARED: usize = 4;
/// The maximum number of exceptions in such a box, or of an arrow from a superstate.
const MAX_EXCEPTIONS: usize = 4;
/// The minimum number of states in a superstate for one arrow to stand for a transition that they do not inherit from it.
const MIN_MEMBERS: usize = 3;

/// An end of an arrow.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Tail {
    State(usize),
    /// Each state of the superstate.
    Group(usize),
    /// Every state that is not an end state, except these.
    AllExcept(Vec<usize>),
    /// The history of a superstate, deep or not, at which an arrow ends.
    History(usize, bool),
}

/// An arrow.
pub(super) struct Shared<'m> {
    pub(super) tail: Tail,
    /// One of the transitions for which it stands. It has the event, the targets and the guard.
    pub(super) transition: &'m Transition,
    /// Whether each state leads to itself. The arrow then ends where it begins.
    pub(super) returns: bool,
    /// The states of the superstate that do not accept the event.
    pub(super) except: Vec<usize>,
}

impl Shared<'_> {
    /// Where the arrow ends: once for each target.
    pub(super) fn heads(&self) -> Vec<Tail> {
        match self.transition.history {
            Some(history) => vec![Tail::History(history.group, history.deep)],
            None if self.returns => vec![self.tail.clone()],
            None => each(&self.transition.to, &|to| Tail::State(*to)),
        }
    }
}

/// The arrows, in declaration order.
pub(super) fn arrows(machine: &Machine) -> Vec<Shared<'_>> {
    let mut arrows: Vec<Shared<'_>> = Vec::new();
    for transition in &machine.transitions {
        let arrow = shared(machine, transition);
        let is_drawn = |other: &Shared<'_>| {
            (&arrow.tail, arrow.returns, &arrow.except) == (&other.tail, other.returns, &other.except)
                && alike(transition, other.transition, arrow.returns)
        };
        if !arrows.iter().any(is_drawn) {
            arrows.push(arrow);
        }
    }
    arrows
}

/// The arrow that stands for a transition.
fn shared<'m>(machine: &'m Machine, transition: &'m Transition) -> Shared<'m> {
    let arrow = |tail, returns| Shared { tail, transition, returns, except: Vec::new() };
    let from = Tail::State(transition.from);
    if is_own_arrow(machine, transition) {
        return arrow(from, false);
    }
    let family = |returns: bool| {
        let mut sources = Vec::new();
        for other in &machine.transitions {
            if alike(transition, other, returns) && !is_own_arrow(machine, other) {
                sources.push(other.from);
            }
        }
        sources
    };
    let (same_targets, to_themselves) = (family(false), family(true));
    let returns = transition.internal || to_themselves.len() > same_targets.len();
    let sources = if returns { to_themselves } else { same_targets };
    if let Origin::Group(group) = transition.origin
        && let Some(except) = exceptions(machine, transition, group, returns)
    {
        return Shared { tail: Tail::Group(group), transition, returns, except };
    }
    if matches!(transition.overrides, Some(Origin::Group(_))) {
        return arrow(from, false);
    }
    let exceptions =
        indices(machine.states.len(), &|state| machine.states[state].kind != Kind::End && !sources.contains(&state));
    let most = if transition.origin == Origin::Enum { MAX_SEPARATE_SHARED } else { MAX_SEPARATE };
    if sources.len() > most && exceptions.len() <= MAX_EXCEPTIONS {
        return arrow(Tail::AllExcept(exceptions), returns);
    }
    let stands_for_all = |group: &usize| {
        let members = machine.members(*group);
        let leaves_group = returns || !transition.to.iter().any(|to| members.contains(to));
        leaves_group && members.len() >= MIN_MEMBERS && members.iter().all(|member| sources.contains(member))
    };
    // The outermost superstate for which one arrow stands.
    match machine.groups_of(transition.from).filter(stands_for_all).last() {
        Some(group) => arrow(Tail::Group(group), returns),
        None => arrow(from, false),
    }
}

/// The members of a superstate that have not the transition that is declared on it, and do not override it: these are named beside
/// the arrow. Members that override it have arrows of their own. Returns `None` if one arrow cannot stand for the others: the
/// superstate declares several transitions on the event, or there are too many exceptions.
fn exceptions(machine: &Machine, transition: &Transition, group: usize, returns: bool) -> Option<Vec<usize>> {
    let is_inner = |origin: Origin| match origin {
        Origin::State => true,
        Origin::Group(other) => {
            std::iter::successors(machine.groups[other].parent, |group| machine.groups[*group].parent)
                .any(|it| it == group)
        }
        Origin::Enum => false,
    };
    let mut except = Vec::new();
    for member in machine.remembered(group) {
        match machine.from(member).find(|other| other.event == transition.event) {
            Some(other) if other.origin == transition.origin && !alike(transition, other, returns) => return None,
            Some(other) if other.origin == transition.origin || is_inner(other.origin) => {}
            _ => except.push(member),
        }
    }
    (except.len() <= MAX_EXCEPTIONS).then_some(except)
}

/// Whether one arrow can stand for both transitions: they have the same targets, or each leads to its own state (`returns`).
fn alike(one: &Transition, other: &Transition, returns: bool) -> bool {
    let shown = |transition: &Transition| {
        let history = transition.history.map(|history| (history.group, history.deep));
        let undo = transition.undo.is_some();
        (transition.event, transition.guard.is_some(), transition.internal, transition.is_for_callers(), history, undo)
    };
    let stays = |transition: &Transition| transition.to == [transition.from];
    let same_targets = if returns { stays(one) && stays(other) } else { one.to == other.to };
    shown(one) == shown(other) && same_targets && one.overrides == other.overrides && one.rewinds == other.rewinds
}

/// Whether a timer or a wait fires this transition. Its arrow says when, so it is not merged with others.
fn is_own_arrow(machine: &Machine, transition: &Transition) -> bool {
    let state = &machine.states[transition.from];
    let mut waits = state.waits.iter();
    state.timer(transition.event).is_some() || waits.any(|wait| wait.fires.event == transition.event)
}
