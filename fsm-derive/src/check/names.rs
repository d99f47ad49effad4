//! Checks that no declared name clashes with a generated one or with another declared name.

use std::collections::HashMap;

use quote::ToTokens;
use syn::GenericParam;

use crate::{
    errors::Errors,
    idents::{mentions, mentions_lifetime},
    model::{Kind, Machine, pascal, plain, snake_ident},
    text,
};

/// The public types and modules of every generated module.
pub(crate) const TYPES: [&str; 7] = ["Any", "Event", "EventKind", "Machine", "State", "choice", "event"];
/// The public types that `durable` adds.
pub(crate) const DURABLE_TYPES: [&str; 4] = ["AnyRecord", "Record", "Task", "Workers"];
/// The module that a history adds.
pub(crate) const HISTORY: &str = "history";
/// The prefix of names that are reserved for generated code.
pub(crate) const HIDDEN: &str = "__";
/// Primitive types that generated code uses, and that a state's type of the same name would hide.
const PRIMITIVES: [&str; 4] = ["bool", "str", "u64", "usize"];

/// Methods of every generated `Machine`.
pub(crate) const METHODS: [&str; 6] = ["data", "fire", "into_data", "new", "state", "would_accept"];
/// Methods that a context adds to `Machine`.
pub(crate) const CONTEXT_METHODS: [&str; 3] = ["context", "context_mut", "into_parts"];
/// Methods of `Record` and `Task`, except those of `Machine`. Methods that are reached by deref do not clash.
pub(crate) const DURABLE_METHODS: [&str; 2] = ["requeue_after", "with_key"];

/// What has each name.
type Owners = HashMap<String, String>;

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let durable = machine.durable.is_some();
    state_types(machine, errors);
    event_methods(machine, errors);
    generics(machine, errors);
    groups(machine, errors);
    stored_names(machine, errors);
    event_types(machine, errors);
    if durable {
        worker_methods(machine, errors);
    }
    choices(machine, errors);
}

/// Whether the generated module has a public item of this name, apart from the states.
fn is_generated(machine: &Machine, name: &str) -> bool {
    let history = || name == HISTORY && !machine.histories().is_empty();
    TYPES.contains(&name) || machine.durable.is_some() && DURABLE_TYPES.contains(&name) || history()
}

fn state_types(machine: &Machine, errors: &mut Errors) {
    let mut owners = Owners::new();
    for state in &machine.states {
        let name = plain(&state.ty);
        let what = if is_generated(machine, &name) {
            format!("`{}::{name}` is generated for every machine", plain(&machine.module))
        } else if PRIMITIVES.contains(&name.as_str()) {
            format!("`{name}` is a type of Rust")
        } else if name.starts_with(HIDDEN) {
            format!("names that begin with `{HIDDEN}` are reserved for generated code")
        } else if let Some(other) = owners.insert(name.clone(), plain(&state.ident)) {
            format!("`{other}` already has the type `{name}`")
        } else {
            continue;
        };
        let message = format!(
            "{what}: give the type of `{}` another name, `#[state(type = {}State)]`; the variant and the stored name do not change",
            plain(&state.ident),
            pascal(&plain(&state.ident))
        );
        errors.at(&state.ty, message);
    }
}

fn event_methods(machine: &Machine, errors: &mut Errors) {
    let durable = machine.durable.is_some();
    let mut owners = Owners::new();
    for event in &machine.events {
        let ident = event.method.as_ref().unwrap_or(&event.ident);
        let method = plain(ident);
        let what = if METHODS.contains(&method.as_str()) {
            format!("`{method}` is a method of every machine")
        } else if machine.context.is_some() && CONTEXT_METHODS.contains(&method.as_str()) {
            format!("`{method}` is a method of every machine with a context")
        } else if durable && DURABLE_METHODS.contains(&method.as_str()) {
            format!("`{method}` is a method of every record or task")
        } else if let Some(other) = owners.insert(method, event.name.clone()) {
            format!("the event `{other}` already has this method")
        } else {
            continue;
        };
        let name = &event.name;
        let message = format!(
            "{what}: give the method of this event another name, `#[on({name} => …, method = do_{name})]`; its type and its \
             stored name do not change"
        );
        errors.at(ident, message);
    }
}

