//! From a declaration to a machine: every name is looked up; what is not found is reported and left out.

use syn::{Attribute, Expr, ExprLit, Fields, Ident, Index, Lit, Member, Meta};

use super::{Event, Field, Kind, Machine, Shape, State, Timer, Transition, names, plain, snake};
use crate::{
    errors::Errors,
    hint,
    parse::{After, Declaration, On, StateOptions, Variant},
};

/// The generated module's name: the one given, or the enum's in snake case.
pub(crate) fn module(declaration: &Declaration) -> Ident {
    let ident = &declaration.ident;
    declaration.options.module.clone().unwrap_or_else(|| {
        let name = snake(&plain(ident));
        names::ident(&name, ident.span()).unwrap_or_else(|| Ident::new(&format!("{name}_"), ident.span()))
    })
}

/// Resolves a declaration.
pub(crate) fn machine(declaration: Declaration, module: Ident, errors: &mut Errors) -> Machine {
    let Declaration { ident, vis, generics, attrs, options, wide, variants } = declaration;
    let mut machine = Machine {
        vis,
        generics,
        doc: doc(&attrs),
        non_exhaustive: attrs.iter().any(|attr| attr.path().is_ident("non_exhaustive")),
        module,
        krate: options.krate,
        derives: options.derives,
        version: options.version.unwrap_or(1),
        durable: options.durable,
        states: variants.iter().map(state).collect(),
        events: Vec::new(),
        transitions: Vec::new(),
        whole: true,
        ident,
    };
    let mut resolve = Resolver { machine: &mut machine, errors };
    resolve.initial(&options.initial);
    for (from, variant) in variants.iter().enumerate() {
        resolve.kind(from, &variant.options);
        for on in &variant.ons {
            if let Some(except) = &on.except {
                let at = except.first().unwrap_or(&on.event);
                resolve.errors.at(at, "`except(…)` belongs to an `#[on(…)]` on the enum; here it excepts nothing");
            }
            let found = resolve.on(on);
            resolve.transition(from, on, found.as_ref(), false);
        }
    }
    for on in &wide {
        resolve.wide(on);
    }
    for (state, variant) in variants.into_iter().enumerate() {
        resolve.timers(state, variant.afters);
    }
    machine
}

struct Resolver<'a> {
    machine: &'a mut Machine,
    errors: &'a mut Errors,
}

/// What the names in an `#[on(…)]` mean.
struct Resolved {
    event: usize,
    to: Vec<usize>,
}

