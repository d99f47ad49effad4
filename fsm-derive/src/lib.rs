//! The derive macro of `fsm-core` and `fsm-runtime`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod check;
mod errors;
mod expand;
mod hint;
mod model;
mod parse;
mod text;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use errors::Errors;

/// Makes a state machine of an enum.
#[proc_macro_derive(StateMachine, attributes(fsm, state, on, after))]
pub fn state_machine(input: TokenStream) -> TokenStream {
    derive(parse_macro_input!(input as DeriveInput)).into()
}

/// parse → model → check → expand; errors of all phases are reported together.
fn derive(input: DeriveInput) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let declaration = parse::declaration(input, &mut errors);
    let module = model::module(&declaration);
    let broken = expand::broken(&declaration, &module);
    if declaration.variants.is_empty() {
        return broken.expand(&errors);
    }
    let machine = model::machine(declaration, module, &mut errors);
    check::check(&machine, &mut errors);
    if errors.is_empty() {
        expand::expand(&machine)
    } else {
        broken.expand(&errors)
    }
}
