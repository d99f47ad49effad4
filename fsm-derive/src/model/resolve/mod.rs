//! Resolves a declaration to a machine. Unknown names are reported and left out.

mod by;
mod fired_event;
mod history;
mod saga;
mod states;
mod transitions;
mod waits;

use syn::{Ident, Type};

use super::{Group, Kind, Machine, Origin, Require, plain, snake_ident};
use crate::{
    each::{each, indices},
    errors::Errors,
    parse::{self, Declaration, StateOptions},
    suggest,
};

/// The name of the generated module: that of `module = …`, or the enum's in snake case. If it equals the enum's own name, that
/// is reported, and `_` is appended.
pub(crate) fn module(declaration: &Declaration, errors: &mut Errors) -> Ident {
    let ident = &declaration.ident;
    let module = declaration.options.module.clone().unwrap_or_else(|| snake_ident(ident));
    if plain(&module) != plain(ident) {
        return module;
    }
    let name = plain(ident);
    let message = format!("the generated module has the same name as the enum, `{name}`: add `#[fsm(module = name)]`");
    errors.at(&module, message);
    Ident::new(&format!("{name}_"), ident.span())
}

/// Resolves a declaration.
pub(crate) fn machine(declaration: Declaration, module: Ident, errors: &mut Errors) -> Machine {
    let Declaration { ident, vis, generics, attrs, options, enum_ons, mut variants, source, complete } = declaration;
    let mut machine = Machine {
        vis,
        generics,
        doc: states::doc(&attrs),
        non_exhaustive: attrs.iter().any(|attr| attr.path().is_ident("non_exhaustive")),
        attrs,
        module,
        krate: options.krate,
        derives: options.derives,
        version: options.version.unwrap_or(1),
        durable: options.durable,
        context: options.context,
        states: each(&variants, &states::state),
        groups: each(&options.groups, &|group| Group { ident: group.ident.clone(), parent: group.parent }),
        events: Vec::new(),
        transitions: Vec::new(),
        requires: Vec::new(),
        saga: None,
        source,
        complete,
        ident,
    };
    let names = each(&machine.states, &|state| plain(&state.ident));
    let mut resolve = Resolver { machine: &mut machine, names, errors };
    resolve.initial(&options.initial, options.has_initial);
    for (state, variant) in variants.iter().enumerate() {
        resolve.kind(state, &variant.options);
        resolve.group(state, &variant.options);
    }
    resolve.saga(options.saga);
    for (state, variant) in variants.iter_mut().enumerate() {
        resolve.step(state, &mut variant.options);
    }
    resolve.history_fields();
    for (from, variant) in variants.iter().enumerate() {
        for on in &variant.ons {
            resolve.state_transition(from, on);
        }
    }
    // Inner declarations override outer ones, so they are resolved first.
    let depth = |group: usize| std::iter::successors(Some(group), |group| options.groups[*group].parent).count();
    let depths: Vec<_> = (0..options.groups.len()).map(depth).collect();
    let deepest = depths.iter().max().copied().unwrap_or_default();
    for depth in (1..=deepest).rev() {
        for group in indices(depths.len(), &|group| depths[group] == depth) {
            for on in &options.groups[group].ons {
                resolve.shared_transition(on, Origin::Group(group));
            }
        }
    }
    for on in &enum_ons {
        resolve.shared_transition(on, Origin::Enum);
    }
    for (state, variant) in variants.into_iter().enumerate() {
        resolve.timers(state, variant.afters);
        resolve.exhausted(state, variant.options.exhausted);
        resolve.checkpoint(state, variant.options.checkpoint);
        resolve.waits(state, variant.options.waits);
    }
    resolve.rewinds();
    resolve.ways_back();
    resolve.requires(options.requires);
    machine
}

/// The message for an option that only `work` states have.
fn requires_work(option: &str, state: &str) -> String {
    format!("`{option}` requires a `work` state, but `{state}` is not one: add `work`, or remove `{option}`")
}

struct Resolver<'a> {
    machine: &'a mut Machine,
    /// The names of the states.
    names: Vec<String>,
    errors: &'a mut Errors,
}

