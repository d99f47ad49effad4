//! Reads the arrows of a diagram as a person would, for tests.

use super::arrows::{Shared, Tail, arrows};
use crate::model::{Kind, Machine, Transition};

/// What a transition shows: its targets, whether it is guarded, whether it is internal, and whether callers can fire it.
type Shown = (Vec<usize>, bool, bool, bool);

/// The number of labels of arrows.
pub(crate) fn labels(machine: &Machine) -> usize {
    arrows(machine).iter().map(|arrow| arrow.heads().len()).sum()
}

/// Compares what the arrows show with the transitions of the machine.
pub(crate) fn check(machine: &Machine) -> Result<(), String> {
    let arrows = arrows(machine);
    for state in 0..machine.states.len() {
        for event in 0..machine.events.len() {
            let declared: Vec<Shown> = machine
                .from(state)
                .filter(|transition| transition.event == event)
                .map(|transition| shown(transition, transition.to.clone()))
                .collect();
            let read = read(machine, &arrows, state, event);
            if read != declared {
                let (state, event) = (&machine.states[state].name, &machine.events[event].name);
                return Err(format!("arrows from {state} on {event} are read as {read:?} instead of {declared:?}"));
            }
        }
    }
    Ok(())
}

/// An arrow of the state itself is nearer than that of a superstate, an inner superstate is nearer than an outer one, and a box for
/// almost all states is the farthest. The nearest counts.
fn read(machine: &Machine, arrows: &[Shared<'_>], state: usize, event: usize) -> Vec<Shown> {
    let groups = machine.groups_of(state).map(Tail::Group);
    let near = std::iter::once(Tail::State(state)).chain(groups).map(|tail| {
        let here = arrows.iter().filter(move |arrow| arrow.tail == tail && !arrow.except.contains(&state));
        here.collect::<Vec<_>>()
    });
    let stands_for = |arrow: &&Shared<'_>| match &arrow.tail {
        Tail::AllExcept(except) => !except.contains(&state),
        Tail::State(_) | Tail::Group(_) | Tail::History(..) => false,
    };
    let far = arrows.iter().filter(stands_for).collect::<Vec<_>>();
    if machine.states[state].kind == Kind::End {
        return Vec::new();
    }
    let on_event = |arrows: Vec<&Shared<'_>>| {
        let arrows = arrows.into_iter().filter(|arrow| arrow.transition.event == event);
        let shown = arrows.map(|Shared { transition, returns, .. }| {
            let to = if *returns { vec![state] } else { transition.to.clone() };
            self::shown(transition, to)
        });
        shown.collect::<Vec<_>>()
    };
    near.chain([far]).map(on_event).find(|shown| !shown.is_empty()).unwrap_or_default()
}

fn shown(transition: &Transition, to: Vec<usize>) -> Shown {
    (to, transition.guard.is_some(), transition.internal, transition.is_for_callers())
}
