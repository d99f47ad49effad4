//! The content of a diagram: boxes with their lines of text, and arrows with their labels.

use std::{fmt::Write as _, time::Duration};

use super::arrows::{Shared, Tail, arrows};
use crate::{
    each::{each, indices},
    model::{Kind, Machine, Origin, State, plain},
    parse::Delay,
    text,
};

/// Boxes and the arrows between them.
pub(super) struct Graph {
    pub(super) title: String,
    pub(super) boxes: Vec<Shape>,
    pub(super) arrows: Vec<Arrow>,
}

/// A box, which stands for one state or for several.
pub(super) struct Shape {
    /// The box of the superstate that contains it.
    pub(super) parent: Option<usize>,
    pub(super) lines: Vec<String>,
    pub(super) style: Style,
    pub(super) initial: bool,
    /// The page of the state in the documentation.
    pub(super) link: Option<String>,
    /// The text shown on hover.
    pub(super) title: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Rest,
    Work,
    /// A state that undoes a step of a saga.
    Undo,
    End,
    /// A box for several states.
    Several,
    /// A superstate, around its states.
    Group,
    /// A history, in its superstate.
    History,
}

/// All arrows from one box to another.
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) labels: Vec<Label>,
    /// Whether it is on the way back of a saga.
    pub(super) back: bool,
}

/// The label of an event, with its guard and timer.
pub(super) struct Label {
    pub(super) text: String,
    pub(super) link: String,
}

/// The boxes and arrows of a machine. Boxes for several states come first, then the superstates, then the states in the order in
/// which they are reached.
pub(super) fn graph(machine: &Machine) -> Graph {
    let arrows = arrows(machine);
    let mut boxes: Vec<Tail> = Vec::new();
    for Shared { tail, .. } in &arrows {
        if matches!(tail, Tail::AllExcept(_)) && !boxes.contains(tail) {
            boxes.push(tail.clone());
        }
    }
    let groups = indices(machine.groups.len(), &|group| !machine.members(group).is_empty());
    boxes.extend(each(&groups, &|group| Tail::Group(*group)));
    boxes.extend(each(&reached_order(machine), &|state| Tail::State(*state)));
    for head in arrows.iter().flat_map(Shared::heads) {
        if matches!(head, Tail::History(..)) && !boxes.contains(&head) {
            boxes.push(head);
        }
    }
    let box_of = |tail: &Tail| boxes.iter().position(|other| other == tail);
    let mut drawn: Vec<Arrow> = Vec::new();
    for shared in &arrows {
        for head in shared.heads() {
            let (Some(from), Some(to)) = (box_of(&shared.tail), box_of(&head)) else { continue };
            let label = label(machine, shared);
            let back = machine.leads_back(shared.transition);
            match drawn.iter_mut().find(|arrow| (arrow.from, arrow.to) == (from, to)) {
                Some(arrow) => arrow.labels.push(label),
                None => drawn.push(Arrow { from, to, labels: vec![label], back }),
            }
        }
    }
    let parent = |tail: &Tail| match tail {
        Tail::State(state) => machine.states[*state].group,
        Tail::Group(group) => machine.groups[*group].parent,
        Tail::History(group, _) => Some(*group),
        Tail::AllExcept(_) => None,
    };
    let shape =
        |tail| Shape { parent: parent(tail).and_then(|group| box_of(&Tail::Group(group))), ..shape(machine, tail) };
    Graph { title: format!("State diagram of {}", machine.name()), boxes: each(&boxes, &shape), arrows: drawn }
}

/// The states in depth-first order from the initial states. Without cycles, this is a topological order.
fn reached_order(machine: &Machine) -> Vec<usize> {
    fn visit(machine: &Machine, state: usize, seen: &mut [bool], done: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[state], true) {
            return;
        }
        let mut next = Vec::new();
        for transition in machine.from(state) {
            next.extend(&transition.to);
        }
        while let Some(next) = next.pop() {
            visit(machine, next, seen, done);
        }
        done.push(state);
    }
    let (mut seen, mut done) = (vec![false; machine.states.len()], Vec::new());
    let mut initial = indices(machine.states.len(), &|state| machine.states[state].initial);
    while let Some(state) = initial.pop() {
        visit(machine, state, &mut seen, &mut done);
    }
    for state in 0..machine.states.len() {
        visit(machine, state, &mut seen, &mut done);
    }
    done.reverse();
    done
}

