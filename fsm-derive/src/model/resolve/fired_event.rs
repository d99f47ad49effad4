//! Resolves the events fired by a state's timer and by `exhausted`.

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
        for duplicate in afters {
            let name = plain(&self.machine.states[state].ident);
            let message = format!("`{name}` has more than one timer: remove all but one `#[after(…)]`");
            self.errors.at_span(duplicate.span, message);
        }
        let fires = self.fires(state, fires, "the timer");
        self.machine.states[state].timer = fires.map(|fires| Timer { span, delay, fires });
    }

    /// Resolves the event that `cause`, the timer or `exhausted`, fires in a state, with its payload.
    pub(super) fn fires(&mut self, state: usize, fires: parse::FiredEvent, cause: &str) -> Option<FiredEvent> {
        let name = plain(&fires.event);
        let accepted: Vec<_> = self.machine.from(state).map(|transition| transition.event).collect();
        let found = accepted.iter().copied().find(|event| self.machine.events[*event].name == name);
        if let Some(event) = found {
            self.payload_of(&fires, event);
            return Some(FiredEvent { span: fires.event.span(), event, payload: fires.payload });
        }
        if self.machine.complete {
            let state = plain(&self.machine.states[state].ident);
            let hint = suggest::nearest(&name, accepted.iter().map(|event| self.machine.events[*event].name.as_str()));
            let message = format!("{cause} of `{state}` fires `{name}`, which `{state}` does not accept{hint}");
            self.errors.at(&fires.event, message);
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
                self.errors.at(name, format!("unknown field `{plain}` in the payload of `{}`{hint}", event.name));
            } else if given.contains(&plain) {
                self.errors.at(name, format!("`{plain}` is specified twice: remove one"));
            }
            given.push(plain);
        }
        let missing: Vec<_> = event.fields.iter().map(Field::name).filter(|name| !given.contains(name)).collect();
        if !missing.is_empty() {
            let message = format!(
                "missing {} {} in the payload of `{}`: write `{} {{ {}: … }}`",
                if missing.len() == 1 { "field" } else { "fields" },
                suggest::list(&missing),
                event.name,
                event.name,
                missing.join(": …, ")
            );
            self.errors.at(&fires.event, message);
        }
    }
}
