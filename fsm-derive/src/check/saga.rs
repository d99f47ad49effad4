//! Checks of a saga: what was completed can be undone, in reverse order, with the data that this needs, on every way.

use syn::Member;

use crate::{
    each::{each, indices},
    errors::Errors,
    model::{Before, Differs, Field, Kind, Machine, State, Transition, Way, plain},
    suggest, text,
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let Some(saga) = &machine.saga else { return };
    if machine.durable.is_none() {
        let message = "`saga` requires a durable machine, because compensations must continue after a crash: add `durable` to \
                       `#[fsm(…)]`, or remove `saga`";
        errors.at_span(saga.span, message);
    }
    if machine.states.iter().all(|state| state.step.is_none()) {
        let message = "the saga has no step: add `undo = State` to a `work` state, or remove `saga`";
        errors.at_span(saga.span, message);
    }
    // Where names are wrong, more would follow from that.
    if !saga.known {
        return;
    }
    for state in machine.forward_work().filter(|state| state.step.is_none()) {
        let name = plain(&state.ident);
        let message = format!(
            "step `{name}` does not say what undoes it: add `undo = State`, a `work` state, or `undo = none` if there is nothing to undo"
        );
        errors.at(&state.ident, message);
    }
    let is_in_order = errors.none_in(|errors| {
        different_ways(machine, errors);
        for (index, state) in machine.states.iter().enumerate() {
            match state.undoes {
                Some(step) => compensation(machine, index, step, errors),
                None => forward(machine, index, errors),
            }
        }
    });
    if is_in_order && machine.complete {
        unused(machine, errors);
        lost(machine, errors);
    }
}

fn name(machine: &Machine, state: usize) -> String {
    plain(&machine.states[state].ident)
}

fn names(machine: &Machine, states: &[usize]) -> String {
    suggest::list(states.iter().map(|state| name(machine, *state)))
}

/// Two ways into a state on which different steps were completed, where the way back has to know which.
fn different_ways(machine: &Machine, errors: &mut Errors) {
    let Some(saga) = &machine.saga else { return };
    let mut reported = Vec::new();
    for (index, state) in machine.states.iter().enumerate() {
        let Before::Differs(Differs { at, ways }) = &saga.before[index] else { continue };
        let leads_back = machine.from(index).any(|transition| transition.undo.is_some());
        if !(leads_back || state.compensation().is_some()) || reported.contains(at) {
            continue;
        }
        reported.push(*at);
        let way = |(from, steps): &Way| {
            let from = from.map_or("at the beginning".to_owned(), |from| format!("from `{}`", name(machine, from)));
            if steps.is_empty() { from } else { format!("{from} after {}", names(machine, steps)) }
        };
        let message = format!(
            "`{at}` can be entered with different completed steps, {one} and {other}, so `undo` cannot know what to undo: declare \
             one state for each path, or mark steps that have nothing to undo with `undo = none`",
            at = name(machine, *at),
            one = way(&ways[0]),
            other = way(&ways[1])
        );
        errors.at(&machine.states[*at].ident, message);
    }
}

/// What leaves or enters a state that undoes nothing.
fn forward(machine: &Machine, index: usize, errors: &mut Errors) {
    let Some(saga) = &machine.saga else { return };
    let state = &machine.states[index];
    let from = plain(&state.ident);
    let done = match &saga.before[index] {
        Before::Same(steps) => &steps[..],
        Before::Unreached | Before::Differs(_) => &[],
    };
    for transition in machine.from(index).filter(|transition| !transition.internal) {
        let event = &machine.events[transition.event].name;
        if transition.undo.is_some() {
            undecided(machine, state, transition, errors);
            continue;
        }
        for to in transition.to.iter().copied().filter(|_| transition.history.is_none()) {
            let target = name(machine, to);
            if let Some(step) = machine.states[to].undoes {
                let message = format!(
                    "`{target}` undoes `{}`, and only `undo` leads to it, in the order of the steps: write `{event} => undo`",
                    name(machine, step)
                );
                errors.at(&transition.ident, message);
            } else if to == saga.undone && !done.is_empty() {
                let message = format!(
                    "`{event}` leads from `{from}` to `{target}` without undoing {}: write `{event} => undo`",
                    names(machine, done)
                );
                errors.at(&transition.ident, message);
            } else if to == saga.undone && state.compensation().is_some() {
                let message = format!(
                    "`{event}` leads from the step `{from}` to `{target}`: write `{event} => undo`; it also ends in `{target}`, and undoes \
                     `{from}` first if this step has `uncertain = undo`"
                );
                errors.at(&transition.ident, message);
            }
        }
    }
}

