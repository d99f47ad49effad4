//! What a wrong declaration becomes: its errors, and nothing that would cause more.
//!
//! rustc says nothing of names that it does not find in a module in which a macro failed, nor of types that it could not
//! resolve there. So the errors stand inside the generated module, which holds nothing else, and stubs beside the enum, all
//! of a type of that module, take the place of what is generated on the enum itself.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

use crate::{errors::Errors, parse::Declaration};

/// Names of the declaration that the stubs need.
pub(crate) struct Broken {
    module: TokenStream,
    stubs: TokenStream,
}

/// Takes what is needed of a declaration, before it is known to be wrong.
pub(crate) fn broken(declaration: &Declaration, module: &syn::Ident) -> Broken {
    let Declaration {
        ident,
        vis,
        generics,
        options,
        ..
    } = declaration;
    let (params, args, clause) = generics.split_for_impl();
    let ty = quote!(#module::Broken);
    let path = |default: TokenStream| options.krate.as_ref().map_or(default, |krate: &Path| quote!(#krate));
    let (core, durable) = if options.durable.is_some() {
        let runtime = path(quote!(::fsm_runtime));
        let durable = quote! {
            impl #params #runtime::Durable for #ident #args #clause {
                type Record<S: #runtime::DurableState<Machine = Self>> = #ty;
                type AnyRecord = #ty;
            }
            impl<W> #runtime::WorkedBy<W> for #ident {}
            impl<S> #runtime::BornIn<S> for #ident {}
        };
        (quote!(#runtime::core), generics.params.is_empty().then_some(durable))
    } else {
        (path(quote!(::fsm_core)), None)
    };
    let stubs = quote! {
        impl #params #ident #args #clause {
            #vis const GRAPH: #ty = loop {};
            #vis fn state(&self) -> #ty { loop {} }
            #vis fn accepts(&self) -> #ty { loop {} }
            #vis fn can(&self, event: #ty) -> #ty { loop {} }
            #vis fn apply(self, event: #ty) -> #ty { loop {} }
        }
        impl #params #core::StateMachine for #ident #args #clause {
            type State = #ty;
            type EventKind = #ty;
            type Event = #ty;
            const GRAPH: #ty = loop {};
        }
        #durable
    };
    Broken {
        module: quote!(#vis mod #module),
        stubs,
    }
}

impl Broken {
    /// The errors and the stubs.
    pub(crate) fn expand(self, errors: &Errors) -> TokenStream {
        let Self { module, stubs } = self;
        let errors = errors.to_tokens();
        quote! {
            #module { #errors }
            #stubs
        }
    }
}
