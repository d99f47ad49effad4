//! What is to be drawn: boxes with their texts, arrows with their labels.

use std::{fmt::Write as _, time::Duration};

use super::arrows::{Tail, arrows, is_timed};
use crate::{
    model::{Kind, Machine, State, Transition, plain},
    parse::Delay,
    text,
};

/// Boxes and the arrows between them.
pub(super) struct Sketch {
    pub(super) title: String,
    pub(super) boxes: Vec<Shape>,
    pub(super) arrows: Vec<Arrow>,
}

/// A box: a state, or what stands for many.
pub(super) struct Shape {
    pub(super) lines: Vec<String>,
    pub(super) kind: Look,
    pub(super) initial: bool,
    /// A page of the documentation.
    pub(super) link: Option<String>,
    /// Shown when the mouse rests on it.
    pub(super) hint: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Rest,
    Work,
    End,
    /// It stands for many states.
    Many,
}

/// All arrows from one box to another.
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) labels: Vec<Label>,
}

/// An event, with what is special about it.
pub(super) struct Label {
    pub(super) text: String,
    pub(super) link: String,
}

/// Takes a machine apart into boxes, those that stand for many states first, then the states in the order in which a machine
/// comes to them, and arrows.
pub(super) fn sketch(machine: &Machine) -> Sketch {
    let arrows = arrows(machine);
    let mut boxes: Vec<Tail> = Vec::new();
    for (tail, _) in &arrows {
        if !matches!(tail, Tail::State(_)) && !boxes.contains(tail) {
            boxes.push(tail.clone());
        }
    }
    boxes.extend(in_order(machine).into_iter().map(Tail::State));
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
    Sketch {
        title: format!("The states of {} and the events that lead from one to another", machine.name()),
        boxes: boxes.iter().map(|tail| shape(machine, tail)).collect(),
        arrows: drawn,
    }
}

/// The states, each before those that follow it, as far as there is no cycle: depth first, from the initial ones.
fn in_order(machine: &Machine) -> Vec<usize> {
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
        Tail::AllBut(others) => {
            let ends = machine.states.iter().any(|state| state.kind == Kind::End).then(|| "end states".to_owned());
            let names: Vec<_> = others.iter().map(|state| machine.states[*state].name.clone()).chain(ends).collect();
            let except = names.split_last().map(|(last, first)| match first {
                [] => format!("except {last}"),
                first => format!("except {} and {last}", first.join(", ")),
            });
            std::iter::once("every state".to_owned()).chain(except).collect()
        }
    };
    Shape { hint: lines.join(" "), lines, kind: Look::Many, initial: false, link: None }
}

fn state_shape(machine: &Machine, state: &State) -> Shape {
    let mut lines = vec![state.name.clone()];
    lines.extend(state.group.map(|group| format!("in {}", plain(&machine.groups[group].ident))));
    let (kind, what) = match state.kind {
        Kind::Rest => (Look::Rest, ""),
        Kind::Work => (Look::Work, " (work)"),
        Kind::End => (Look::End, " (an end)"),
    };
    let hint = format!("{}{what} {}", state.name, state.doc);
    Shape { lines, kind, initial: state.initial, link: Some(format!("struct.{}.html", plain(&state.ident))), hint }
}

fn label(machine: &Machine, transition: &Transition) -> Label {
    let event = &machine.events[transition.event];
    let mut text = event.name.clone();
    if transition.guard.is_some() {
        text.push_str(" [guarded]");
    }
    if let Some(timer) = &machine.states[transition.from].timer
        && is_timed(machine, transition)
    {
        let delay = match &timer.delay {
            Delay::Known(delay) => span(*delay),
            Delay::Const(delay) => text::of(delay),
        };
        let _ = write!(text, " (after {delay})");
    }
    Label { text, link: format!("event/struct.{}.html", plain(&event.ty)) }
}

/// A duration as people write it: `15m`, `1h30m`, `250ms`.
fn span(duration: Duration) -> String {
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
