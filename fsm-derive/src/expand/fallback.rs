//! The expansion of a wrong declaration: its errors, and stubs that keep uses of the machine free of further errors.
//!
//! rustc reports no unknown names in a module in which a macro failed, and no errors that follow from an unknown name. So the errors
//! stand once, in a module inside the generated module. Every generated name is imported from it, and can be imported further.
//! Stubs beside the enum, with a type of that module, replace what is generated on the enum itself. What only attributes name (derives, functions, types) is used, so that rustc does not warn of unused imports.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Ident, Path, Type};

use crate::{
    check::{DURABLE_TYPES, HISTORY, TYPES},
    each::each,
    idents::{distinct, mentioned},
    parse::{Declaration, Delay, FiredEvent, On, Variant},
};

/// A method without generics: its name, whether it takes `self`, and the number of its other parameters.
type Method = (&'static str, bool, usize);

/// The methods of `Durable`, except `wrap`.
const DURABLE: &[Method] = &[("wrap_any", true, 1), ("unwrap_any", false, 1)];

/// The methods of `StoredMachine`.
const STORED_MACHINE: &[Method] = &[
    ("split", false, 1),
    ("encode", true, 0),
    ("decode", false, 2),
    ("encode_event", false, 1),
    ("decode_event", false, 2),
    ("decode_context", false, 1),
    ("timer_event", false, 2),
];

/// The parts of the stubs for a wrong declaration.
pub(crate) struct Fallback {
    module: TokenStream,
    /// The names of the module's items.
    names: Vec<Ident>,
    stubs: TokenStream,
    /// What the attributes name: derives, functions and constants, or the beginnings of their paths.
    named: Vec<Path>,
}

/// Prepares the stubs of a declaration, which may turn out to be wrong.
pub(crate) fn fallback(declaration: &Declaration, module: &Ident) -> Fallback {
    let Declaration { ident, vis, generics, options, .. } = declaration;
    let (params, args, clause) = generics.split_for_impl();
    let ty = quote!(#module::__Unknown);
    let path = |default: TokenStream| options.krate.as_ref().map_or(default, |krate: &Path| quote!(#krate));
    let (core, durable) = if options.durable.is_some() {
        let runtime = path(quote!(::fsm_runtime));
        let method = |(name, this, values): &Method| {
            let (name, this) = (format_ident!("{name}"), this.then(|| quote!(self,)));
            let values = (0..*values).map(|_| quote!(_: #ty));
            quote!(fn #name(#this #(#values),*) -> #ty { loop {} })
        };
        let (methods, stored) = (DURABLE.iter().map(method), STORED_MACHINE.iter().map(method));
        let durable = quote! {
            #[allow(deprecated)]
            impl #params #runtime::Durable for #ident #args #clause {
                type Record<S: #runtime::DurableState<Machine = Self>> = #ty;
                type AnyRecord = #ty;
                fn wrap<S: #runtime::DurableState<Machine = Self>>(raw: #ty) -> #ty { loop {} }
                #(#methods)*
            }
            #[allow(deprecated)]
            impl #params #runtime::StoredMachine for #ident #args #clause {
                type Value = #ty;
                fn serialize_context<Z: #runtime::__private::serde::Serializer>(context: #ty, serializer: Z) -> #ty {
                    loop {}
                }
                #(#stored)*
            }
            #[allow(deprecated)]
            impl<W> #runtime::WorkedBy<W> for #ident {
                fn work(self, workers: #ty, claim: #ty) -> #ty { loop {} }
            }
            #[allow(deprecated)]
            impl<B> #runtime::CreateFrom<B> for #ident {
                type Initial = #ty;
                fn parts(initial: #ty, seal: #ty) -> #ty { loop {} }
            }
            #[allow(deprecated)]
            impl<E> #runtime::CallerEvent<E> for #ident {
                fn into_event(event: E, seal: #ty) -> #ty { loop {} }
            }
        };
        (quote!(#runtime::core), generics.params.is_empty().then_some(durable))
    } else {
        (path(quote!(::fsm_core)), None)
    };
    let context = options.context.as_ref().map(|_| quote!(, context: #ty));
    let types = types(declaration);
    let stubs = quote! {
        #[allow(deprecated)]
        impl #params #ident #args #clause {
            #vis const GRAPH: #ty = loop {};
            #vis fn state(&self) -> #ty { loop {} }
            #vis fn accepts(&self) -> #ty { loop {} }
            #vis fn can(&self, event: #ty) -> #ty { loop {} }
            #vis fn why_not(&self, event: #ty) -> #ty { loop {} }
            #vis fn apply(self, event: #ty #context) -> #ty { loop {} }
            #[allow(dead_code)]
            fn __named(#(_: ::core::marker::PhantomData<#types>),*) {}
        }
        #[allow(deprecated)]
        impl #params #core::StateMachine for #ident #args #clause {
            type State = #ty;
            type EventKind = #ty;
            type Event = #ty;
            type Context = #ty;
            const GRAPH: #ty = loop {};
            fn state(&self) -> #ty { loop {} }
            fn accepts(&self) -> #ty { loop {} }
            fn apply(self, event: #ty, context: &mut #ty) -> #ty { loop {} }
            fn kind_of(event: &#ty) -> #ty { loop {} }
        }
        #durable
    };
    // `durable` may be among what could not be read.
    let fixed = [&TYPES[..], &DURABLE_TYPES, &[HISTORY, "__Unknown"]].concat();
    let mut types = each(&fixed, &|name| format_ident!("{name}"));
    for variant in &declaration.variants {
        types.push(variant.options.ty.as_ref().unwrap_or(&variant.ident).clone());
    }
    let mut named = options.derives.clone();
    named.extend(each(&words(declaration), &|word| Path::from(word.clone())));
    Fallback { module: quote!(#vis mod #module), names: types, stubs, named }
}

/// All `#[on(…)]` of a declaration.
fn ons(declaration: &Declaration) -> Vec<&On> {
    let mut ons = Vec::new();
    for variant in &declaration.variants {
        ons.extend(&variant.ons);
    }
    ons.extend(&declaration.enum_ons);
    for group in &declaration.options.groups {
        ons.extend(&group.ons);
    }
    ons
}

/// The types that only attributes name.
fn types(declaration: &Declaration) -> Vec<&Type> {
    let mut types = Vec::new();
    for on in ons(declaration) {
        for event in &on.events {
            for field in event.payload.iter().flatten() {
                types.push(&field.ty);
            }
        }
    }
    for variant in &declaration.variants {
        types.extend(&variant.options.checkpoint);
    }
    types.extend(&declaration.options.context);
    types
}

/// The first identifiers of all paths in attributes that are not types: functions, machines, and the code of timers,
/// `exhausted` and `waits`. Variables of
/// that code are among them; rustc does not report those in the stubs.
fn words(declaration: &Declaration) -> Vec<Ident> {
    let mut words = Vec::new();
    let mut add = |code: &dyn ToTokens| words.extend(mentioned(code));
    for on in ons(declaration) {
        if let Some(guard) = &on.guard {
            for check in &guard.0 {
                add(check);
            }
        }
        add(&on.with);
    }
    for Variant { options, afters, .. } in &declaration.variants {
        add(&options.enter);
        let mut fired: Vec<&FiredEvent> = Vec::new();
        for after in afters {
            match &after.delay {
                Delay::Const(code) => add(code),
                Delay::Computed(closure) | Delay::At(closure) => add(closure),
                Delay::Known(_) => {}
            }
            fired.push(&after.fires);
        }
        fired.extend(&options.exhausted);
        for wait in &options.waits {
            add(&wait.machine);
            fired.push(&wait.fires);
        }
        for fired in fired {
            for value in &fired.payload {
                add(&value.code);
            }
        }
    }
    // A keyword, as `Self` or `crate`, and a generic parameter cannot be imported.
    let params: Vec<_> = declaration.generics.type_params().map(|param| &param.ident).collect();
    words.retain(|word| syn::parse_str::<Ident>(&word.to_string()).is_ok() && !params.contains(&word));
    distinct(words)
}

impl Fallback {
    /// The errors and the stubs.
    pub(crate) fn expand(self, errors: &TokenStream) -> TokenStream {
        let Self { module, names, stubs, named } = self;
        quote! {
            #[allow(unused_imports)]
            #module {
                pub mod __unknown { #errors }
                pub use self::__unknown::{#(#names),*};
            }
            #stubs
            const _: () = {
                #(
                    #[allow(unused_imports)]
                    use #named as _;
                )*
            };
        }
    }
}
