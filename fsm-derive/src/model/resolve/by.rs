//! Resolves `by = worker` where declarations meet: with other options, and where an inner declaration overrides an outer one.

use super::Resolver;
use crate::{model::plain, parse::On};

impl Resolver<'_> {
    /// Reports a `by = worker` that the machine or another option of the `#[on(…)]` contradicts.
    pub(super) fn by(&mut self, on: &On) {
        let Some(by) = on.by else { return };
        if self.machine.durable.is_none() {
            let message = "`by` requires a durable machine, because a machine in memory has no callers: add `durable` to \
                           `#[fsm(…)]`, or remove `by`";
            self.errors.at_span(by, message);
        } else if on.auto {
            let message = "`auto` conflicts with `by = worker`, because callers set the desired state for which the runtime \
                           fires the event: remove one of the two";
            self.errors.at_span(by, message);
        }
    }

    /// Reports an inner declaration without `by = worker` that overrides an outer one with it. `earlier` is the inner transition.
    pub(super) fn by_in_override(&mut self, earlier: usize, outer: &On) {
        let inner = &self.machine.transitions[earlier];
        if outer.by.is_none() || inner.by.is_some() {
            return;
        }
        let (state, event) = (plain(&self.machine.states[inner.from].ident), &self.machine.events[inner.event].name);
        let message = format!(
            "this overrides a transition on `{event}` with `by = worker`, and would let callers fire it in `{state}`: add `by = worker` here, \
             or add `{state}` to `except(…)` of the outer declaration"
        );
        self.errors.at(&inner.ident, message);
    }
}
