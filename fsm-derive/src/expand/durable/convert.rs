//! The conversions of records, what `AnyRecord` can be asked, and `Event::from_parts`.

use proc_macro2::TokenStream;
use quote::quote;

use super::super::any::guards;
use crate::{
    each::each,
    normalize::{Cx, local},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let (methods, any_record, from, serialize) = (methods(cx), any_record(cx), from(cx), serialize(cx));
    let (choices, from_parts) = (choices(cx), from_parts(cx));
    quote!(#methods #any_record #from #serialize #choices #from_parts)
}

/// The methods of `AnyRecord` besides `state` and `accepts`.
fn methods(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, runtime, enum_ty, .. } = cx;
    let (vis, context, given) = (cx.vis(1), cx.context_or_unit(), local("__event"));
    let this = quote!(<Self as #runtime::AnyRecord<#enum_ty>>);
    let shared = cx.context.as_ref().map(|_| {
        quote! {
            /// The context, which all states share.
            #[must_use]
            #vis fn context(&self) -> &#context {
                #this::context(self)
            }
        }
    });
    quote! {
        impl AnyRecord {
            /// The id of the instance.
            #[must_use]
            #vis fn id(&self) -> &str {
                #this::id(self)
            }
            /// The version of the instance, which changes with each transition and only then.
            #[must_use]
            #vis fn version(&self) -> u64 {
                #this::version(self)
            }
            /// When the instance was created; `None` for a record of a past change.
            #[must_use]
            #vis fn created(&self) -> ::core::option::Option<::std::time::SystemTime> {
                #this::created(self)
            }
            /// When the instance entered its state.
            #[must_use]
            #vis fn entered(&self) -> ::std::time::SystemTime {
                #this::entered(self)
            }
            #shared
            /// Whether its state declares the event for callers.
            #[must_use]
            #vis fn can(&self, #given: EventKind) -> bool {
                #this::can(self, #given)
            }
            /// Why its state does not accept the event from callers, and which events lead to one that does; `None` if the state declares
            /// it for callers.
            #[must_use]
            #vis fn why_not(&self, #given: EventKind) -> ::core::option::Option<#core::WhyNot> {
                #this::why_not(self, #given)
            }
            /// Whether the event would be accepted: its state declares it, and the guard accepts it. Nothing is changed or stored.
            ///
            /// # Errors
            /// If the state does not declare the event, it is `by = worker`, or a guard refuses it.
            #vis fn would_accept(&self, #given: &Event) -> ::core::result::Result<(), #core::Refusal<#enum_ty>> {
                #this::would_accept(self, #given)
            }
            /// The enum's value and the context, without the record; `()` if there is no context.
            #[must_use]
            #vis fn into_parts(self) -> (#enum_ty, #context) {
                #this::into_parts(self)
            }
        }
    }
}

