//! A struct per event, the enum of all of them, and the enum of their names.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{docs, durable::fields::StoredTypes, names::Names, serde};
use crate::{each::each, model::Member, normalize::Cx};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let machine = cx.machine;
    let (vis, name) = (cx.vis(1), machine.name());
    let stored = StoredTypes::new(cx);
    let derives = cx.derives(2, &|_| true);
    let (mut structs, mut variants) = (Vec::new(), Vec::new());
    for (index, event) in machine.events.iter().enumerate() {
        structs.push(event_struct(cx, &stored, derives.as_ref(), index));
        let doc = docs::event(machine, index);
        variants.push((event.ty.clone(), event.name.clone(), quote!(#[doc = #doc])));
    }
    let doc = format!("The events of `{name}`, with their payloads.");
    let all = all(cx);
    let names = Names {
        ident: format_ident!("EventKind"),
        of: format!("event of `{name}`"),
        doc: format!("The names of the events of `{name}`."),
        non_exhaustive: machine.non_exhaustive,
        variants,
        was: Vec::new(),
    };
    let names = names.expand(cx);
    quote! {
        #[doc = #doc]
        #vis mod event {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::super::*;

            #(#structs)*
        }
        #all
        #names
    }
}

fn event_struct(cx: &Cx<'_>, stored: &StoredTypes, derives: Option<&TokenStream>, index: usize) -> TokenStream {
    let event = &cx.machine.events[index];
    let (vis, ident, scope) = (cx.vis(2), &event.ty, cx.event_scope(index));
    let doc = docs::event(cx.machine, index);
    let fields = event.fields.iter().map(|field| {
        let (vis, ty) = (cx.vis_at(2, field), cx.event_field_ty(event, field, 2));
        let attrs = cx.field_attrs(&field.attrs);
        let doc = (!attrs.iter().any(|attr| attr.path().is_ident("doc"))).then(|| {
            let doc = format!("The `{}` that comes with the event.", field.name());
            quote!(#[doc = #doc])
        });
        let Member::Named(name) = &field.member else {
            return TokenStream::new();
        };
        let bound = stored.of_event(cx, event, field);
        quote!(#doc #bound #(#attrs)* #vis #name: #ty,)
    });
    let (declared, clause) = (scope.declared_deeper(), scope.clause_deeper());
    let body = if event.fields.is_empty() { quote!(;) } else { quote!(#clause { #(#fields)* }) };
    quote! {
        #[doc = #doc]
        #derives
        #vis struct #ident #declared #body
    }
}

/// `Event`, the enum of all events.
fn all(cx: &Cx<'_>) -> TokenStream {
    let machine = cx.machine;
    let (vis, scope, ty) = (cx.vis(1), &cx.events_scope, cx.events_ty());
    let idents = each(&machine.events, &|event| &event.ty);
    let (mut types, mut docs) = (Vec::new(), Vec::new());
    for event in 0..machine.events.len() {
        types.push(cx.event_ty(event));
        docs.push(docs::event(machine, event));
    }
    let kept = |name: &str| name != "Default" && !(idents.is_empty() && name.contains("Ord"));
    let derives = cx.derives_of(1, &|path| {
        let last = path.segments.last().is_some_and(|last| kept(&last.ident.to_string()));
        last && !(serde::replaces_event(cx) && serde::is_serde(path))
    });
    let doc = format!("Any event of `{}`, with its payload.", machine.name());
    let (declared, params, clause) = (scope.declared(&[]), scope.params(&[]), scope.clause(&[]));
    let kind = if idents.is_empty() {
        quote!(match *self {})
    } else {
        quote!(match self { #(Self::#idents(_) => EventKind::#idents,)* })
    };
    quote! {
        #[doc = #doc]
        #derives
        #vis enum Event #declared #clause {
            #(#[doc = #docs] #idents(#types),)*
        }
        impl #params #ty #clause {
            /// Which event this is.
            #[must_use]
            #[inline]
            #vis const fn kind(&self) -> EventKind {
                #kind
            }
        }
        #(
            #[automatically_derived]
            impl #params ::core::convert::From<#types> for #ty #clause {
                #[inline]
                fn from(event: #types) -> Self {
                    Self::#idents(event)
                }
            }
        )*
    }
}
