//! Snapshots of the diagrams of machines with four, nine and thirty states. `FSM_UPDATE=1` rewrites them.

use quote::quote;
use syn::{DeriveInput, Item};

use crate::{diagram::diagram, errors::Errors, model, parse};

fn machine(input: DeriveInput) -> model::Machine {
    let mut errors = Errors::default();
    let declaration = parse::declaration(input, &mut errors);
    let module = model::module(&declaration, &mut errors);
    let machine = model::machine(declaration, module, &mut errors);
    errors.finish().expect("it is right");
    machine
}

/// The first enum of a file.
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
fn diagrams_match_their_snapshots() {
    let server = include_str!("../../../examples/src/bin/servers/machine.rs");
    let order = include_str!("../../../fsm-core/tests/large.rs");
    for (name, input) in [("text", text()), ("server", declared(server)), ("order", declared(order))] {
        let diagram = diagram(&machine(input)).expect("the machine is small enough");
        super::snapshots::assert_snapshot(&format!("{name}.svg"), &diagram);
    }
}

/// A ring of `states`, each with `extra` transitions across it.
fn ring(states: usize, extra: usize) -> model::Machine {
    let name = |state: usize| quote::format_ident!("S{}", state % states);
    let variants = (0..states).map(|state| {
        let ons = (1..=1 + extra).map(|step| {
            let (event, to) = (quote::format_ident!("go_{state}_{step}"), name(state + step));
            quote!(#[on(#event => #to)])
        });
        let name = name(state);
        quote!(#(#ons)* #name)
    });
    machine(syn::parse_quote!(#[fsm(initial = S0)] enum Ring { #(#variants),* }))
}

#[test]
fn large_machines_have_no_diagram() {
    assert!(diagram(&ring(60, 0)).is_some());
    assert!(diagram(&ring(61, 0)).is_none());
    assert!(diagram(&ring(40, 4)).is_some(), "it has 200 arrows");
    assert!(diagram(&ring(40, 5)).is_none(), "it has 240 arrows");
}
