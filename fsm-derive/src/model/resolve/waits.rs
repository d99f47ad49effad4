//! Resolves what a state waits for. The other machine is another declaration: rustc checks its states.

use std::collections::HashSet;

use syn::Member;

use super::Resolver;
use crate::{
    each::each,
    model::{Field, Kind, Wait, plain},
    parse, suggest,
};

impl Resolver<'_> {
    pub(super) fn waits(&mut self, state: usize, waits: Vec<parse::Wait>) {
        for wait in waits {
            if self.machine.states[state].kind == Kind::End {
                let name = plain(&self.machine.states[state].ident);
                let message = format!(
                    "end state `{name}` cannot wait, since it accepts no events: remove `waits`, or remove `end` and add \
                     `#[on({} => Target)]`",
                    wait.fires.event
                );
                self.errors.at(&wait.field, message);
                self.machine.states[state].unresolved = true;
                continue;
            }
            let mut seen = HashSet::new();
            for twice in wait.states.iter().chain(&wait.missing).filter(|state| !seen.insert(plain(state))) {
                self.errors.at(twice, format!("`{}` is listed twice: remove one", plain(twice)));
            }
            let parse::Wait { field: at, quantity, machine, states, missing, fires } = wait;
            let (field, fires) = (self.awaited_field(state, &at), self.fires(state, fires, "`waits`"));
            if let (Some(field), Some(fires)) = (field, fires) {
                let missing = !missing.is_empty();
                self.machine.states[state].waits.push(Wait { field, at, quantity, machine, states, missing, fires });
            }
        }
    }

    /// The position of the field with the ids.
    fn awaited_field(&mut self, state: usize, field: &Member) -> Option<usize> {
        let name = match field {
            Member::Named(name) => plain(name),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let state = &mut self.machine.states[state];
        let found = state.fields.iter().position(|field| field.name() == name);
        if found.is_none() {
            state.unresolved = true;
            let names = each(&state.fields, &Field::name);
            let variant = plain(&state.ident);
            let hint = if names.is_empty() {
                format!(": add it to the variant, `{variant} {{ {name}: String }}`")
            } else {
                suggest::nearest(&name, names.iter().map(String::as_str))
            };
            self.errors.at(field, format!("`{variant}` has no field `{name}` with the id to wait for{hint}"));
        }
        found
    }
}