fn generics(machine: &Machine, errors: &mut Errors) {
    for param in &machine.generics.params {
        let ident = match param {
            GenericParam::Type(param) => &param.ident,
            GenericParam::Const(param) => &param.ident,
            GenericParam::Lifetime(_) => continue,
        };
        let name = plain(ident);
        if is_generated(machine, &name)
            || name.starts_with(HIDDEN)
            || machine.states.iter().any(|state| plain(&state.ty) == name)
        {
            let message =
                format!("`{}::{name}` is a generated item: choose another name for this parameter", machine.module);
            errors.at(ident, message);
        }
    }
    if machine.durable.is_none() {
        unused(machine, errors);
    }
}

/// rustc rejects a type or lifetime parameter that no variant uses, and would report further errors in the generated code.
fn unused(machine: &Machine, errors: &mut Errors) {
    let fields = machine.state_fields();
    for param in &machine.generics.params {
        let (kind, unused, shown) = match param {
            GenericParam::Lifetime(param) => {
                let name = param.lifetime.ident.to_string();
                let used = fields.iter().any(|field| mentions_lifetime(&field.ty, &name));
                ("lifetime", !used, &param.lifetime as &dyn ToTokens)
            }
            GenericParam::Type(param) => {
                let used = fields.iter().any(|field| mentions(&field.ty, &|word| param.ident == word));
                ("type", !used, &param.ident as &dyn ToTokens)
            }
            GenericParam::Const(_) => continue,
        };
        if unused {
            let message = format!(
                "{kind} parameter `{}` is not used by any state: use it in a field, or remove it",
                text::of(&shown)
            );
            errors.at(shown, message);
        }
    }
}

fn groups(machine: &Machine, errors: &mut Errors) {
    for (index, group) in machine.groups.iter().enumerate() {
        let name = plain(&group.ident);
        if machine.states.iter().any(|state| state.name == name || plain(&state.ident) == name) {
            errors.at(&group.ident, format!("`{name}` is also the name of a state: rename the superstate"));
        } else if machine.members(index).is_empty() {
            let message =
                format!("superstate `{name}` has no states: add `#[state(in = {name})]` to one, or remove it");
            errors.at(&group.ident, message);
        }
    }
}

fn stored_names(machine: &Machine, errors: &mut Errors) {
    let mut owners = Owners::new();
    for state in &machine.states {
        if let Some(other) = owners.insert(state.name.clone(), plain(&state.ident)) {
            let message = format!(
                "stored name \"{}\" is already used by `{other}`: choose another with `#[state(name = \"…\")]`",
                state.name
            );
            errors.at(&state.ident, message);
        }
    }
    for state in &machine.states {
        for was in &state.was {
            if let Some(other) = owners.insert(was.clone(), plain(&state.ident)) {
                let message = format!(
                    "former name \"{was}\" of `{}` is already used by `{other}`: remove this `was`",
                    plain(&state.ident)
                );
                errors.at(&state.ident, message);
            }
        }
    }
}

fn event_types(machine: &Machine, errors: &mut Errors) {
    let mut owners = Owners::new();
    for event in &machine.events {
        if let Some(other) = owners.insert(event.ty.to_string(), event.name.clone()) {
            let message =
                format!("events `{}` and `{other}` generate the same type `{}`: rename one", event.name, event.ty);
            errors.at(&event.ident, message);
        }
    }
}

fn worker_methods(machine: &Machine, errors: &mut Errors) {
    let mut owners = Owners::new();
    for state in machine.states.iter().filter(|state| state.kind == Kind::Work) {
        let method = snake_ident(&state.ident);
        if let Some(other) = owners.insert(method.to_string(), state.ident.to_string()) {
            let message = format!(
                "`work` states `{}` and `{other}` generate the same method `{method}`: rename one",
                state.ident
            );
            errors.at(&state.ident, message);
        }
    }
}

fn choices(machine: &Machine, errors: &mut Errors) {
    let mut owners = Owners::new();
    for transition in machine.choices() {
        let (state, event) = (&machine.states[transition.from].ident, &machine.events[transition.event]);
        let (choice, owner) = (machine.choice(transition), format!("`{}` in `{state}`", event.name));
        if let Some(other) = owners.insert(choice.to_string(), owner.clone()) {
            let message = format!("{owner} and {other} generate the same choice type `{choice}`: rename one");
            errors.at(&transition.ident, message);
        }
    }
}
