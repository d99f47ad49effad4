//! Resolves the events fired by a state's timers and by `exhausted`, and the timers that are rewound.

use syn::Ident;

use super::Resolver;
use crate::{
    each::each,
    model::{Field, FiredEvent, Origin, Timer, plain},
    parse::{self, After},
    suggest,
};

impl Resolver<'_> {
    pub(super) fn timers(&mut self, state: usize, afters: Vec<After>) {
        for After { span, delay, fires } in afters {
            let Some(fires) = self.fires(state, fires, "the timer") else { continue };
            let of = &self.machine.states[state];
            if of.timer(fires.event).is_some() {
                let (name, event) = (plain(&of.ident), &self.machine.events[fires.event].name);
                let message = format!(
                    "`{name}` has two timers that fire `{event}`: remove one, or declare an event of its own for this one"
                );
                self.errors.at_span(span, message);
                continue;
            }
            self.machine.states[state].timers.push(Timer { span, delay, fires });
        }
    }

    /// Resolves the timers that internal transitions start again.
    pub(super) fn rewinds(&mut self) {
        for place in 0..self.machine.transitions.len() {
            let names = std::mem::take(&mut self.machine.transitions[place].rewind);
            let mut rewinds = Vec::new();
            for name in names {
                rewinds.extend(self.rewound(place, &name).filter(|timer| !rewinds.contains(timer)));
            }
            self.machine.transitions[place].rewinds = rewinds;
        }
    }

    /// The event of the timer `name` of the state that a transition stays in.
    fn rewound(&mut self, transition: usize, name: &Ident) -> Option<usize> {
        let (machine, timer) = (&*self.machine, plain(name));
        let transition = &machine.transitions[transition];
        let state = &machine.states[transition.from];
        let timers = each(&state.timers, &|timer| timer.fires.event);
        let found = timers.iter().copied().find(|event| machine.events[*event].name == timer);
        if found.is_none() && machine.complete {
            let names = each(&timers, &|event| machine.events[*event].name.as_str());
            let state = plain(&state.ident);
            let near = suggest::near(&timer, names.iter().copied());
            let remedy = match (near, transition.origin) {
                (Some(near), _) => format!("; did you mean `{near}`?"),
                (None, Origin::State) => {
                    format!(": declare it, `#[after(\"15m\", {timer})]`, or remove it from `rewind`")
                }
                (None, Origin::Group(_) | Origin::Enum) => {
                    format!(": declare it, `#[after(\"15m\", {timer})]`, or add `{state}` to `except(…)`")
                }
            };
            let message = format!("`{state}` has no timer that fires `{timer}`{remedy}");
            self.errors.at(name, message);
        }
        found
    }

    /// Resolves the event that `cause`, the timer or `exhausted`, fires in a state, with its payload.
    pub(super) fn fires(&mut self, state: usize, fires: parse::FiredEvent, cause: &str) -> Option<FiredEvent> {
        let name = plain(&fires.event);
        let mut accepted = Vec::new();
        for transition in self.machine.from(state) {
            accepted.push(transition.event);
        }
        let found = accepted.iter().copied().find(|event| self.machine.events[*event].name == name);
        if let Some(event) = found {
            self.payload_of(&fires, event);
            return Some(FiredEvent { span: fires.event.span(), event, payload: fires.payload });
        }
        if self.machine.complete {
            let state = plain(&self.machine.states[state].ident);
            let names = each(&accepted, &|event| self.machine.events[*event].name.as_str());
            let hint = suggest::nearest(&name, names);
            let message = format!("{cause} of `{state}` fires `{name}`, which `{state}` does not accept{hint}");
            self.errors.at(&fires.event, message);
        }
        self.machine.states[state].unresolved = true;
        None
    }

    fn payload_of(&mut self, fires: &parse::FiredEvent, event: usize) {
        let event = &self.machine.events[event];
        let mut given: Vec<String> = Vec::new();
        for value in &fires.payload {
            let name = &value.field;
            let plain = plain(name);
            if !event.fields.iter().any(|field| field.name() == plain) {
                let names = each(&event.fields, &Field::name);
                let hint = suggest::nearest(&plain, names.iter().map(String::as_str));
                self.errors.at(name, format!("unknown field `{plain}` in the payload of `{}`{hint}", event.name));
            } else if given.contains(&plain) {
                self.errors.at(name, format!("`{plain}` is specified twice: remove one"));
            }
            given.push(plain);
        }
        let mut missing = each(&event.fields, &Field::name);
        missing.retain(|name| !given.contains(name));
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
