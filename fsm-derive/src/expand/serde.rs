//! `Serialize` and `Deserialize` of the names and of `Event`, for machines that are durable or that derive them.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Ident, Lifetime, Path};

use crate::{
    each::{each, indices},
    model::plain,
    normalize::{Cx, local},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let serde = Serde::new(cx);
    let name = cx.machine.name();
    let written = cx.durable() || derives(cx, "Serialize");
    let read = cx.durable() || derives(cx, "Deserialize");
    let names = [("State", format!("a state of `{name}`")), ("EventKind", format!("an event of `{name}`"))];
    let names = names.map(|(ident, expected)| {
        let ident = Ident::new(ident, Span::call_site());
        let write = written.then(|| serde.write_name(&ident));
        let read = read.then(|| serde.read_name(&ident, &expected));
        quote!(#write #read)
    });
    let event = replaces_event(cx).then(|| {
        let write = derives(cx, "Serialize").then(|| serde.write_event(cx));
        let read = derives(cx, "Deserialize").then(|| serde.read_event(cx));
        quote!(#write #read)
    });
    let items = quote!(#(#names)* #event);
    if items.is_empty() {
        return items;
    }
    let import = &serde.import;
    quote! {
        const _: () = {
            #import
            #items
        };
    }
}

/// Whether `Event` has the form of this file instead of that of serde's derive.
pub(super) fn replaces_event(cx: &Cx<'_>) -> bool {
    !cx.machine.events.is_empty()
}

/// Whether a derive is one of serde's.
pub(super) fn is_serde(path: &Path) -> bool {
    let mut segments = path.segments.iter().rev();
    let name = segments.next().is_some_and(|last| last.ident == "Serialize" || last.ident == "Deserialize");
    name && segments.next().is_none_or(|from| from.ident == "serde" || from.ident == "serde_derive")
}

fn derives(cx: &Cx<'_>, name: &str) -> bool {
    let serde = cx.machine.derives.iter().filter(|path| is_serde(path));
    serde.into_iter().any(|path| path.segments.last().is_some_and(|last| last.ident == name))
}

struct Serde {
    /// Names the crate, as serde's own derives do: where they work, this works.
    import: Option<TokenStream>,
    path: TokenStream,
}

impl Serde {
    fn new(cx: &Cx<'_>) -> Self {
        let runtime = &cx.runtime;
        if cx.durable() {
            return Self { import: None, path: quote!(#runtime::__private::serde) };
        }
        let import = quote! {
            #[allow(unused_extern_crates, clippy::useless_attribute)]
            extern crate serde as __serde;
        };
        Self { import: Some(import), path: quote!(__serde) }
    }

    fn write_name(&self, ident: &Ident) -> TokenStream {
        let (serde, serializer) = (&self.path, local("__serializer"));
        quote! {
            #[automatically_derived]
            impl #serde::Serialize for #ident {
                fn serialize<__Z: #serde::Serializer>(
                    &self,
                    #serializer: __Z,
                ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                    #serde::Serializer::serialize_str(#serializer, #ident::as_str(*self))
                }
            }
        }
    }

    fn read_name(&self, ident: &Ident, expected: &str) -> TokenStream {
        let (serde, deserializer, name) = (&self.path, local("__deserializer"), local("__name"));
        let visitor = format_ident!("__Visit{ident}");
        quote! {
            struct #visitor;
            #[automatically_derived]
            impl #serde::de::Visitor<'_> for #visitor {
                type Value = #ident;
                fn expecting(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Formatter::write_str(f, #expected)
                }
                fn visit_str<__E: #serde::de::Error>(self, #name: &str) -> ::core::result::Result<#ident, __E> {
                    <#ident as ::core::str::FromStr>::from_str(#name).map_err(#serde::de::Error::custom)
                }
            }
            #[automatically_derived]
            impl<'de> #serde::Deserialize<'de> for #ident {
                fn deserialize<__D: #serde::Deserializer<'de>>(
                    #deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    #serde::Deserializer::deserialize_str(#deserializer, #visitor)
                }
            }
        }
    }

    /// `"Place"` without a payload, `{"Pay": {…}}` with one.
    fn write_event(&self, cx: &Cx<'_>) -> TokenStream {
        let (serde, serializer, given) = (&self.path, local("__serializer"), local("__event"));
        let ty = cx.events_ty();
        let arms = cx.machine.events.iter().zip(0_u32..).map(|(event, index)| {
            let (ident, name) = (&event.ty, plain(&event.ty));
            if event.fields.is_empty() {
                quote!(Event::#ident(_) => #serde::Serializer::serialize_unit_variant(#serializer, "Event", #index, #name))
            } else {
                quote!(Event::#ident(#given) => {
                    #serde::Serializer::serialize_newtype_variant(#serializer, "Event", #index, #name, #given)
                })
            }
        });
        let params = cx.events_scope.params(&[]);
        let clause = cx.events_scope.clause(&bounds(cx, &quote!(#serde::Serialize)));
        quote! {
            #[automatically_derived]
            impl #params #serde::Serialize for #ty #clause {
                fn serialize<__Z: #serde::Serializer>(
                    &self,
                    #serializer: __Z,
                ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                    match self {
                        #(#arms,)*
                    }
                }
            }
        }
    }

    fn read_event(&self, cx: &Cx<'_>) -> TokenStream {
        let (serde, deserializer, given) = (&self.path, local("__deserializer"), local("__given"));
        let (kind, payload) = (local("__kind"), local("__payload"));
        let (ty, scope) = (cx.events_ty(), &cx.events_scope);
        let expected = format!("an event of `{}`", cx.machine.name());
        let variants = each(&cx.machine.events, &|event| plain(&event.ty));
        let idents = each(&cx.machine.events, &|event| &event.ty);
        let arms = cx.machine.events.iter().enumerate().map(|(index, event)| {
            let (ident, ty) = (&event.ty, cx.event_ty(index));
            if event.fields.is_empty() {
                quote!(EventKind::#ident => {
                    #serde::de::VariantAccess::unit_variant(#payload)?;
                    ::core::result::Result::Ok(Event::#ident(event::#ident))
                })
            } else {
                quote!(EventKind::#ident => {
                    #serde::de::VariantAccess::newtype_variant::<#ty>(#payload).map(Event::#ident)
                })
            }
        });
        let taken = cx.machine.generics.lifetimes().any(|param| param.lifetime.ident == "de");
        let de = Lifetime::new(if taken { "'__de" } else { "'de" }, Span::call_site());
        let params = with_lifetime(&de, scope.params(&[]));
        let clause = scope.clause(&bounds(cx, &quote!(#serde::Deserialize<#de>)));
        let (declared, args, own_clause) = (scope.declared(&[]), scope.args(&[]), scope.clause(&[]));
        quote! {
            /// The name of an event: of the variant, or as it is stored.
            struct __EventName(EventKind);
            struct __VisitEventName;
            #[automatically_derived]
            impl #serde::de::Visitor<'_> for __VisitEventName {
                type Value = __EventName;
                fn expecting(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Formatter::write_str(f, #expected)
                }
                fn visit_u64<__E: #serde::de::Error>(
                    self,
                    #given: u64,
                ) -> ::core::result::Result<__EventName, __E> {
                    let #kind = <usize as ::core::convert::TryFrom<u64>>::try_from(#given).ok();
                    let #kind = #kind.and_then(|#kind| <[EventKind]>::get(EventKind::ALL, #kind).copied());
                    #kind.map(__EventName).ok_or_else(|| {
                        #serde::de::Error::invalid_value(#serde::de::Unexpected::Unsigned(#given), &self)
                    })
                }
                fn visit_str<__E: #serde::de::Error>(
                    self,
                    #given: &str,
                ) -> ::core::result::Result<__EventName, __E> {
                    match #given {
                        #(#variants => ::core::result::Result::Ok(__EventName(EventKind::#idents)),)*
                        _ => <EventKind as ::core::str::FromStr>::from_str(#given)
                            .map(__EventName)
                            .map_err(#serde::de::Error::custom),
                    }
                }
            }
            #[automatically_derived]
            impl<#de> #serde::Deserialize<#de> for __EventName {
                fn deserialize<__D: #serde::Deserializer<#de>>(
                    #deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    #serde::Deserializer::deserialize_identifier(#deserializer, __VisitEventName)
                }
            }
            struct __VisitEvent #declared (::core::marker::PhantomData<fn() -> #ty>) #own_clause;
            #[automatically_derived]
            impl #params #serde::de::Visitor<#de> for __VisitEvent #args #clause {
                type Value = #ty;
                fn expecting(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Formatter::write_str(f, #expected)
                }
                fn visit_enum<__A: #serde::de::EnumAccess<#de>>(
                    self,
                    #given: __A,
                ) -> ::core::result::Result<#ty, __A::Error> {
                    let (__EventName(#kind), #payload) = #serde::de::EnumAccess::variant(#given)?;
                    match #kind {
                        #(#arms,)*
                    }
                }
            }
            #[automatically_derived]
            impl #params #serde::Deserialize<#de> for #ty #clause {
                fn deserialize<__D: #serde::Deserializer<#de>>(
                    #deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    #serde::Deserializer::deserialize_enum(
                        #deserializer,
                        "Event",
                        &[#(#variants),*],
                        __VisitEvent(::core::marker::PhantomData),
                    )
                }
            }
        }
    }
}

/// The payloads with generics, which need a bound.
fn bounds(cx: &Cx<'_>, bound: &TokenStream) -> Vec<TokenStream> {
    let generic = indices(cx.machine.events.len(), &|event| !cx.event_scope(event).is_empty());
    each(&generic, &|event| {
        let ty = cx.event_ty(*event);
        quote!(#ty: #bound)
    })
}

/// `<'de, …>`
fn with_lifetime(lifetime: &Lifetime, params: TokenStream) -> TokenStream {
    if params.is_empty() {
        return quote!(<#lifetime>);
    }
    // The first token is the opening bracket.
    let rest = params.into_iter().skip(1);
    quote!(<#lifetime, #(#rest)*)
}
