//! Compares the lists of reserved names with the generated items.

use std::collections::BTreeSet;

use quote::ToTokens as _;
use syn::{DeriveInput, ImplItem, Item};

use crate::check::{CONTEXT_METHODS, DURABLE_METHODS, DURABLE_TYPES, HIDDEN, METHODS, TYPES};

/// The items of the generated module. `Apart` has a transition with several targets and a guard, so that all kinds of items are
/// generated.
fn generated() -> Vec<Item> {
    let input: DeriveInput = syn::parse_quote! {
        #[fsm(initial = First, durable, context = u8, derive(Serialize, Deserialize))]
        enum Apart {
            #[state(work, checkpoint = u8)]
            #[on(first_event => First | Second, with = path, guard = path)]
            First,
            #[on(first_event => First)]
            Second,
        }
    };
    let file: syn::File = syn::parse2(crate::derive(input)).expect("it is Rust");
    let module =
        file.items.into_iter().find_map(|item| if let Item::Mod(module) = item { module.content } else { None });
    module.expect("a module is generated").1
}

fn set<'n>(names: impl IntoIterator<Item = &'n &'n str>) -> BTreeSet<String> {
    names.into_iter().map(ToString::to_string).collect()
}

/// The methods that do not fire an event.
fn methods(items: &[Item], types: &[&str]) -> BTreeSet<String> {
    let impls = items.iter().filter_map(|item| match item {
        Item::Impl(item) if item.trait_.is_none() => Some(item),
        _ => None,
    });
    let own = impls.filter(|item| match &*item.self_ty {
        syn::Type::Path(path) => path.path.segments.last().is_some_and(|last| types.iter().any(|ty| last.ident == ty)),
        _ => false,
    });
    let functions = own.flat_map(|item| &item.items).filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function.sig.ident.to_string()),
        _ => None,
    });
    functions.filter(|name| name != "first_event").collect()
}

#[test]
fn reserved_events_are_the_generated_methods() {
    let items = generated();
    assert_eq!(methods(&items, &["Machine"]), set(METHODS.iter().chain(&CONTEXT_METHODS)));
    let both = &methods(&items, &["Record", "Task"]) - &set(&METHODS);
    assert_eq!(both, set(&DURABLE_METHODS));
}

#[test]
fn reserved_states_are_the_generated_items() {
    let items = generated();
    let named = items.iter().filter_map(|item| match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Mod(item) => Some(&item.ident),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        _ => None,
    });
    let named: BTreeSet<_> =
        named.map(ToString::to_string).filter(|name| name != "First" && name != "Second").collect();
    let imported = items.iter().filter_map(|item| match item {
        // The imports in braces are the variables, see `expand/hygiene.rs`.
        Item::Use(item) if !item.tree.to_token_stream().to_string().ends_with('}') => {
            item.tree.to_token_stream().to_string().rsplit(' ').next().map(ToOwned::to_owned)
        }
        _ => None,
    });
    let imported: BTreeSet<_> = imported.filter(|name| name != "*" && name != "Apart").collect();
    let generated: BTreeSet<_> = named.union(&imported).filter(|name| !name.starts_with(HIDDEN)).cloned().collect();
    assert_eq!(generated, set(TYPES.iter().chain(&DURABLE_TYPES)));
}
