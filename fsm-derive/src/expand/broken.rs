//! What a wrong declaration becomes: its errors, and nothing that would cause more.
//!
//! rustc says nothing of names that it does not find in a module in which a macro failed, nor of what it cannot know of
//! their types. So the errors stand in the generated module and in one inside it, from which every name that is generated
//! otherwise is imported, for those who import it further; the repeated errors are printed once. Stubs beside the enum, all
//! of a type of that module, take the place of what is generated on the enum itself. What the attributes alone name (derives,
//! functions, types) is used, too: rustc would warn that its import is unused.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Ident, Path, Type};

use crate::{
    check::{DURABLE_TYPES, TYPES},
    errors::Errors,
    mentions::mentioned,
    parse::{Declaration, Delay, On},
};

/// Names of the declaration that the stubs need.
pub(crate) struct Broken {
    module: TokenStream,
    /// What the module would hold.
    names: Vec<Ident>,
    stubs: TokenStream,
    /// What the attributes name: derives, functions and constants, or where they are found.
    named: Vec<Path>,
}

/// Takes what is needed of a declaration, before it is known to be wrong.
pub(crate) fn broken(declaration: &Declaration, module: &Ident) -> Broken {
    let Declaration { ident, vis, generics, options, .. } = declaration;
    let (params, args, clause) = generics.split_for_impl();
    let ty = quote!(#module::Broken);
    let path = |default: TokenStream| options.krate.as_ref().map_or(default, |krate: &Path| quote!(#krate));
    let (core, durable) = if options.durable.is_some() {
        let runtime = path(quote!(::fsm_runtime));
        let durable = quote! {
            #[allow(deprecated)]
            impl #params #runtime::Durable for #ident #args #clause {
                type Record<S: #runtime::DurableState<Machine = Self>> = #ty;
                type AnyRecord = #ty;
                fn wrap<S: #runtime::DurableState<Machine = Self>>(raw: #ty) -> #ty { loop {} }
                fn wrap_any(self, meta: #ty) -> #ty { loop {} }
                fn unwrap_any(record: #ty) -> #ty { loop {} }
            }
            #[allow(deprecated)]
            impl #params #runtime::StoredMachine for #ident #args #clause {
                type Value = #ty;
                fn split(value: #ty) -> #ty { loop {} }
                fn encode(self) -> #ty { loop {} }
                fn decode(state: #ty, data: #ty) -> #ty { loop {} }
                fn encode_event(event: #ty) -> #ty { loop {} }
                fn decode_event(kind: #ty, payload: #ty) -> #ty { loop {} }
                fn encode_context(context: &#ty) -> #ty { loop {} }
                fn decode_context(stored: #ty) -> #ty { loop {} }
                fn timer_event(state: #ty) -> #ty { loop {} }
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
        };
        (quote!(#runtime::core), generics.params.is_empty().then_some(durable))
    } else {
        (path(quote!(::fsm_core)), None)
    };
    let context = options.context.as_ref().map(|_| quote!(, context: #ty));
    let timer = declaration.variants.iter().any(|variant| !variant.afters.is_empty());
    let timer = timer.then(|| quote!(#vis fn timer_event(&self) -> #ty { loop {} }));
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
            #timer
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
    let durable_types = if options.durable.is_some() { &DURABLE_TYPES[..] } else { &[] };
    let fixed = TYPES.iter().chain(durable_types).map(|name| format_ident!("{name}"));
    let states = declaration.variants.iter().map(|variant| variant.ident.clone());
    let named = options.derives.iter().cloned().chain(words(declaration).into_iter().map(Path::from)).collect();
    Broken { module: quote!(#vis mod #module), names: fixed.chain(states).collect(), stubs, named }
}

/// All `#[on(…)]` of a declaration.
fn ons(declaration: &Declaration) -> impl Iterator<Item = &On> {
    let own = declaration.variants.iter().flat_map(|variant| &variant.ons);
    own.chain(&declaration.wide).chain(declaration.options.groups.iter().flat_map(|group| &group.ons))
}

/// The types that only attributes name.
fn types(declaration: &Declaration) -> Vec<&Type> {
    let payloads = ons(declaration).flat_map(|on| on.payload.iter().flatten()).map(|field| &field.ty);
    let progress = declaration.variants.iter().filter_map(|variant| variant.options.progress.as_ref());
    payloads.chain(progress).chain(&declaration.options.context).collect()
}

/// The first words of all paths in what attributes name besides types: functions, and the code of timers and of `exhausted`.
/// Words that no import brings are among them, as the variables of that code; rustc says nothing of those here.
fn words(declaration: &Declaration) -> BTreeSet<Ident> {
    let variants = &declaration.variants;
    let delays = variants.iter().flat_map(|variant| &variant.afters).filter_map(|after| match &after.delay {
        Delay::Const(code) => Some(code),
        Delay::Known(_) => None,
    });
    let fired = variants
        .iter()
        .flat_map(|variant| variant.afters.iter().map(|after| &after.fires).chain(&variant.options.exhausted));
    let values = fired.flat_map(|fires| &fires.payload).map(|value| &value.code);
    let functions = ons(declaration).flat_map(|on| on.guard.iter().chain(&on.with)).map(ToTokens::to_token_stream);
    let code = functions.chain(delays.chain(values).cloned());
    // Neither a keyword, as `Self` or `crate`, nor a parameter is imported.
    let params: Vec<_> = declaration.generics.type_params().map(|param| &param.ident).collect();
    let imported = |word: &Ident| syn::parse_str::<Ident>(&word.to_string()).is_ok() && !params.contains(&word);
    code.flat_map(mentioned).filter(imported).collect()
}

impl Broken {
    /// The errors and the stubs.
    pub(crate) fn expand(self, errors: &Errors) -> TokenStream {
        let Self { module, names, stubs, named } = self;
        let errors = errors.to_tokens();
        quote! {
            #[allow(unused_imports)]
            #module {
                #errors
                pub mod broken { #errors }
                pub use self::broken::{#(#names),*};
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
