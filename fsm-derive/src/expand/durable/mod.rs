//! The further items of a durable machine: records, tasks, workers, and the conversions to and from a stored row.

mod callers;
mod convert;
mod create;
pub(super) mod fields;
mod handle;
mod record;
mod waits;
mod work;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{states::pattern, timers, user_code};
use crate::{
    each::{each, indices},
    normalize::{Cx, local},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    if !cx.durable() {
        return TokenStream::new();
    }
    let (create, record, work, rows) = (create::expand(cx), record::expand(cx), work::expand(cx), rows(cx));
    let (callers, fields) = (callers::expand(cx), fields::expand(cx));
    quote!(#create #record #work #rows #callers #fields)
}

/// `impl Durable` and `impl StoredMachine`
fn rows(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, enum_ty, s, core, .. } = cx;
    let states = &cx.machine.states;
    let idents = each(states, &|state| &state.ident);
    let types = each(states, &|state| &state.ty);
    let patterns = each(states, &pattern);
    let events = each(&cx.machine.events, &|event| &event.ty);
    let (encode_event, decode_event) = if events.is_empty() {
        (quote!(match *event {}), quote!(match kind {}))
    } else {
        (
            quote!(match event { #(Event::#events(event) => #runtime::codec::to_json(event),)* }),
            quote!(match kind {
                #(EventKind::#events => #runtime::codec::from_json(payload).map(Event::#events),)*
            }),
        )
    };
    let payload = if events.is_empty() { quote!(_payload) } else { quote!(payload) };
    let timers = timers::stored(cx);
    let (value, shared) = (cx.whole_ty(), cx.context_or_unit());
    let split = if cx.context.is_some() { quote!(value) } else { quote!((value, ())) };
    let codec_error = quote!(#runtime::CodecError);
    let (meta, further) = (local("meta"), [codec(cx), waits::methods(cx), enter(cx).unwrap_or_default()]);
    quote! {
        #[automatically_derived]
        impl #runtime::Durable for #enum_ty {
            type Record<#s: #runtime::DurableState<Machine = Self>> = Record<#s>;
            type AnyRecord = AnyRecord;
            fn wrap<#s: #runtime::DurableState<Machine = Self>>(raw: #runtime::RawRecord<#s>) -> Record<#s> {
                Record { raw }
            }
            fn wrap_any(self, #meta: #runtime::RecordMeta<Self>) -> AnyRecord {
                match self {
                    #(Self::#idents #patterns => {
                        AnyRecord::#idents(Record { raw: #runtime::RawRecord::__new(#types #patterns, #meta) })
                    })*
                }
            }
            fn unwrap_any(record: AnyRecord) -> (Self, #runtime::RecordMeta<Self>) {
                match record {
                    #(AnyRecord::#idents(record) => {
                        let (state, meta) = record.raw.__into_parts();
                        (#core::Target::into_enum(state), meta)
                    })*
                }
            }
        }
        #[automatically_derived]
        impl #runtime::StoredMachine for #enum_ty {
            type Value = #value;
            fn split(value: #value) -> (Self, #shared) {
                #split
            }
            fn encode(self) -> ::core::result::Result<(Self, ::std::string::String), #codec_error> {
                match self {
                    #(Self::#idents #patterns => {
                        let state = #types #patterns;
                        let data = #runtime::codec::to_json(&state)?;
                        ::core::result::Result::Ok((#core::Target::into_enum(state), data))
                    })*
                }
            }
            fn decode(state: State, data: &str) -> ::core::result::Result<Self, #codec_error> {
                match state {
                    #(State::#idents => {
                        #runtime::codec::from_json::<#types>(data).map(#core::Target::into_enum)
                    })*
                }
            }
            fn encode_event(event: &Event) -> ::core::result::Result<::std::string::String, #codec_error> {
                #encode_event
            }
            fn decode_event(kind: EventKind, #payload: &str) -> ::core::result::Result<Event, #codec_error> {
                #decode_event
            }
            #(#further)*
            #timers
        }
    }
}

/// `enter`, for an operator who moves an instance, if a state has one.
fn enter(cx: &Cx<'_>) -> Option<TokenStream> {
    if !cx.machine.has_enter() {
        return None;
    }
    let core = &cx.core;
    let (context, shared) = (local("context"), cx.context_or_unit());
    let argument = cx.context.as_ref().map(|_| quote!(, #context)).unwrap_or_default();
    let arms = cx.machine.states.iter().enumerate().filter(|(_, state)| state.enter.is_some()).map(|(index, state)| {
        let (ident, ty, pattern) = (&state.ident, &state.ty, pattern(state));
        let entered = user_code::entered(cx, index, quote!(#ty #pattern), &argument);
        quote!(Self::#ident #pattern => #core::Target::into_enum(#entered),)
    });
    let otherwise = cx.machine.states.iter().any(|state| state.enter.is_none()).then(|| quote!(machine => machine,));
    let unused = cx.context.is_none().then(|| quote!(let () = #context;));
    Some(quote! {
        fn enter(self, #context: &mut #shared) -> Self {
            #unused
            match self {
                #(#arms)*
                #otherwise
            }
        }
    })
}

/// The conversions of the context to and from its column, at the user's tokens, so that rustc reports missing impls there.
fn codec(cx: &Cx<'_>) -> TokenStream {
    let runtime = &cx.runtime;
    let serde = quote!(#runtime::__private::serde);
    let serializer = local("__serializer");
    let header = |given: TokenStream, context: &TokenStream| {
        quote! {
            fn serialize_context<__Z: #serde::Serializer>(
                #given: &#context,
                #serializer: __Z,
            ) -> ::core::result::Result<__Z::Ok, __Z::Error>
        }
    };
    let Some(context) = &cx.context else {
        let header = header(quote!(()), &quote!(()));
        return quote! {
            #header {
                #serde::Serializer::serialize_unit(#serializer)
            }
            fn decode_context(_: &str) -> ::core::result::Result<(), #runtime::CodecError> {
                ::core::result::Result::Ok(())
            }
        };
    };
    let span = cx.machine.context.as_ref().map_or_else(Span::call_site, Spanned::span);
    let header = header(quote!(context), context);
    let encoded = quote_spanned!(span=> <#context as #serde::Serialize>::serialize(context, #serializer));
    let decoded = quote_spanned!(span=> #runtime::codec::from_json::<#context>(stored));
    quote! {
        #header {
            #encoded
        }
        fn decode_context(stored: &str) -> ::core::result::Result<#context, #runtime::CodecError> {
            #decoded
        }
    }
}

/// `exhausted_event`, if a state declares one.
pub(super) fn exhausted(cx: &Cx<'_>) -> Option<TokenStream> {
    let (runtime, states) = (&cx.runtime, &cx.machine.states);
    let declared = indices(states.len(), &|state| states[state].exhausted.is_some());
    let idents = declared.iter().map(|state| &states[*state].ident);
    let makers = declared.iter().map(|state| user_code::exhausted_fn(cx, *state));
    let otherwise = (declared.len() < states.len()).then(|| quote!(_ => ::core::option::Option::None,));
    (!declared.is_empty()).then(|| {
        quote! {
            fn exhausted_event(state: State, error: &#runtime::WorkError) -> ::core::option::Option<Event> {
                match state {
                    #(State::#idents => ::core::option::Option::Some(__user_code::#makers(error)),)*
                    #otherwise
                }
            }
        }
    })
}
