//! A panic in a phase is one error, beside the stubs that keep uses of the machine free of others.

use quote::quote;

use super::graphs::expansion::errors;

fn input() -> syn::DeriveInput {
    syn::parse_quote! {
        #[fsm(initial = Off)]
        enum Lamp {
            #[on(flip => On)]
            Off,
            #[on(flip => Off)]
            On,
        }
    }
}

#[test]
fn a_panic_asks_for_a_report_and_keeps_the_stubs() {
    let expansion = crate::derive_with(input(), |_, _, _| panic!("no {}", "luck"));
    let found = errors(expansion.clone());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("a bug in the derive: please report it") && found[0].ends_with(": no luck"), "{found:?}");
    let file: syn::File = syn::parse2(expansion).expect("it is Rust");
    let module = file.items.iter().any(|item| matches!(item, syn::Item::Mod(module) if module.ident == "lamp"));
    assert!(module, "uses of `lamp::Machine` find a module");
}

#[test]
fn errors_before_a_panic_are_reported_too() {
    let expansion = crate::derive_with(input(), |_, _, errors| {
        errors.at(quote!(Off), "wrong");
        std::panic::panic_any(7)
    });
    let found = errors(expansion);
    assert_eq!(found[0], "wrong");
    assert!(found[1].ends_with("the panic has no message"), "{found:?}");
}
