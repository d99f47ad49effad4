//! The enum itself as a machine, for states and events that are only known at run time.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{apply::Apply, states::any_data};
use crate::{each::each, normalize::Cx};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, enum_ty, .. } = cx;
    let (vis, machine) = (cx.vis(1), cx.machine);
    let (params, clause) = (cx.all.params(&[]), cx.all.clause(&[]));
    let event = cx.events_ty();
    let idents = each(&machine.states, &|state| &state.ident);
    let any_data = machine.states.iter().map(any_data);
    let result = quote!(::core::result::Result<#enum_ty, #core::ApplyError<#enum_ty>>);
    let Apply { event: given, context: shared, body, items } = Apply::new(cx);
    let context = cx.context_or_unit();
    // rustc reports a context that is more private than the enum at the user's tokens.
    let place = cx.machine.context.as_ref().map_or_else(Span::call_site, Spanned::span);
    let context_item = quote_spanned!(place=> type Context = #context;);
    let (param, argument, unused) = match &cx.context {
        None => (None, None, quote!(_)),
        // Without a guard or a `with` nothing uses it.
        Some(context) => {
            let asked = machine.transitions.iter().any(|transition| machine.runs_code(transition));
            let name = if asked { quote!(#shared) } else { quote!(_) };
            (Some(quote!(, #name: &mut #context)), Some(quote!(, context)), quote!(context))
        }
    };
    let context_doc = cx.context.as_ref().map(|_| {
        let doc = " Guards read the context, a `with` may change it. A refused event leaves it unchanged.";
        quote!(#[doc = ""] #[doc = #doc])
    });
    quote! {
        impl #params #enum_ty #clause {
            /// The graph of this machine.
            #vis const GRAPH: &'static #core::Graph = __GRAPH;
            /// The name of its state.
            #[must_use]
            #[inline]
            #vis const fn state(&self) -> State {
                match self {
                    #(Self::#idents #any_data => State::#idents,)*
                }
            }
            /// The events that its state declares. A guard can still refuse one.
            #[must_use]
            #[inline]
            #vis const fn accepts(&self) -> &'static [EventKind] {
                State::accepts(Self::state(self))
            }
            /// Whether its state declares `event`.
            #[must_use]
            #[inline]
            #vis fn can(&self, event: EventKind) -> bool {
                #core::__private::names_contain(Self::accepts(self), event)
            }
            /// Why its state does not accept `event`, and which events lead to one that does; `None` if the state declares it.
            #[must_use]
            #[inline]
            #vis fn why_not(&self, event: EventKind) -> ::core::option::Option<#core::WhyNot> {
                #core::WhyNot::of(self, event)
            }
            /// Fires an event when state and event are only known at run time.
            #context_doc
            ///
            /// # Errors
            /// If the state does not declare the event, or a guard refuses it. Machine and event are in the error.
            #vis fn apply(self, #given: impl ::core::convert::Into<#event> #param) -> #result {
                let #given = ::core::convert::Into::into(#given);
                #body
            }
        }
        #items
        #[automatically_derived]
        impl #params #core::StateMachine for #enum_ty #clause {
            type State = State;
            type EventKind = EventKind;
            type Event = #event;
            #context_item
            const GRAPH: &'static #core::Graph = __GRAPH;
            #[inline]
            fn state(&self) -> State {
                Self::state(self)
            }
            #[inline]
            fn accepts(&self) -> &'static [EventKind] {
                Self::accepts(self)
            }
            fn apply(self, event: #event, #unused: &mut #context) -> #result {
                self.apply(event #argument)
            }
            #[inline]
            fn kind_of(event: &#event) -> EventKind {
                Event::kind(event)
            }
        }
    }
}
