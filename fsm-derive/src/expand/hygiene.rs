//! Keeps the variables of generated code apart from the items in the user's scope.
//!
//! The generated module imports the user's scope with a glob, and Rust reads a variable that has the name of a constant or of a unit
//! struct as a pattern. An import by name takes precedence over a glob, and a variable may have the name of a function. So the
//! module imports a function under the name of each of its variables.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Ident, Member};

use crate::{model::Field, normalize::Cx};

/// The variables of generated code, apart from the fields of states and payloads.
const VARIABLES: [&str; 28] = [
    "after", "asked", "birth", "context", "data", "error", "event", "f", "initial", "key", "kind", "lease", "machine",
    "meta", "name", "next", "other", "payload", "raw", "reason", "record", "refused", "seal", "state", "target",
    "task", "value", "workers",
];

/// The imports.
pub(super) fn imports(cx: &Cx<'_>) -> TokenStream {
    let core = &cx.core;
    let machine = cx.machine;
    let fields = machine.states.iter().flat_map(|state| &state.fields);
    let payloads = machine.events.iter().flat_map(|event| &event.fields);
    let names: BTreeSet<Ident> = fields.chain(payloads).map(variable).chain(VARIABLES.map(fixed)).collect();
    // The value of a unit-like struct of the module has its name already.
    let names = names.into_iter().filter(|name| !machine.states.iter().any(|state| state.ty == *name));
    quote! {
        #[allow(unused_imports)]
        use #core::__private::{#(variable as #names),*};
    }
}

fn fixed(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// The variable that holds a field.
fn variable(field: &Field) -> Ident {
    match &field.member {
        Member::Named(ident) => {
            let mut ident = ident.clone();
            ident.set_span(Span::call_site());
            ident
        }
        Member::Unnamed(index) => fixed(&format!("field_{}", index.index)),
    }
}
