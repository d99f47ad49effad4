//! Prints the code that is generated for a machine: one module beside the enum.

mod any;
mod apply;
mod attributes;
mod by_name;
mod carry;
mod choice;
mod docs;
mod durable;
mod dynamic;
mod events;
mod fallback;
mod graph;
mod history;
mod hygiene;
mod machine;
mod names;
mod saga;
mod serde;
mod states;
mod timers;
mod transitions;
mod user_code;
mod waits;

use proc_macro2::TokenStream;
use quote::quote;

use crate::{model::Machine, normalize::Cx};

pub(crate) use fallback::fallback;

/// The generated module.
pub(crate) fn expand(cx: &Cx<'_>) -> TokenStream {
    let machine = cx.machine;
    let Machine { vis, module, .. } = machine;
    let ident = &machine.ident;
    let import = cx.imports_enum.then(|| quote!(use super::#ident;));
    // Before the module's own, which generated code needs.
    let lints = attributes::lints(&machine.attrs, &["allow", "expect", "warn", "deny"]);
    let (doc, variables) = (docs::module(cx), hygiene::imports(cx));
    let parts = [
        user_code::expand(cx),
        states::expand(cx),
        events::expand(cx),
        choice::expand(cx),
        history::expand(cx),
        machine::expand(cx),
        any::expand(cx),
        timers::expand(cx),
        transitions::expand(cx),
        graph::expand(cx),
        dynamic::expand(cx),
        by_name::expand(cx),
        serde::expand(cx),
        durable::expand(cx),
    ];
    quote! {
        #doc
        #lints
        #[allow(
            dead_code,
            deprecated,
            explicit_outlives_requirements,
            non_camel_case_types,
            unreachable_pub,
            unused_qualifications,
            rustdoc::broken_intra_doc_links,
            rustdoc::private_intra_doc_links,
            clippy::elidable_lifetime_names,
            clippy::enum_variant_names,
            clippy::large_enum_variant,
            clippy::multiple_bound_locations,
            clippy::needless_pass_by_value,
            clippy::result_large_err,
            clippy::should_implement_trait,
            clippy::struct_excessive_bools,
            clippy::struct_field_names,
            clippy::too_many_arguments,
            clippy::type_complexity,
            clippy::wrong_self_convention,
        )]
        #vis mod #module {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::*;
            #import
            #variables

            #(#parts)*
        }
    }
}
