//! Checks of `waits(…)` that the declaration alone decides.

use crate::{errors::Errors, model::Machine};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    if machine.durable.is_some() {
        return;
    }
    for wait in machine.states.iter().filter_map(|state| state.waits.first()) {
        let message = "`waits` requires a durable machine: add `durable` to `#[fsm(…)]`, or remove `waits`";
        errors.at(&wait.at, message);
    }
}
