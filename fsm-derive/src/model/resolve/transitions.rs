//! Resolves `#[on(…)]` to transitions: of one state, of a superstate's states, or of all states.

use syn::Ident;

use super::{Resolver, states};
use crate::{
    model::{Event, Kind, Origin, Transition, names, plain, snake},
    parse::On,
};

/// The names in an `#[on(…)]`, as indices.
struct Resolved {
    event: usize,
    to: Vec<usize>,
}

impl Resolver<'_> {
    /// Resolves an `#[on(…)]` on a variant.
    pub(super) fn state_transition(&mut self, from: usize, on: &On) {
        if let Some(except) = &on.except {
            let at = except.first().unwrap_or(&on.event);
            self.errors.at(at, "`except(…)` is not allowed on a variant: remove it");
        }
        if let Some(resolved) = self.on(on) {
            self.transition(from, on, &resolved, Origin::State);
        }
    }

    /// Resolves an `#[on(…)]` on the enum or in `group(…)`, which several states share.
    pub(super) fn shared_transition(&mut self, on: &On, origin: Origin) {
        let member = |this: &Self, state: usize| match origin {
            Origin::Group(group) => this.machine.states[state].group == Some(group),
            Origin::State | Origin::Enum => true,
        };
        let mut except = Vec::new();
        for ident in on.except.iter().flatten() {
            let Some(state) = self.state(ident) else { continue };
            let name = plain(ident);
            if self.machine.states[state].kind == Kind::End {
                self.errors.at(
                    ident,
                    format!("`{name}` is an end state, which is excluded anyway: remove it from `except(…)`"),
                );
            } else if !member(self, state) {
                self.errors.at(ident, format!("`{name}` is not in this superstate: remove it from `except(…)`"));
            } else if except.contains(&state) {
                self.errors.at(ident, format!("`{name}` is listed twice: remove one"));
            }
            except.push(state);
        }
        let Some(resolved) = self.on(on) else { return };
        let members: Vec<_> = (0..self.machine.states.len()).filter(|state| member(self, *state)).collect();
        let accepts = |state: &usize| self.machine.states[*state].kind != Kind::End && !except.contains(state);
        let sources: Vec<_> = members.iter().copied().filter(accepts).collect();
        if sources.is_empty() && !members.is_empty() && self.machine.complete {
            let event = plain(&on.event);
            let message =
                format!("no state accepts `{event}`: all are end states or in `except(…)`; remove this transition");
            self.errors.at(&on.event, message);
        }
        for from in sources {
            self.transition(from, on, &resolved, origin);
        }
    }

    fn on(&mut self, on: &On) -> Option<Resolved> {
        let event = self.event(on);
        let mut to = Vec::new();
        let mut known = true;
        for target in &on.targets {
            match self.state(target) {
                Some(state) if to.contains(&state) => {
                    self.errors.at(target, format!("`{}` is listed twice: remove one", plain(target)));
                }
                Some(state) => to.push(state),
                None => known = false,
            }
        }
        event.filter(|_| known).map(|event| Resolved { event, to })
    }

    fn event(&mut self, on: &On) -> Option<usize> {
        let name = plain(&on.event);
        if name.chars().any(char::is_uppercase) {
            let message = format!("event names must be in snake case: write `{}`", snake(&name));
            self.errors.at(&on.event, message);
            self.machine.complete = false;
            return None;
        }
        let known = self.machine.events.iter().position(|event| event.name == name);
        let index = if let Some(index) = known {
            index
        } else {
            let Some(ty) = names::ident(&names::pascal(&name), on.event.span()) else {
                self.errors.at(
                    &on.event,
                    format!("`{name}` does not convert to a type name: choose another name for this event"),
                );
                self.machine.complete = false;
                return None;
            };
            self.machine.events.push(Event { ident: on.event.clone(), method: None, ty, name, fields: Vec::new() });
            self.machine.events.len() - 1
        };
        if let Some(payload) = &on.payload {
            self.payload(index, on, payload);
        }
        if let Some(method) = &on.method {
            self.method(index, method);
        }
        Some(index)
    }

    fn method(&mut self, event: usize, method: &Ident) {
        let event = &mut self.machine.events[event];
        let name = plain(method);
        if name.chars().any(char::is_uppercase) {
            self.errors.at(method, format!("method names must be in snake case: write `{}`", snake(&name)));
        } else if event.method.is_some() {
            let message = format!("the method of `{}` is specified twice: remove one", event.name);
            self.errors.at(method, message);
        } else {
            event.method = Some(method.clone());
        }
    }

    fn payload(&mut self, event: usize, on: &On, payload: &[syn::Field]) {
        let event = &mut self.machine.events[event];
        if event.fields.is_empty() {
            event.fields = payload.iter().enumerate().map(states::field).collect();
        } else {
            let name = &event.name;
            let message = format!("the payload of `{name}` is declared twice: write `{name} => …` here");
            self.errors.at(&on.event, message);
        }
    }

    fn transition(&mut self, from: usize, on: &On, resolved: &Resolved, origin: Origin) {
        let Resolved { event, to } = resolved;
        let earlier = self.machine.from(from).find(|transition| transition.event == *event);
        if let Some(earlier) = earlier {
            let state = plain(&self.machine.states[from].ident);
            let event = &self.machine.events[*event].name;
            let message = match (origin, earlier.origin) {
                (Origin::State, _) => {
                    format!("`{state}` declares `{event}` twice: remove one, or merge the targets, `{event} => A | B`")
                }
                (_, Origin::State) => {
                    format!("`{state}` already declares `{event}`: add `{state}` to `except(…)` here")
                }
                (_, Origin::Group(group)) => format!(
                    "superstate `{}` already declares `{event}` for `{state}`: remove one, or add `{state}` to `except(…)` here",
                    plain(&self.machine.groups[group].ident)
                ),
                (_, Origin::Enum) => {
                    format!(
                        "the enum already declares `{event}` for `{state}`: remove one, or add `{state}` to `except(…)` here"
                    )
                }
            };
            self.errors.at(&on.event, message);
            return;
        }
        self.machine.transitions.push(Transition {
            span: on.span,
            ident: on.event.clone(),
            origin,
            from,
            event: *event,
            to: to.clone(),
            guard: on.guard.clone(),
            with: on.with.clone(),
            auto: on.auto,
            complete: on.complete,
        });
    }
}