impl Resolver<'_> {
    fn state(&mut self, ident: &Ident) -> Option<usize> {
        let name = plain(ident);
        let found = self.names.iter().position(|state| *state == name);
        if found.is_none() {
            self.machine.complete = false;
            let group = self.machine.groups.iter().position(|group| plain(&group.ident) == name);
            let message = if let Some(group) = group {
                let members = each(&self.machine.members(group), &|state| plain(&self.machine.states[*state].ident));
                let members = suggest::join(members, "or");
                format!("`{name}` is a superstate, not a state: write one of its states, {members}")
            } else {
                let hint = suggest::nearest(&name, self.names.iter().map(String::as_str));
                format!("unknown state `{name}` in `{}`{hint}", self.machine.name())
            };
            self.errors.at(ident, message);
        }
        found
    }

    fn initial(&mut self, initial: &[Ident], given: bool) {
        self.machine.complete &= !initial.is_empty();
        if !given {
            let first = self.machine.states.first().map(|state| plain(&state.ident)).unwrap_or_default();
            let message = format!("missing `initial`: add `#[fsm(initial = {first})]`");
            self.errors.at(&self.machine.ident, message);
        }
        for ident in initial {
            if let Some(state) = self.state(ident) {
                if self.machine.states[state].initial {
                    self.errors.at(ident, format!("`{}` is listed twice: remove one", plain(ident)));
                }
                self.machine.states[state].initial = true;
            }
        }
    }

    fn kind(&mut self, state: usize, options: &StateOptions) {
        let kind = match (options.work, options.end) {
            (Some(_), Some(end)) => {
                let message = "a state cannot be both `work` and `end`: remove one";
                self.errors.at_span(end, message);
                Kind::Rest
            }
            (Some(_), None) => Kind::Work,
            (None, Some(_)) => Kind::End,
            (None, None) => Kind::Rest,
        };
        if let Some(remove) = options.remove.filter(|_| options.end.is_none()) {
            self.errors.at_span(remove, "`remove` requires an end state: write `#[state(end, remove)]`");
        }
        let state = &mut self.machine.states[state];
        (state.kind, state.remove) = (kind, options.remove.is_some());
    }

    fn group(&mut self, state: usize, options: &StateOptions) {
        let Some(ident) = &options.group else { return };
        let name = plain(ident);
        let found = self.machine.groups.iter().position(|group| plain(&group.ident) == name);
        if found.is_none() {
            self.unknown_superstate(ident);
        }
        self.machine.states[state].group = found;
    }

    fn unknown_superstate(&mut self, ident: &Ident) {
        let name = plain(ident);
        self.machine.complete = false;
        let names = each(&self.machine.groups, &|group| plain(&group.ident));
        let hint = if names.is_empty() {
            format!(": declare it, `#[fsm(group({name}))]`")
        } else {
            suggest::nearest(&name, names.iter().map(String::as_str))
        };
        self.errors.at(ident, format!("unknown superstate `{name}` in `{}`{hint}", self.machine.name()));
    }

    fn exhausted(&mut self, state: usize, exhausted: Option<parse::FiredEvent>) {
        let Some(exhausted) = exhausted else { return };
        if self.machine.states[state].kind != Kind::Work {
            let name = plain(&self.machine.states[state].ident);
            let message = requires_work("exhausted", &name);
            self.errors.at(&exhausted.event, message);
            self.machine.states[state].unresolved = true;
        }
        self.machine.states[state].exhausted = self.fires(state, exhausted, "`exhausted`");
    }

    fn checkpoint(&mut self, state: usize, checkpoint: Option<Type>) {
        if let Some(checkpoint) = &checkpoint
            && self.machine.states[state].kind != Kind::Work
        {
            let name = plain(&self.machine.states[state].ident);
            let message = requires_work("checkpoint", &name);
            self.errors.at(checkpoint, message);
        }
        self.machine.states[state].checkpoint = checkpoint;
    }

    /// A property of an unknown state is reported and left out. The rest of the graph can still be checked.
    fn requires(&mut self, requires: Vec<parse::Require>) {
        let complete = self.machine.complete;
        for parse::Require { property, first, second } in requires {
            if let (Some(from), Some(to)) = (self.state(&first), self.state(&second)) {
                self.machine.requires.push(Require { property, from, to, first, second });
            }
        }
        self.machine.complete = complete;
    }
}