fn any_record(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, runtime, enum_ty, .. } = cx;
    let idents = each(&cx.machine.states, &|state| &state.ident);
    let (record, event, machine, meta) = (local("__record"), local("__event"), local("__machine"), local("__meta"));
    let context = cx.context_or_unit();
    let lent = cx.context.as_ref().map(|_| quote!(, #runtime::RawRecord::context(&#record.raw)));
    let arms = guards(cx, &record, &event, &quote!(#runtime::RawRecord::data(&#record.raw)), lent.as_ref());
    let guard = arms.map(|arms| {
        quote! {
            fn __guard(&self, #event: &Event) -> ::core::result::Result<(), #core::Reason> {
                match (self, #event) {
                    #arms
                }
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #runtime::AnyRecord<#enum_ty> for AnyRecord {
            fn meta(&self) -> &#runtime::RecordMeta<#enum_ty> {
                match self {
                    #(Self::#idents(#record) => #runtime::RawRecord::meta(&#record.raw),)*
                }
            }
            fn state(&self) -> State {
                Self::state(self)
            }
            fn accepts(&self) -> &'static [EventKind] {
                Self::accepts(self)
            }
            fn into_parts(self) -> (#enum_ty, #context) {
                let (#machine, #meta) = <#enum_ty as #runtime::Durable>::unwrap_any(self);
                (#machine, #runtime::RecordMeta::__into_context(#meta))
            }
            #guard
        }
    }
}

/// From records to `AnyRecord` and to the enum, one impl for all states.
fn from(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, runtime, enum_ty, s, .. } = cx;
    let (record, state, meta) = (local("__record"), local("__state"), local("__meta"));
    let bounded = quote!(<#s: #runtime::DurableState<Machine = #enum_ty>>);
    quote! {
        #[automatically_derived]
        impl #bounded ::core::convert::From<Record<#s>> for AnyRecord {
            fn from(#record: Record<#s>) -> Self {
                let (#state, #meta) = #record.raw.__into_parts();
                <#enum_ty as #runtime::Durable>::wrap_any(#core::Target::into_enum(#state), #meta)
            }
        }
        #[automatically_derived]
        impl #bounded ::core::convert::From<Record<#s>> for #enum_ty {
            fn from(#record: Record<#s>) -> Self {
                #core::Target::into_enum(#record.raw.into_data())
            }
        }
        #[automatically_derived]
        impl ::core::convert::From<AnyRecord> for #enum_ty {
            fn from(#record: AnyRecord) -> Self {
                <#enum_ty as #runtime::Durable>::unwrap_any(#record).0
            }
        }
    }
}

fn serialize(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, enum_ty, s, .. } = cx;
    let idents = cx.machine.states.iter().map(|state| &state.ident);
    let (record, serializer) = (local("__record"), local("__serializer"));
    let serde = quote!(#runtime::__private::serde);
    quote! {
        #[automatically_derived]
        impl<#s: #runtime::DurableState<Machine = #enum_ty> + #serde::Serialize> #serde::Serialize for Record<#s> {
            fn serialize<__Z: #serde::Serializer>(
                &self,
                #serializer: __Z,
            ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                #runtime::RawRecord::__serialize(&self.raw, #serializer)
            }
        }
        #[automatically_derived]
        impl #serde::Serialize for AnyRecord {
            fn serialize<__Z: #serde::Serializer>(
                &self,
                #serializer: __Z,
            ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                match self {
                    #(Self::#idents(#record) => #serde::Serialize::serialize(#record, #serializer),)*
                }
            }
        }
    }
}

/// From each choice of records, to `AnyRecord` and to the enum.
fn choices(cx: &Cx<'_>) -> TokenStream {
    let enum_ty = &cx.enum_ty;
    let (given, record) = (local("__given"), local("__record"));
    let impls = each(&cx.machine.choices(), &|transition| {
        let choice = cx.machine.choice(transition);
        let ty = cx.target_ty(transition, &|state| quote!(Record<#state>));
        let targets = transition.to.iter().map(|to| &cx.machine.states[*to].ident);
        quote! {
            #[automatically_derived]
            impl ::core::convert::From<#ty> for AnyRecord {
                fn from(#given: #ty) -> Self {
                    match #given {
                        #(choice::#choice::#targets(#record) => Self::#targets(#record),)*
                    }
                }
            }
            #[automatically_derived]
            impl ::core::convert::From<#ty> for #enum_ty {
                fn from(#given: #ty) -> Self {
                    <Self as ::core::convert::From<AnyRecord>>::from(<AnyRecord as ::core::convert::From<#ty>>::from(#given))
                }
            }
        }
    });
    quote!(#(#impls)*)
}

fn from_parts(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, enum_ty, .. } = cx;
    let (vis, name, payload) = (cx.vis(1), local("__name"), local("__payload"));
    quote! {
        impl Event {
            /// An event from its name and its payload as JSON, as a client sends them. An empty payload, `null` and `{}` are the same
            /// for an event without fields.
            ///
            /// # Errors
            /// If there is no event of this name, or the payload does not fit it.
            #vis fn from_parts(
                #name: impl ::core::convert::AsRef<str>,
                #payload: &str,
            ) -> ::core::result::Result<Self, #runtime::EventError> {
                <#enum_ty as #runtime::StoredMachine>::event_from_parts(
                    ::core::convert::AsRef::<str>::as_ref(&#name),
                    #payload,
                )
            }
        }
    }
}
