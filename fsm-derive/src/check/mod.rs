//! Checks of a machine before code is generated for it.

mod by;
mod carry;
mod durable;
mod graph;
mod history;
mod names;
mod places;
mod require;
mod saga;
mod waits;

#[cfg(test)]
pub(crate) use names::{CONTEXT_METHODS, DURABLE_METHODS, METHODS};
pub(crate) use names::{DURABLE_TYPES, HIDDEN, HISTORY, TYPES};

use crate::{errors::Errors, model::Machine};

/// Reports all errors of a machine.
pub(crate) fn check(machine: &Machine, errors: &mut Errors) {
    names::check(machine, errors);
    carry::check(machine, errors);
    history::check(machine, errors);
    durable::check(machine, errors);
    waits::check(machine, errors);
    saga::check(machine, errors);
    if machine.complete {
        by::check(machine, errors);
        graph::check(machine, errors);
        require::check(machine, errors);
    }
}
