//! The pictures of machines of four, nine and thirty states, as files that one can look at; `FSM_UPDATE=1` writes them.

use quote::quote;
use syn::{DeriveInput, Item};

use crate::{errors::Errors, model, parse, picture::picture};

fn machine(input: DeriveInput) -> model::Machine {
    let mut errors = Errors::default();
    let declaration = parse::declaration(input, &mut errors);
    let module = model::module(&declaration, &mut errors);
    let machine = model::machine(declaration, module, &mut errors);
    errors.finish().expect("it is right");
    machine
}

/// The one enum of a file.
fn declared(file: &str) -> DeriveInput {
    let file = syn::parse_file(file).expect("it is Rust");
    let item = file.items.into_iter().find(|item| matches!(item, Item::Enum(_)));
    syn::parse2(quote!(#item)).expect("it is an enum")
}

fn text() -> DeriveInput {
    syn::parse_quote! {
        #[fsm(initial = Draft)]
        #[on(withdraw => Withdrawn)]
        enum Text {
            /// Being <written> & "corrected".
            #[on(submit => Review, guard = has_title)]
            #[on(edit => Draft)]
            Draft,
            #[on(decide => Published | Draft, with = decide)]
            #[after("14d", withdraw)]
            Review,
            #[state(end)]
            Published,
            #[state(end, name = "WITH\"DRAWN")]
            Withdrawn,
        }
    }
}

#[test]
fn they_are_as_they_were_looked_at() {
    let server = include_str!("../../../examples/src/bin/servers/machine.rs");
    let order = include_str!("../../../fsm-core/tests/large.rs");
    for (name, input) in [("text", text()), ("server", declared(server)), ("order", declared(order))] {
        let picture = picture(&machine(input)).expect("there are few enough states");
        super::snapshots::held(&format!("{name}.svg"), &picture);
    }
}

/// `states` in a ring, each with `more` ways across it.
fn ring(states: usize, more: usize) -> model::Machine {
    let name = |state: usize| quote::format_ident!("S{}", state % states);
    let variants = (0..states).map(|state| {
        let ons = (1..=1 + more).map(|step| {
            let (event, to) = (quote::format_ident!("go_{state}_{step}"), name(state + step));
            quote!(#[on(#event => #to)])
        });
        let name = name(state);
        quote!(#(#ons)* #name)
    });
    machine(syn::parse_quote!(#[fsm(initial = S0)] enum Ring { #(#variants),* }))
}

#[test]
fn a_thicket_is_not_drawn() {
    assert!(picture(&ring(60, 0)).is_some());
    assert!(picture(&ring(61, 0)).is_none());
    assert!(picture(&ring(40, 4)).is_some(), "it has 200 arrows");
    assert!(picture(&ring(40, 5)).is_none(), "it has 240");
}
