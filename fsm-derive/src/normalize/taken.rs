//! The names of generated items. A type of the user's with such a name needs an alias in the generated module.

use std::collections::HashSet;

use quote::ToTokens;

use crate::{
    check::{DURABLE_TYPES, HIDDEN, HISTORY, TYPES},
    idents::mentions,
    model::{Machine, plain},
};

/// The names of generated items.
pub(super) struct Taken {
    /// At the top of the module.
    module: HashSet<String>,
    /// In its `event` module.
    events: HashSet<String>,
}

impl Taken {
    pub(super) fn new(machine: &Machine) -> Self {
        let (mut module, mut events) = (HashSet::new(), HashSet::new());
        for name in TYPES {
            module.insert(name.to_owned());
        }
        if machine.durable.is_some() {
            for name in DURABLE_TYPES {
                module.insert(name.to_owned());
            }
        }
        if !machine.histories().is_empty() {
            module.insert(HISTORY.to_owned());
        }
        module.insert(machine.name());
        for state in &machine.states {
            module.insert(plain(&state.ty));
        }
        for event in &machine.events {
            events.insert(plain(&event.ty));
        }
        Self { module, events }
    }

    /// Whether a path in `ty` begins with the name of an item at the top of the module.
    pub(super) fn in_module(&self, ty: &dyn ToTokens) -> bool {
        mentions(ty, &|name| self.is_in_module(without_raw(name)))
    }

    /// Whether it begins with the name of one there or in the `event` module.
    pub(super) fn in_events(&self, ty: &dyn ToTokens) -> bool {
        mentions(ty, &|name| self.is_in_module(without_raw(name)) || self.events.contains(without_raw(name)))
    }

    fn is_in_module(&self, name: &str) -> bool {
        self.module.contains(name) || name.starts_with(HIDDEN)
    }
}

fn without_raw(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// Whether the module imports the enum by its name. A single import gives a single error if rustc cannot find the enum, as in the body of
/// a function.
pub(super) fn imports_enum(machine: &Machine) -> bool {
    let name = machine.name();
    let generated =
        TYPES.contains(&name.as_str()) || DURABLE_TYPES.contains(&name.as_str()) || name.starts_with(HIDDEN);
    !generated && machine.states.iter().all(|state| plain(&state.ty) != name)
}
