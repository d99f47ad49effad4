//! Resolves `history(Superstate)`, and the fields that hold a history.

use syn::{Ident, Type, TypePath};

use super::Resolver;
use crate::{
    each::each,
    model::{History, plain},
    parse::{self, On},
    suggest,
};

impl Resolver<'_> {
    /// Finds the fields that hold the history of a superstate: their type is `module::history::Superstate`.
    pub(super) fn history_fields(&mut self) {
        let module = plain(&self.machine.module);
        for state in 0..self.machine.states.len() {
            for field in 0..self.machine.states[state].fields.len() {
                let Some((owner, superstate)) = written(&self.machine.states[state].fields[field].ty) else { continue };
                let superstate = superstate.clone();
                let found = self.superstate(&superstate);
                let history = match owner {
                    Some(owner) if owner != module => None,
                    // It may be a type of the user's.
                    None => found,
                    Some(_) => found.or_else(|| self.misspelled(&superstate)),
                };
                self.machine.states[state].fields[field].history = history;
            }
        }
    }

    /// Resolves the target `history(Superstate)`. Returns `None` if there is no such superstate.
    pub(super) fn history(&mut self, on: &On, history: &parse::History) -> Option<History> {
        let parse::History { span, group: ident, deep } = history;
        let name = plain(ident);
        let Some(group) = self.superstate(ident) else {
            let state = self.machine.states.iter().position(|state| plain(&state.ident) == name);
            match state.map(|state| self.machine.states[state].group) {
                None => self.unknown_superstate(ident),
                Some(group) => {
                    let instead = match group.map(|group| plain(&self.machine.groups[group].ident)) {
                        Some(group) => format!("write `history({group})`, or the target `{name}`"),
                        None => format!("write the target `{name}`"),
                    };
                    let message = format!("`history(…)` takes a superstate, but `{name}` is a state: {instead}");
                    self.errors.at(ident, message);
                    self.machine.complete = false;
                }
            }
            return None;
        };
        if let Some(inner) = self.machine.groups.iter().find(|inner| inner.parent == Some(group))
            && !deep
        {
            let inner = plain(&inner.ident);
            let message = format!(
                "`history({name})` cannot be shallow, because `{name}` contains the superstate `{inner}`: write `history({name}, deep)`"
            );
            self.errors.at(ident, message);
        }
        if let Some(with) = &on.with {
            let message = format!(
                "`with` cannot be combined with `history(…)`, which leads to the state that was left, as it was: remove `with`, or \
                 list the states instead of `history({name})`, and take the history from its field"
            );
            self.errors.at(with, message);
        }
        Some(History { span: *span, group, deep: *deep })
    }

    /// Reports an unknown superstate, and takes it for the one that it resembles, so that it causes no further errors.
    fn misspelled(&mut self, ident: &Ident) -> Option<usize> {
        self.unknown_superstate(ident);
        let names = each(&self.machine.groups, &|group| plain(&group.ident));
        let near = suggest::near(&plain(ident), names.iter().map(String::as_str));
        names.iter().position(|name| near.is_none_or(|near| near == name))
    }

    fn superstate(&self, ident: &Ident) -> Option<usize> {
        let name = plain(ident);
        self.machine.groups.iter().position(|group| plain(&group.ident) == name)
    }
}

/// The module before `history`, if it is written, and the superstate after it.
fn written(ty: &Type) -> Option<(Option<String>, &Ident)> {
    let Type::Path(TypePath { qself: None, path, .. }) = ty else { return None };
    let mut segments = path.segments.iter().rev().map(|segment| &segment.ident);
    let superstate = segments.next()?;
    (segments.next()? == "history").then(|| (segments.next().map(plain), superstate))
}
