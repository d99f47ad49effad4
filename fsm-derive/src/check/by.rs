//! Checks that something can fire what is `by = worker`.

use crate::{
    each::each,
    errors::Errors,
    model::{Kind, Machine, Origin, Transition, plain},
    suggest,
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    if machine.durable.is_none() {
        return;
    }
    let mut stuck = Vec::new();
    for transition in &machine.transitions {
        if let Some(by) = transition.by.filter(|_| !is_fired(machine, transition)) {
            stuck.push((by, transition));
        }
    }
    for (place, (by, transition)) in stuck.iter().enumerate() {
        // A declaration that several states share is reported once.
        let same = |(_, other): &&(_, &Transition)| {
            transition.origin != Origin::State && (other.origin, other.event) == (transition.origin, transition.event)
        };
        if stuck[..place].iter().any(|other| same(&other)) {
            continue;
        }
        let all = stuck.iter().filter(same).map(|(_, other)| other.from);
        let states = if transition.origin == Origin::State { vec![transition.from] } else { all.collect() };
        let names = each(&states, &|state| plain(&machine.states[*state].ident));
        let (have, it) = if names.len() == 1 { ("has", "it") } else { ("have", "them") };
        let except = match transition.origin {
            Origin::State => String::new(),
            Origin::Group(_) | Origin::Enum => format!(", add {it} to `except(…)`"),
        };
        let message = format!(
            "`{}` is `by = worker`, but {} {have} no worker, timer or wait that fires it: mark {it} as `work`{except}, or remove \
             `by = worker`",
            machine.events[transition.event].name,
            suggest::list(&names)
        );
        errors.at_span(*by, message);
    }
}

/// Whether the worker of the state or the runtime fires it, as far as that is known.
fn is_fired(machine: &Machine, transition: &Transition) -> bool {
    let state = &machine.states[transition.from];
    let waits = || state.waits.iter().any(|wait| wait.fires.event == transition.event);
    state.unresolved || state.kind == Kind::Work || state.timer(transition.event).is_some() || waits()
}