/// A step that something else than its worker interrupts has to say whether it is undone, too.
fn undecided(machine: &Machine, state: &State, transition: &Transition, errors: &mut Errors) {
    let Some(step) = state.step.as_ref().filter(|step| step.undo.is_some() && step.uncertain.is_none()) else { return };
    let timed =
        state.timer(transition.event).is_some() || state.waits.iter().any(|wait| wait.fires.event == transition.event);
    let shared = transition.origin != crate::model::Origin::State && transition.is_for_callers();
    if timed || shared {
        let (name, event) = (plain(&state.ident), &machine.events[transition.event].name);
        let message = format!(
            "`{event}` can interrupt the step `{name}`, whose outcome is then unknown: add `uncertain = undo` to undo `{name}` too, or \
             `uncertain = skip` if an interrupted `{name}` leaves nothing behind"
        );
        errors.at_span(step.span, message);
    }
}

/// A state that undoes a step is left only once that is done.
fn compensation(machine: &Machine, index: usize, step: usize, errors: &mut Errors) {
    let state = &machine.states[index];
    let (this, step) = (plain(&state.ident), name(machine, step));
    if state.initial {
        let message = format!("`{this}` undoes `{step}`, so nothing can begin in it: remove it from `initial`");
        errors.at(&state.ident, message);
    }
    if let Some(other) = &state.step {
        let message = format!(
            "`{this}` undoes `{step}`, and is not undone itself: remove `undo`; it is repeated until it succeeds, or parked"
        );
        errors.at_span(other.span, message);
    }
    if let Some(exhausted) = &state.exhausted {
        let message = format!(
            "`{this}` could be left without undoing `{step}`: remove `exhausted`; the instance is parked instead, until an operator \
             releases it"
        );
        errors.at_span(exhausted.span, message);
    }
    let mut done = false;
    for transition in machine.from(index) {
        let event = &machine.events[transition.event].name;
        let stays = transition.internal || (transition.history.is_none() && transition.to == [index]);
        let fired = state.timer(transition.event).is_some()
            || state.waits.iter().any(|wait| wait.fires.event == transition.event);
        if transition.undo.is_some() && !fired && !transition.auto {
            done = true;
        } else if !stays {
            let remedy = if transition.undo.is_some() {
                done = true;
                if transition.auto {
                    "remove `auto`".to_owned()
                } else {
                    format!(
                        "only the worker of `{this}` may fire it; give the timer or the wait another event, with an internal \
                         transition, `#[on(other => _)]`"
                    )
                }
            } else if transition.origin == crate::model::Origin::State {
                format!("write `{event} => undo`, and fire it once `{step}` is undone, or remove the transition")
            } else {
                format!("add `{this}` to `except(…)`")
            };
            errors.at(&transition.ident, format!("`{event}` leaves `{this}` without undoing `{step}`: {remedy}"));
        }
    }
    if !done {
        let message =
            format!("`{this}` undoes `{step}`, but declares no event that completes it: add `#[on(event => undo)]`");
        errors.at(&state.ident, message);
    }
}

