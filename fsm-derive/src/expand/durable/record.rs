//! `Record<S>`, the stored machine whose state is known at compile time, and `AnyRecord` to match on.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    super::states::docs,
    callers, convert,
    handle::{self, Handle},
};
use crate::{
    each::each,
    model::{Transition, plain},
    normalize::Cx,
    text,
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let (record, any, convert) = (record(cx), any(cx), convert::expand(cx));
    let methods = (0..cx.machine.states.len()).map(|state| methods(cx, state));
    quote!(#record #(#methods)* #any #convert)
}

fn record(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, runtime, enum_ty, s, e, .. } = cx;
    let event_of = callers::event_of(cx);
    let (vis, name, path) = (cx.vis(1), cx.machine.name(), text::of(runtime));
    let path = path.trim_start_matches("::");
    let doc = format!(
        "A stored `{name}` whose state `{s}` is known at compile time.\n\nEach transition is one compare-and-swap from the \
         version that was read. Through `Deref` it has the methods of \
         [`RawRecord`]({path}::RawRecord), as `id()` and `version()`, and \
         the fields of its state."
    );
    let into_parts = cx.context.as_ref().map(|context| {
        quote! {
            /// Takes the data of its state and the context out of the record.
            #[must_use]
            #vis fn into_parts(self) -> (#s, #context) {
                let (__state, __meta) = self.raw.__into_parts();
                (__state, #runtime::RecordMeta::__into_context(__meta))
            }
        }
    });
    let asked = cx.context.as_ref().map(|_| quote!(self.raw.context(),));
    let handle = Handle {
        name: "Record",
        raw: quote!(#runtime::RawRecord),
        attrs: quote!(#[doc = #doc]),
        methods: quote! {
            /// Takes the data of its state out of the record.
            #[must_use]
            #vis fn into_data(self) -> #s {
                self.raw.into_data()
            }
            #into_parts
            /// Makes the next transition idempotent: repeated with the same key, it returns the first result. With `None`, the
            /// transition has no key.
            #[must_use]
            #vis fn with_key(self, key: impl #runtime::IntoIdempotencyKey) -> Self {
                Self { raw: self.raw.with_key(key) }
            }
            /// Fires an event that its state declares: nothing is stored until it is awaited.
            #vis fn fire<#e: #event_of>(self, event: #e) -> #runtime::PendingTransition<#e::NextRecord, #enum_ty> {
                self.raw.__commit::<#e, _>(event, |machine, meta| {
                    ::core::option::Option::Some(#e::wrap(#core::Target::from_enum(machine).ok()?, meta, __Seal))
                })
            }
            /// Asks the guard of an event that its state declares, with the data that was read and without a transition.
            ///
            /// # Errors
            /// The guard's reason.
            #vis fn would_accept<#e: #event_of>(&self, event: &#e) -> ::core::result::Result<(), #core::Reason> {
                self.raw.__scope(|| event.__check(&self.raw, #asked __Seal))
            }
        },
        shown: &[],
    };
    handle.expand(cx)
}

fn methods(cx: &Cx<'_>, state: usize) -> TokenStream {
    let Cx { runtime, enum_ty, .. } = cx;
    handle::events(cx, "Record", state, &Transition::is_for_callers, &TokenStream::new(), &|transition| {
        let next = cx.target_ty(transition, &|state| quote!(Record<#state>));
        quote!(#runtime::PendingTransition<#next, #enum_ty>)
    })
}

fn any(cx: &Cx<'_>) -> TokenStream {
    let (runtime, e, vis) = (&cx.runtime, &cx.e, cx.vis(1));
    let states = &cx.machine.states;
    let idents = each(states, &|state| &state.ident);
    let types = each(states, &|state| &state.ty);
    let docs = states.iter().map(|state| docs(&state.attrs, &format!("In state `{}`.", plain(&state.ident))));
    let (accepts, accepts_doc) = (callers::accepts(cx), super::super::docs::accepts_of_record(cx.machine));
    let non_exhaustive = cx.machine.non_exhaustive.then(|| quote!(#[non_exhaustive]));
    quote! {
        /// A [`Record`] in any state, to match on after it was read. `Debug` prints everything but the data.
        #[derive(Debug)]
        #non_exhaustive
        #vis enum AnyRecord {
            #(#docs #idents(Record<#types>),)*
        }
        impl AnyRecord {
            /// The name of its state.
            #[must_use]
            #vis const fn state(&self) -> State {
                match self {
                    #(Self::#idents(_) => State::#idents,)*
                }
            }
            #[doc = #accepts_doc]
            #[must_use]
            #vis const fn accepts(&self) -> &'static [EventKind] {
                #accepts
            }
            /// Explains why it does not compile.
            #[doc(hidden)]
            #vis fn fire<#e: #runtime::__private::FireOnAnyRecord>(self, event: #e) -> #e::Next {
                event.__next()
            }
        }
    }
}