impl Resolver<'_> {
    fn state(&mut self, ident: &Ident) -> Option<usize> {
        let found = self.machine.states.iter().position(|state| plain(&state.ident) == plain(ident));
        if found.is_none() {
            self.machine.whole = false;
            let names: Vec<_> = self.machine.states.iter().map(|state| plain(&state.ident)).collect();
            let hint = hint::nearest(&plain(ident), names.iter().map(String::as_str));
            self.errors.at(ident, format!("`{}` has no state `{}`{hint}", self.machine.name(), plain(ident)));
        }
        found
    }

    fn initial(&mut self, initial: &[Ident]) {
        if initial.is_empty() {
            self.machine.whole = false;
            let first = self.machine.states.first().map(|state| plain(&state.ident)).unwrap_or_default();
            let message = format!("where does a machine begin? Say `#[fsm(initial = {first})]`, or several: `A | B`");
            self.errors.at(&self.machine.ident, message);
        }
        for ident in initial {
            if let Some(state) = self.state(ident) {
                if self.machine.states[state].initial {
                    self.errors.at(ident, format!("`{}` is named twice: leave one", plain(ident)));
                }
                self.machine.states[state].initial = true;
            }
        }
    }

    fn kind(&mut self, state: usize, options: &StateOptions) {
        let (kind, span) = match (options.work, options.end) {
            (Some(_), Some(end)) => {
                self.errors.at_span(
                    end,
                    "a state is either `work`, which moves it on, or an `end`, where it stays: leave one",
                );
                (Kind::Rest, None)
            }
            (Some(work), None) => (Kind::Work, Some(work)),
            (None, Some(end)) => (Kind::End, Some(end)),
            (None, None) => (Kind::Rest, None),
        };
        let state = &mut self.machine.states[state];
        (state.kind, state.kind_span) = (kind, span);
    }

    fn on(&mut self, on: &On) -> Option<Resolved> {
        let event = self.event(on);
        let mut to = Vec::new();
        let mut known = true;
        for target in &on.targets {
            match self.state(target) {
                Some(state) if to.contains(&state) => {
                    self.errors.at(target, format!("`{}` is named twice: leave one", plain(target)));
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
            let message = format!("event names are in snake case, as the methods that they become: `{}`", snake(&name));
            self.errors.at(&on.event, message);
            self.machine.whole = false;
            return None;
        }
        let known = self.machine.events.iter().position(|event| event.name == name);
        let index = if let Some(index) = known {
            index
        } else {
            let Some(ty) = names::ident(&names::pascal(&name), on.event.span()) else {
                let message = format!("`{name}` cannot become a type: name the event otherwise");
                self.errors.at(&on.event, message);
                self.machine.whole = false;
                return None;
            };
            self.machine.events.push(Event { ident: on.event.clone(), ty, name, fields: Vec::new() });
            self.machine.events.len() - 1
        };
        if let Some(payload) = &on.payload {
            self.payload(index, on, payload);
        }
        Some(index)
    }

    fn payload(&mut self, event: usize, on: &On, payload: &[syn::Field]) {
        let event = &mut self.machine.events[event];
        if event.fields.is_empty() {
            event.fields = payload.iter().enumerate().map(field).collect();
        } else {
            let message = format!(
                "the payload of `{}` is written a second time: one event has one payload, which is written where the event \
                 is first declared; here `{} => …` is enough",
                event.name, event.name
            );
            self.errors.at(&on.event, message);
        }
    }

    fn transition(&mut self, from: usize, on: &On, resolved: Option<&Resolved>, wide: bool) {
        let Some(Resolved { event, to }) = resolved else { return };
        let earlier = self.machine.from(from).find(|transition| transition.event == *event);
        if let Some(earlier) = earlier {
            let state = plain(&self.machine.states[from].ident);
            let event = &self.machine.events[*event].name;
            let message = if wide && !earlier.wide {
                format!("`{state}` declares `{event}` itself: add `{state}` to `except(…)` here")
            } else if wide {
                format!(
                    "`{event}` is already declared on the enum for `{state}`: leave one, or add `{state}` to `except(…)`"
                )
            } else {
                format!(
                    "`{state}` declares `{event}` twice: leave one, or name both targets in one, `{event} => A | B`"
                )
            };
            self.errors.at(&on.event, message);
            return;
        }
        self.machine.transitions.push(Transition {
            span: on.span,
            ident: on.event.clone(),
            wide,
            from,
            event: *event,
            to: to.clone(),
            guard: on.guard.clone(),
            with: on.with.clone(),
        });
    }

    fn wide(&mut self, on: &On) {
        let mut except = Vec::new();
        for ident in on.except.iter().flatten() {
            let Some(state) = self.state(ident) else { continue };
            if self.machine.states[state].kind == Kind::End {
                let message =
                    format!("`{}` is an end, which an `#[on(…)]` on the enum leaves out anyway", plain(ident));
                self.errors.at(ident, message);
            } else if except.contains(&state) {
                self.errors.at(ident, format!("`{}` is named twice: leave one", plain(ident)));
            }
            except.push(state);
        }
        let resolved = self.on(on);
        for from in 0..self.machine.states.len() {
            if self.machine.states[from].kind != Kind::End && !except.contains(&from) {
                self.transition(from, on, resolved.as_ref(), true);
            }
        }
    }

    fn timers(&mut self, state: usize, afters: Vec<After>) {
        let mut afters = afters.into_iter();
        let Some(after) = afters.next() else { return };
        for second in afters {
            let message = "a state has one timer: of two, only the earlier could ever fire";
            self.errors.at_span(second.span, message);
        }
        let name = plain(&after.event);
        let accepted: Vec<_> = self.machine.from(state).map(|transition| transition.event).collect();
        let found = accepted.iter().copied().find(|event| self.machine.events[*event].name == name);
        let Some(event) = found else {
            let state = plain(&self.machine.states[state].ident);
            let hint = hint::nearest(&name, accepted.iter().map(|event| self.machine.events[*event].name.as_str()));
            if self.machine.whole {
                let message = format!("`{state}` declares no event `{name}` that its timer could fire{hint}");
                self.errors.at(&after.event, message);
            }
            return;
        };
        self.timer_payload(&after, event);
        self.machine.states[state].timer =
            Some(Timer { span: after.span, delay: after.delay, event, payload: after.payload });
    }

    fn timer_payload(&mut self, after: &After, event: usize) {
        let event = &self.machine.events[event];
        let mut given: Vec<String> = Vec::new();
        for value in &after.payload {
            let Member::Named(name) = &value.member else { continue };
            let plain = plain(name);
            if !event.fields.iter().any(|field| field.name() == plain) {
                let names: Vec<_> = event.fields.iter().map(Field::name).collect();
                let hint = hint::nearest(&plain, names.iter().map(String::as_str));
                self.errors.at(name, format!("the payload of `{}` has no field `{plain}`{hint}", event.name));
            } else if given.contains(&plain) {
                self.errors.at(name, format!("`{plain}` is given twice: leave one"));
            }
            given.push(plain);
        }
        let missing: Vec<_> = event.fields.iter().map(Field::name).filter(|name| !given.contains(name)).collect();
        if !missing.is_empty() {
            let message = format!(
                "the timer fires `{}` without {}: write `{} {{ {}: … }}`",
                event.name,
                hint::list(&missing),
                event.name,
                missing.join(": …, ")
            );
            self.errors.at(&after.event, message);
        }
    }
}

fn state(variant: &Variant) -> State {
    let (shape, fields) = match &variant.fields {
        Fields::Named(fields) => (Shape::Struct, fields.named.iter().enumerate().map(field).collect()),
        Fields::Unnamed(fields) => (Shape::Tuple, fields.unnamed.iter().enumerate().map(field).collect()),
        Fields::Unit => (Shape::Unit, Vec::new()),
    };
    let options = &variant.options;
    State {
        ident: variant.ident.clone(),
        name: options.name.as_ref().map_or_else(|| plain(&variant.ident), syn::LitStr::value),
        doc: doc(&variant.attrs),
        attrs: variant.attrs.clone(),
        kind: Kind::Rest,
        kind_span: None,
        initial: false,
        was: options.was.iter().map(syn::LitStr::value).collect(),
        shape,
        fields,
        timer: None,
    }
}

fn field((index, field): (usize, &syn::Field)) -> Field {
    let member = match &field.ident {
        Some(ident) => Member::Named(ident.clone()),
        None => Member::Unnamed(Index {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            span: syn::spanned::Spanned::span(&field.ty),
        }),
    };
    Field { member, attrs: field.attrs.clone(), ty: field.ty.clone() }
}

/// The text of the doc comments, without the space that `///` leaves before each line.
fn doc(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter(|attr| attr.path().is_ident("doc")).filter_map(|attr| match &attr.meta {
        Meta::NameValue(meta) => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    text.join("\n").trim().to_owned()
}