/// Compensations to which no `undo` leads.
fn unused(machine: &Machine, errors: &mut Errors) {
    for (index, step) in machine.states.iter().enumerate() {
        let Some(undo) = step.compensation() else { continue };
        if !machine.transitions.iter().any(|transition| transition.undo.is_some() && transition.to.contains(&undo)) {
            let (step_name, undo) = (name(machine, index), name(machine, undo));
            let message = format!(
                "`{undo}` is unreachable, because no transition after `{step_name}` has the target `undo`: add `#[on(event => undo)]` \
                 to a state after `{step_name}`, or write `undo = none`"
            );
            errors.at(&step.ident, message);
        }
    }
}

/// A field that is missing where the way back needs it: the events that lead there, and the states that would have to have it.
#[derive(Default)]
struct Lost {
    on: Vec<String>,
    without: Vec<usize>,
    found: bool,
    interrupted: Option<usize>,
}

/// Fields that nothing supplies on the way back. `carry` leaves these to this check, which knows where they were lost.
fn lost(machine: &Machine, errors: &mut Errors) {
    for (target, state) in machine.states.iter().enumerate() {
        let mut missing = each(&state.fields, &|_| Lost::default());
        for transition in machine.transitions.iter().filter(|it| is_checked(it) && it.to == [target]) {
            for ((field, supply), lost) in machine.supplies(transition, target).iter().zip(&mut missing) {
                if supply.is_some() || matches!(field.member, Member::Unnamed(_)) || field.history.is_some() {
                    continue;
                }
                let from = name(machine, transition.from);
                lost.on.push(format!("`{}` from `{from}`", machine.events[transition.event].name));
                if state.undoes == Some(transition.from) {
                    lost.interrupted = Some(transition.from);
                } else {
                    without(machine, transition.from, field, lost);
                }
            }
        }
        for (field, lost) in state.fields.iter().zip(missing) {
            if !lost.on.is_empty() {
                report(machine, target, field, lost, errors);
            }
        }
    }
}

fn report(machine: &Machine, target: usize, field: &Field, mut lost: Lost, errors: &mut Errors) {
    lost.on.dedup();
    let (field_name, ty) = (field.name(), text::of(&field.ty));
    let begin = format!("no source for field `{field_name}` of `{}` on {}", name(machine, target), lost.on.join(", "));
    let message = if let Some(step) = lost.interrupted {
        let step = name(machine, step);
        format!(
            "{begin}: `{step}` may not have completed, so its result is not available; find its effect by data from before the step, \
             such as `task.instance_key()`, or build the target with `with = path`"
        )
    } else if lost.found {
        format!(
            "{begin}: it is lost in {}; add `{field_name}: {ty}` there, or build the target with `with = path`",
            names(machine, &lost.without)
        )
    } else {
        format!(
            "{begin}: no state or event before has it; add it to the payload of the event that completes the step, \
             `{{ {field_name}: {ty} }}`, and to the states after it, or build the target with `with = path`"
        )
    };
    errors.at(&field.member, message);
}

/// Whether this check, and not `carry`, looks at the fields of the target.
pub(super) fn is_checked(transition: &Transition) -> bool {
    transition.undo.is_some() && transition.complete && transition.with.is_none()
}

/// Adds the states before and including `state` that do not have the field, back to where it is.
fn without(machine: &Machine, state: usize, field: &Field, lost: &mut Lost) {
    let has = |fields: &[Field]| fields.iter().any(|other| other.name() == field.name());
    let mut ahead = vec![state];
    while let Some(state) = ahead.pop() {
        if lost.without.contains(&state) {
            continue;
        }
        lost.without.push(state);
        for transition in machine.transitions.iter().filter(|transition| transition.to.contains(&state)) {
            if has(&machine.events[transition.event].fields) || has(&machine.states[transition.from].fields) {
                lost.found = true;
            } else {
                ahead.push(transition.from);
            }
        }
    }
    let found = std::mem::take(&mut lost.without);
    lost.without =
        indices(machine.states.len(), &|state| found.contains(&state) && machine.states[state].kind != Kind::End);
}