fn shape(machine: &Machine, tail: &Tail) -> Shape {
    let lines: Vec<_> = match tail {
        Tail::State(state) => return state_shape(&machine.states[*state]),
        Tail::Group(group) => {
            let name = plain(&machine.groups[*group].ident);
            let title = format!("{name} {}", names(machine, &machine.members(*group)).join(", "));
            return Shape { parent: None, lines: vec![name], style: Style::Group, initial: false, link: None, title };
        }
        Tail::History(group, deep) => {
            let (sign, kind) = if *deep { ("H*", "deep history") } else { ("H", "history") };
            let title = format!("{kind} of {}", plain(&machine.groups[*group].ident));
            let lines = vec![sign.to_owned()];
            return Shape { parent: None, lines, style: Style::History, initial: false, link: None, title };
        }
        Tail::AllExcept(exceptions) => {
            let ends = machine.states.iter().any(|state| state.kind == Kind::End).then(|| "end states".to_owned());
            let names: Vec<_> = names(machine, exceptions).into_iter().chain(ends).collect();
            let except = names.split_last().map(|(last, first)| match first {
                [] => format!("except {last}"),
                first => format!("except {} and {last}", first.join(", ")),
            });
            std::iter::once("every state".to_owned()).chain(except).collect()
        }
    };
    Shape { parent: None, title: lines.join(" "), lines, style: Style::Several, initial: false, link: None }
}

fn names(machine: &Machine, states: &[usize]) -> Vec<String> {
    each(states, &|state| machine.states[*state].name.clone())
}

fn state_shape(state: &State) -> Shape {
    let (style, kind) = match state.kind {
        Kind::Rest => (Style::Rest, ""),
        Kind::Work if state.undoes.is_some() => (Style::Undo, " (undoes a step)"),
        Kind::Work => (Style::Work, " (work)"),
        Kind::End => (Style::End, " (end)"),
    };
    let enter = state.enter.as_ref().map(|enter| format!("enter / {}", enter.name()));
    Shape {
        parent: None,
        lines: std::iter::once(state.name.clone()).chain(enter).collect(),
        style,
        initial: state.initial,
        link: Some(format!("struct.{}.html", plain(&state.ty))),
        title: format!("{}{kind} {}", state.name, state.doc),
    }
}

fn label(machine: &Machine, shared: &Shared<'_>) -> Label {
    let transition = shared.transition;
    let event = &machine.events[transition.event];
    let mut text = event.name.clone();
    if transition.guard.is_some() {
        text.push_str(" [guarded]");
    }
    if transition.internal {
        text.push_str(" (stays)");
    } else if shared.returns {
        text.push_str(" (to the same state)");
    }
    if !transition.is_for_callers() {
        text.push_str(" (by worker)");
    }
    if machine.leads_back(transition) {
        text.push_str(" (undo)");
    }
    if !shared.except.is_empty() {
        let _ = write!(text, " (except {})", names(machine, &shared.except).join(", "));
    }
    if let Some(timer) = machine.states[transition.from].timer(transition.event) {
        let (word, delay) = match &timer.delay {
            Delay::Known(delay) => ("after", duration(*delay)),
            Delay::Const(delay) => ("after", text::of(delay)),
            Delay::Computed(closure) => ("after", closure.text()),
            Delay::At(closure) => ("at", closure.text()),
        };
        let _ = write!(text, " ({word} {delay})");
    }
    if !transition.rewinds.is_empty() {
        let timers = each(&transition.rewinds, &|timer| machine.events[*timer].name.as_str());
        let _ = write!(text, " (rewinds {})", timers.join(", "));
    }
    let waits = &machine.states[transition.from].waits;
    let waits = waits.iter().filter(|wait| wait.fires.event == transition.event);
    let waits: Vec<_> = waits.map(|wait| wait.text(&machine.name())).collect();
    if !waits.is_empty() {
        let _ = write!(text, " (when {})", waits.join(", or "));
    }
    match transition.overrides {
        Some(Origin::Group(group)) => {
            let _ = write!(text, " (overrides {})", plain(&machine.groups[group].ident));
        }
        Some(Origin::Enum | Origin::State) => {
            let _ = write!(text, " (overrides {})", machine.name());
        }
        None => {}
    }
    Label { text, link: format!("event/struct.{}.html", plain(&event.ty)) }
}

/// Prints `15m`, `1h30m` or `250ms`.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(duration.subsec_millis()), "ms"),
    ];
    parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .fold(String::new(), |text, (count, unit)| format!("{text}{count}{unit}"))
}
