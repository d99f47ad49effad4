//! Events that are fired for a state rather than by the user: by its timer, or when its worker's attempts are used up.

use super::Resolver;
use crate::{
    model::{Field, FiredEvent, Timer, plain},
    parse::{self, After},
    suggest,
};

impl Resolver<'_> {
    pub(super) fn timers(&mut self, state: usize, afters: Vec<After>) {
        let mut afters = afters.into_iter();
        let Some(After { span, delay, fires }) = afters.next() else { return };
        for second in afters {
            self.errors.at_span(second.span, "a state has one timer: of two, only the earlier could ever fire");
        }
        let fires = self.fires(state, fires, "its timer");
        self.machine.states[state].timer = fires.map(|fires| Timer { span, delay, fires });
    }

    /// The event that `what` of a state fires, with its payload.
    pub(super) fn fires(&mut self, state: usize, fires: parse::FiredEvent, what: &str) -> Option<FiredEvent> {
        let name = plain(&fires.event);
        let accepted: Vec<_> = self.machine.from(state).map(|transition| transition.event).collect();
        let found = accepted.iter().copied().find(|event| self.machine.events[*event].name == name);
        if let Some(event) = found {
            self.payload_of(&fires, event);
            return Some(FiredEvent { span: fires.event.span(), event, payload: fires.payload });
        }
        if self.machine.whole {
            let state = plain(&self.machine.states[state].ident);
            let hint = suggest::nearest(&name, accepted.iter().map(|event| self.machine.events[*event].name.as_str()));
            self.errors.at(&fires.event, format!("`{state}` declares no event `{name}` that {what} could fire{hint}"));
        }
        None
    }

    fn payload_of(&mut self, fires: &parse::FiredEvent, event: usize) {
        let event = &self.machine.events[event];
        let mut given: Vec<String> = Vec::new();
        for value in &fires.payload {
            let name = &value.field;
            let plain = plain(name);
            if !event.fields.iter().any(|field| field.name() == plain) {
                let names: Vec<_> = event.fields.iter().map(Field::name).collect();
                let hint = suggest::nearest(&plain, names.iter().map(String::as_str));
                self.errors.at(name, format!("the payload of `{}` has no field `{plain}`{hint}", event.name));
            } else if given.contains(&plain) {
                self.errors.at(name, format!("`{plain}` is given twice: leave one"));
            }
            given.push(plain);
        }
        let missing: Vec<_> = event.fields.iter().map(Field::name).filter(|name| !given.contains(name)).collect();
        if !missing.is_empty() {
            let message = format!(
                "`{}` is fired without {}: write `{} {{ {}: … }}`",
                event.name,
                suggest::list(&missing),
                event.name,
                missing.join(": …, ")
            );
            self.errors.at(&fires.event, message);
        }
    }
}
