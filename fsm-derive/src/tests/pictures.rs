//! The pictures of machines of four, nine and thirty states, as files that one can look at; `FSM_UPDATE=1` writes them.

use quote::quote;
use syn::{DeriveInput, Item};

use crate::{errors::Errors, model, parse, picture::picture};

fn machine(input: DeriveInput) -> model::Machine {
    let mut errors = Errors::default();
    let declaration = parse::declaration(input, &mut errors);
    let module = model::module(&declaration);
    let machine = model::machine(declaration, module, &mut errors);
    assert!(errors.is_empty(), "{}", errors.to_tokens());
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
