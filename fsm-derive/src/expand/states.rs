//! A struct per state, and the enum of their names.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::Attribute;

use super::{
    attributes::{copied, lints},
    durable::fields::StoredTypes,
    names::Names,
};
use crate::{
    each::each,
    model::{Member, Shape, State, plain},
    normalize::Cx,
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let stored = StoredTypes::new(cx);
    let derives = cx.derives(1, &|_| true);
    let (mut structs, mut impls) = (Vec::new(), Vec::new());
    for state in 0..cx.machine.states.len() {
        structs.push(state_struct(cx, &stored, derives.as_ref(), state));
        impls.push(links(cx, state));
    }
    let names = names(cx);
    quote!(#(#structs)* #names #(#impls)*)
}

fn state_struct(cx: &Cx<'_>, stored: &StoredTypes, derives: Option<&TokenStream>, index: usize) -> TokenStream {
    let state = &cx.machine.states[index];
    let vis = cx.vis(1);
    let (ident, ty, scope) = (&state.ident, &state.ty, cx.state_scope(index));
    let attrs = docs(&state.attrs, &format!("State `{}`.", plain(ident)));
    let lints = lints(&state.attrs, &["allow", "expect"]);
    let non_exhaustive = state.attrs.iter().filter(|attr| attr.path().is_ident("non_exhaustive"));
    let fields = state.fields.iter().map(|field| {
        let (vis, ty) = (cx.vis_at(1, field), cx.state_field_ty(index, field));
        let attrs = cx.field_attrs(&field.attrs);
        let has_doc = attrs.iter().any(|attr| attr.path().is_ident("doc"));
        let attrs = each(&attrs, &|attr| copied(attr));
        let doc = (!has_doc).then(|| {
            let doc = format!("The `{}` of `{}`.", field.name(), plain(ident));
            quote!(#[doc = #doc])
        });
        let bound = stored.of_state(cx, index, field);
        match &field.member {
            Member::Named(name) => quote!(#doc #bound #(#attrs)* #vis #name: #ty),
            Member::Unnamed(_) => quote!(#doc #bound #(#attrs)* #vis #ty),
        }
    });
    let (declared, clause) = (scope.declared(&[]), scope.clause(&[]));
    let body = match state.shape {
        Shape::Struct => quote!(#clause { #(#fields),* }),
        Shape::Tuple => quote!((#(#fields),*) #clause;),
        Shape::Unit => quote!(#clause;),
    };
    quote! {
        #attrs
        #lints
        #(#non_exhaustive)*
        #derives
        #vis struct #ty #declared #body
    }
}

/// The conversions between a state's struct and the enum.
fn links(cx: &Cx<'_>, index: usize) -> TokenStream {
    let state = &cx.machine.states[index];
    let (core, enum_ty, ty) = (&cx.core, &cx.enum_ty, cx.state_ty(index));
    let (params, clause) = (cx.all.params(&[]), cx.all.clause(&[]));
    let (ident, data, pattern) = (&state.ident, &state.ty, pattern(state));
    let enum_path = &cx.enum_path;
    let only = cx.machine.states.len() == 1;
    let otherwise = (!only).then(|| quote!(other => ::core::result::Result::Err(other),));
    let durable = cx.durable().then(|| {
        let runtime = &cx.runtime;
        quote! {
            #[automatically_derived]
            impl #runtime::DurableState for #ty {
                type Machine = #enum_ty;
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #params #core::Target<#enum_ty> for #ty #clause {
            #[inline]
            fn into_enum(self) -> #enum_ty {
                let #data #pattern = self;
                #enum_path::#ident #pattern
            }
            #[inline]
            fn from_enum(machine: #enum_ty) -> ::core::result::Result<Self, #enum_ty> {
                match machine {
                    #enum_path::#ident #pattern => ::core::result::Result::Ok(#data #pattern),
                    #otherwise
                }
            }
        }
        #[automatically_derived]
        impl #params #core::StateOf<#enum_ty> for #ty #clause {
            const STATE: State = State::#ident;
        }
        #durable
    }
}

/// The fields of a variant or of its struct, as a pattern and as an expression: `{ spec, addr }`, `(field_0)`, or empty.
pub(super) fn pattern(state: &State) -> TokenStream {
    let names = state.fields.iter().map(|field| match &field.member {
        Member::Named(name) => name.to_token_stream(),
        Member::Unnamed(index) => format_ident!("field_{}", index.index).to_token_stream(),
    });
    match state.shape {
        Shape::Struct => quote!({ #(#names),* }),
        Shape::Tuple => quote!((#(#names),*)),
        Shape::Unit => TokenStream::new(),
    }
}

/// A pattern that matches any data of a variant.
pub(super) fn any_data(state: &State) -> TokenStream {
    match state.shape {
        Shape::Struct => quote!({ .. }),
        Shape::Tuple => quote!((..)),
        Shape::Unit => TokenStream::new(),
    }
}

/// The doc comments among `attrs`, or `instead`.
pub(super) fn docs(attrs: &[Attribute], instead: &str) -> TokenStream {
    let mut docs = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        docs.push(copied(attr));
    }
    if docs.is_empty() { quote!(#[doc = #instead]) } else { quote!(#(#docs)*) }
}

fn names(cx: &Cx<'_>) -> TokenStream {
    let machine = cx.machine;
    let variants = each(&machine.states, &|state| {
        let doc = docs(&state.attrs, &format!("`{}`", state.name));
        (state.ident.clone(), state.name.clone(), doc)
    });
    let mut earlier = Vec::new();
    for state in &machine.states {
        for was in &state.was {
            if machine.states.iter().all(|state| state.name != *was) {
                earlier.push((was.clone(), state.ident.clone()));
            }
        }
    }
    let names = Names {
        ident: format_ident!("State"),
        of: format!("state of `{}`", machine.name()),
        doc: format!("The names of the states of `{}`.", machine.name()),
        non_exhaustive: machine.non_exhaustive,
        variants,
        was: earlier,
    };
    let names = names.expand(cx);
    let vis = cx.vis(1);
    let accepts = machine.states.iter().enumerate().map(|(index, state)| {
        let ident = &state.ident;
        let events = machine.from(index).map(|transition| &machine.events[transition.event].ty);
        quote!(Self::#ident => &[#(EventKind::#events),*])
    });
    quote! {
        #names
        impl State {
            /// The events that this state declares. A guard can still refuse one.
            #[must_use]
            #[inline]
            #vis const fn accepts(self) -> &'static [EventKind] {
                match self {
                    #(#accepts,)*
                }
            }
        }
    }
}
