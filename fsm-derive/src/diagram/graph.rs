//! The content of a diagram: boxes with their lines of text, and arrows with their labels.

use std::{fmt::Write as _, time::Duration};

use super::arrows::{Tail, arrows};
use crate::{
    model::{Kind, Machine, Origin, State, Transition, plain},
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
    End,
    /// A box for several states.
    Several,
}

/// All arrows from one box to another.
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) labels: Vec<Label>,
}

/// The label of an event, with its guard and timer.
pub(super) struct Label {
    pub(super) text: String,
    pub(super) link: String,
}

/// The boxes and arrows of a machine. Boxes for several states come first, then the states in the order in which they are
/// reached.
pub(super) fn graph(machine: &Machine) -> Graph {
    let arrows = arrows(machine);
    let mut boxes: Vec<Tail> = Vec::new();
    for (tail, _) in &arrows {
        if !matches!(tail, Tail::State(_)) && !boxes.contains(tail) {
            boxes.push(tail.clone());
        }
    }
    boxes.extend(reached_order(machine).into_iter().map(Tail::State));
    let box_of = |tail: &Tail| boxes.iter().position(|other| other == tail);
    let mut drawn: Vec<Arrow> = Vec::new();
    for (tail, transition) in &arrows {
        for to in &transition.to {
            let (Some(from), Some(to)) = (box_of(tail), box_of(&Tail::State(*to))) else { continue };
            let label = label(machine, transition);
            match drawn.iter_mut().find(|arrow| (arrow.from, arrow.to) == (from, to)) {
                Some(arrow) => arrow.labels.push(label),
                None => drawn.push(Arrow { from, to, labels: vec![label] }),
            }
        }
    }
    Graph {
        title: format!("State diagram of {}", machine.name()),
        boxes: boxes.iter().map(|tail| shape(machine, tail)).collect(),
        arrows: drawn,
    }
}

/// The states in depth-first order from the initial states. Without cycles, this is a topological order.
fn reached_order(machine: &Machine) -> Vec<usize> {
    fn visit(machine: &Machine, state: usize, seen: &mut [bool], done: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[state], true) {
            return;
        }
        let next: Vec<_> = machine.from(state).flat_map(|transition| transition.to.iter().copied()).collect();
        next.into_iter().rev().for_each(|next| visit(machine, next, seen, done));
        done.push(state);
    }
    let (mut seen, mut done) = (vec![false; machine.states.len()], Vec::new());
    let initial = (0..machine.states.len()).rev().filter(|state| machine.states[*state].initial);
    let all = initial.chain(0..machine.states.len());
    all.for_each(|state| visit(machine, state, &mut seen, &mut done));
    done.reverse();
    done
}

fn shape(machine: &Machine, tail: &Tail) -> Shape {
    let lines = match tail {
        Tail::State(state) => return state_shape(machine, &machine.states[*state]),
        Tail::Group(group) => vec![format!("every state in {}", plain(&machine.groups[*group].ident))],
        Tail::AllExcept(exceptions) => {
            let ends = machine.states.iter().any(|state| state.kind == Kind::End).then(|| "end states".to_owned());
            let names: Vec<_> =
                exceptions.iter().map(|state| machine.states[*state].name.clone()).chain(ends).collect();
            let except = names.split_last().map(|(last, first)| match first {
                [] => format!("except {last}"),
                first => format!("except {} and {last}", first.join(", ")),
            });
            std::iter::once("every state".to_owned()).chain(except).collect()
        }
    };
    Shape { title: lines.join(" "), lines, style: Style::Several, initial: false, link: None }
}

fn state_shape(machine: &Machine, state: &State) -> Shape {
    let mut lines = vec![state.name.clone()];
    let groups: Vec<_> = std::iter::successors(state.group, |group| machine.groups[*group].parent)
        .map(|group| plain(&machine.groups[group].ident))
        .collect();
    lines.extend((!groups.is_empty()).then(|| format!("in {}", groups.join(", "))));
    let (style, kind) = match state.kind {
        Kind::Rest => (Style::Rest, ""),
        Kind::Work => (Style::Work, " (work)"),
        Kind::End => (Style::End, " (end)"),
    };
    let title = format!("{}{kind} {}", state.name, state.doc);
    Shape { lines, style, initial: state.initial, link: Some(format!("struct.{}.html", plain(&state.ty))), title }
}

fn label(machine: &Machine, transition: &Transition) -> Label {
    let event = &machine.events[transition.event];
    let mut text = event.name.clone();
    if transition.guard.is_some() {
        text.push_str(" [guarded]");
    }
    if transition.internal {
        text.push_str(" (stays)");
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
        let timers: Vec<_> = transition.rewinds.iter().map(|timer| machine.events[*timer].name.as_str()).collect();
        let _ = write!(text, " (rewinds {})", timers.join(", "));
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
