//! Resolves `#[on(…)]` to transitions: of one state, of a superstate's states, or of all states.

use proc_macro2::Span;
use syn::Ident;

use super::{Resolver, saga::requires_saga, states};
use crate::{
    each::{each, indices},
    model::{Event, History, Kind, Origin, Transition, plain, snake},
    names,
    parse::{On, OnEvent, Target, Targets},
};

/// The names in an `#[on(…)]`, as indices.
struct Resolved<'o> {
    /// The events that are valid, with their names in this `#[on(…)]`.
    events: Vec<(usize, &'o Ident)>,
    /// The targets. `None` stands for the state that is left.
    to: Vec<Option<usize>>,
    internal: bool,
    history: Option<History>,
    undo: Option<Span>,
}

impl Resolver<'_> {
    /// Resolves an `#[on(…)]` on a variant.
    pub(super) fn state_transition(&mut self, from: usize, on: &On) {
        if let Some(except) = &on.except {
            let message = "`except(…)` is not allowed on a variant: remove it";
            match except.first() {
                Some(first) => self.errors.at(first, message),
                None => self.errors.at_span(on.span, message),
            }
        }
        if let Some(resolved) = self.on(on) {
            self.transitions(&[from], on, &resolved, Origin::State);
        }
    }

    /// Resolves an `#[on(…)]` on the enum or in `group(…)`, which several states share.
    pub(super) fn shared_transition(&mut self, on: &On, origin: Origin) {
        let members = indices(self.machine.states.len(), &|state| match origin {
            Origin::Group(group) => self.machine.is_in(state, group),
            Origin::State | Origin::Enum => true,
        });
        let mut except = Vec::new();
        for ident in on.except.iter().flatten() {
            let Some(state) = self.state(ident) else { continue };
            let name = plain(ident);
            if self.machine.states[state].kind == Kind::End {
                self.errors.at(
                    ident,
                    format!("`{name}` is an end state, which is excluded anyway: remove it from `except(…)`"),
                );
            } else if !members.contains(&state) {
                self.errors.at(ident, format!("`{name}` is not in this superstate: remove it from `except(…)`"));
            } else if except.contains(&state) {
                self.errors.at(ident, format!("`{name}` is listed twice: remove one"));
            }
            except.push(state);
        }
        let resolved = self.on(on);
        // Only its own `undo` leads on from a state that undoes a step.
        let forward = matches!(on.targets, Targets::Undo(_));
        let mut sources = Vec::new();
        for state in &members {
            let of = &self.machine.states[*state];
            if of.kind != Kind::End && !except.contains(state) && !(forward && of.undoes.is_some()) {
                sources.push(*state);
            }
        }
        if sources.is_empty() && !members.is_empty() && self.machine.complete {
            for event in &on.events {
                let name = plain(&event.ident);
                let message =
                    format!("no state accepts `{name}`: all are end states or in `except(…)`; remove this transition");
                self.errors.at(&event.ident, message);
            }
        }
        if let Some(resolved) = resolved {
            self.transitions(&sources, on, &resolved, origin);
        }
    }

    /// Adds a transition for each source and each event.
    fn transitions(&mut self, sources: &[usize], on: &On, resolved: &Resolved<'_>, origin: Origin) {
        for from in sources {
            // The first event that this declaration adds. An inner declaration can override another.
            let mut choice = None;
            for (event, ident) in &resolved.events {
                if self.is_free(*from, (*event, ident), on, origin) {
                    let choice = *choice.get_or_insert(*event);
                    self.transition(*from, (*event, ident), choice, on, resolved, origin);
                }
            }
        }
    }

    fn on<'o>(&mut self, on: &'o On) -> Option<Resolved<'o>> {
        let mut events = Vec::new();
        for event in &on.events {
            events.extend(self.event(event).map(|index| (index, &event.ident)));
        }
        if let Some(method) = &on.method {
            match (&events[..], &on.events[..]) {
                ([(event, _)], [_]) => self.method(*event, method),
                (_, [_, _, ..]) => {
                    let message = "`method` is the method of one event: write an `#[on(…)]` for each of these events";
                    self.errors.at(method, message);
                }
                _ => {}
            }
        }
        self.by(on);
        let internal = matches!(on.targets, Targets::Internal(_));
        if internal && on.auto {
            let message = "`auto` has no effect on a transition that stays in its state: remove it";
            self.errors.at_span(on.span, message);
        }
        for (place, timer) in on.rewind.iter().enumerate().filter(|_| internal) {
            if on.rewind[..place].contains(timer) {
                self.errors.at(timer, format!("`{}` is listed twice: remove one", plain(timer)));
            }
        }
        if let (false, Some(first), Some(event)) = (internal, on.rewind.first(), on.events.first()) {
            let message = format!(
                "`rewind` has no effect on a transition that enters a state, whose timers start then: remove it, or stay in the state \
                 with `{} => _`",
                plain(&event.ident)
            );
            self.errors.at(first, message);
        }
        let mut undo = None;
        let (to, history) = match &on.targets {
            Targets::Internal(_) => (vec![None], None),
            Targets::States(targets) => (self.targets(targets)?, None),
            Targets::Undo(ident) => match self.undo(ident) {
                Some(state) => (vec![Some(state)], None),
                None if self.machine.saga.is_none() => return None,
                None => {
                    undo = Some(ident.span());
                    (Vec::new(), None)
                }
            },
            Targets::History(history) => {
                let history = self.history(on, history)?;
                (each(&self.machine.remembered(history.group), &|state| Some(*state)), Some(history))
            }
        };
        Some(Resolved { events, to, internal, history, undo })
    }

    /// The targets; `None` stands for the state that is left. Returns `None` if one is unknown.
    fn targets(&mut self, targets: &[Target]) -> Option<Vec<Option<usize>>> {
        let (mut to, mut known) = (Vec::new(), true);
        for target in targets {
            let (state, span, name) = match target {
                Target::Source(span) => (None, *span, "Self".to_owned()),
                Target::Named(ident) => {
                    let Some(state) = self.state(ident) else {
                        known = false;
                        continue;
                    };
                    (Some(state), ident.span(), plain(ident))
                }
            };
            if to.contains(&state) {
                self.errors.at_span(span, format!("`{name}` is listed twice: remove one"));
            } else {
                to.push(state);
            }
        }
        known.then_some(to)
    }

    /// Reports the target `undo` outside of a saga, where it is the name of a state if one has it.
    fn undo(&mut self, ident: &Ident) -> Option<usize> {
        if self.machine.saga.is_some() {
            return None;
        }
        if self.machine.states.iter().any(|state| state.ident == *ident) {
            return self.state(ident);
        }
        if self.machine.complete {
            self.errors.at(ident, requires_saga("undo"));
        }
        self.machine.complete = false;
        None
    }

    fn event(&mut self, event: &OnEvent) -> Option<usize> {
        let ident = &event.ident;
        let name = plain(ident);
        if name.chars().any(char::is_uppercase) {
            let message = format!("event names must be in snake case: write `{}`", snake(&name));
            self.errors.at(ident, message);
            self.machine.complete = false;
            return None;
        }
        let known = self.machine.events.iter().position(|event| event.name == name);
        let index = if let Some(index) = known {
            index
        } else {
            let Some(ty) = names::ident(&names::pascal(&name), ident.span()) else {
                self.errors
                    .at(ident, format!("`{name}` does not convert to a type name: choose another name for this event"));
                self.machine.complete = false;
                return None;
            };
            self.machine.events.push(Event { ident: ident.clone(), method: None, ty, name, fields: Vec::new() });
            self.machine.events.len() - 1
        };
        if let Some(payload) = &event.payload {
            self.payload(index, ident, payload);
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

    fn payload(&mut self, event: usize, at: &Ident, payload: &[syn::Field]) {
        let event = &mut self.machine.events[event];
        if event.fields.is_empty() {
            event.fields = payload.iter().enumerate().map(states::field).collect();
        } else {
            let name = &event.name;
            let message = format!("the payload of `{name}` is declared twice: write `{name} => …` here");
            self.errors.at(at, message);
        }
    }

    /// Whether the state does not declare the event yet. An inner declaration, which is resolved earlier, overrides this one.
    fn is_free(&mut self, from: usize, (event, ident): (usize, &Ident), on: &On, origin: Origin) -> bool {
        let mut transitions = self.machine.transitions.iter();
        let Some(place) = transitions.position(|other| (other.from, other.event) == (from, event)) else { return true };
        let earlier = &mut self.machine.transitions[place];
        if earlier.origin == origin {
            let message = duplicate(&self.machine.states[from].ident, &self.machine.events[event].name, origin);
            self.errors.at(ident, message);
        } else {
            earlier.overrides.get_or_insert(origin);
            self.by_in_override(place, on);
        }
        false
    }

    fn transition(
        &mut self,
        from: usize,
        (event, ident): (usize, &Ident),
        choice: usize,
        on: &On,
        resolved: &Resolved<'_>,
        origin: Origin,
    ) {
        let mut to: Vec<usize> = Vec::new();
        for target in &resolved.to {
            let target = target.unwrap_or(from);
            if to.contains(&target) {
                self.same_target(on, from, origin);
            } else {
                to.push(target);
            }
        }
        self.machine.transitions.push(Transition {
            span: on.span,
            ident: ident.clone(),
            origin,
            from,
            event,
            to,
            internal: resolved.internal,
            history: resolved.history,
            undo: resolved.undo,
            overrides: None,
            choice,
            guard: on.guard.clone(),
            with: on.with.clone(),
            rewind: if resolved.internal { on.rewind.clone() } else { Vec::new() },
            rewinds: Vec::new(),
            auto: on.auto,
            // Only the worker knows that it has undone the step.
            by: on.by.or(resolved.undo.filter(|_| self.machine.states[from].undoes.is_some())),
            complete: on.complete,
        });
    }

    /// Reports a target list in which `Self` and a name are the same state.
    fn same_target(&mut self, on: &On, from: usize, origin: Origin) {
        let name = plain(&self.machine.states[from].ident);
        let span = match &on.targets {
            Targets::Internal(span) => *span,
            Targets::History(history) => history.span,
            Targets::Undo(ident) => ident.span(),
            Targets::States(targets) => targets
                .iter()
                .find_map(|target| match target {
                    Target::Source(span) => Some(*span),
                    Target::Named(_) => None,
                })
                .unwrap_or_else(Span::call_site),
        };
        let remedy = match origin {
            Origin::State => "remove one".to_owned(),
            Origin::Group(_) | Origin::Enum => format!("add `{name}` to `except(…)`"),
        };
        self.errors.at_span(span, format!("`Self` is `{name}` here, which is listed too: {remedy}"));
    }
}

/// The message for an event that is declared twice at the same place.
fn duplicate(state: &Ident, event: &str, origin: Origin) -> String {
    let state = plain(state);
    match origin {
        Origin::State => {
            format!("`{state}` declares `{event}` twice: remove one, or merge the targets, `{event} => A | B`")
        }
        Origin::Group(_) => format!(
            "this superstate already declares `{event}` for `{state}`: remove one, or add `{state}` to `except(…)` here"
        ),
        Origin::Enum => {
            format!(
                "the enum already declares `{event}` for `{state}`: remove one, or add `{state}` to `except(…)` here"
            )
        }
    }
}
