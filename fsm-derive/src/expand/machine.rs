//! The typestate: `Machine<S>`, what it can be born in and moved by, and `Any` to match on.

use proc_macro2::TokenStream;
use quote::quote;

use super::{cx::Cx, docs, states::pattern};
use crate::{
    hint,
    model::{State, plain},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let (initial, event_of) = (initial(cx), event_of(cx));
    let (machine, machine_traits, any) = (machine(cx), machine_traits(cx), any(cx));
    quote! {
        mod seal {
            /// Cannot be named outside, so that nobody else can implement a trait that mentions it.
            #[derive(Clone, Copy, Debug)]
            pub struct Seal;
        }
        use self::seal::Seal;

        #initial
        #event_of
        #machine
        #machine_traits
        #any
    }
}

fn initial(cx: &Cx<'_>) -> TokenStream {
    let (vis, name) = (cx.vis(1), cx.machine.name());
    let born: Vec<_> = (0..cx.machine.states.len()).filter(|state| cx.machine.states[*state].initial).collect();
    let names = born.iter().map(|state| &cx.machine.states[*state].name);
    let message = format!("no `{name}` is born in state `{{Self}}`");
    let note = match &born[..] {
        [_] => format!("the initial state of `{name}` is {}", hint::list(names)),
        _ => format!("the initial states of `{name}` are {}", hint::list(names)),
    }
    .replace('{', "{{")
    .replace('}', "}}");
    let doc = format!("A state in which a `{name}` can be born.");
    let types = born.iter().map(|state| cx.state_ty(*state));
    let (params, args, clause) = (cx.all.params(&[]), cx.all.args(&[]), cx.all.clause(&[]));
    let bridge = cx.durable().then(|| {
        let (runtime, s, enum_ty) = (&cx.runtime, &cx.s, &cx.enum_ty);
        quote! {
            #[automatically_derived]
            impl<#s: Initial> #runtime::BornIn<#s> for #enum_ty {}
        }
    });
    quote! {
        #[doc = #doc]
        #[diagnostic::on_unimplemented(message = #message, label = "not an initial state", note = #note)]
        #vis trait Initial #params #clause {
            #[doc(hidden)]
            fn seal(&self) -> Seal;
        }
        #(
            #[automatically_derived]
            impl #params Initial #args for #types #clause {
                fn seal(&self) -> Seal {
                    Seal
                }
            }
        )*
        #bridge
    }
}

fn event_of(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, runtime, enum_ty, s, e, .. } = cx;
    let (vis, name) = (cx.vis(1), cx.machine.name());
    let doc = format!("An event that a `{name}` accepts in state `{s}`: implemented for exactly the declared pairs.");
    let message = format!("illegal transition: `{{Self}}` is not accepted in state `{{{s}}}`");
    let label = format!("`{{{s}}}` declares no transition on this event");
    let note = docs::note(cx.machine);
    let (params, clause) = (cx.all.params(&[quote!(#s)]), cx.all.clause(&[]));
    let machine = cx.machine_ty(s);
    let this = cx.event_of(s);
    let bridge_params = cx.all.params(&[quote!(#s), quote!(#e: #this)]);
    let transition = cx.by_state().then(|| {
        quote! {
            #[doc(hidden)]
            type Target: #core::Target<#enum_ty>;
            #[doc(hidden)]
            #[allow(clippy::missing_errors_doc)]
            fn transition(self, state: #s, seal: Seal) -> ::core::result::Result<Self::Target, #core::Refused<#s, Self>>;
        }
    });
    let bridge = cx.durable().then(|| {
        quote! {
            #[automatically_derived]
            impl #bridge_params #core::Accepts<#s, #e> for #enum_ty #clause {
                type Target = #e::Target;
                const EVENT: EventKind = #e::EVENT;
                #[inline]
                fn transition(state: #s, event: #e) -> ::core::result::Result<#e::Target, #core::Refused<#s, #e>> {
                    event.transition(state, Seal)
                }
            }
        }
    });
    let (supertraits, record) = if cx.durable() {
        let record = quote! {
            #[doc(hidden)]
            const EVENT: EventKind;
            /// What [`Record::fire`] leads to.
            type NextRecord: ::core::marker::Send + 'static;
            #[doc(hidden)]
            fn wrap(target: Self::Target, meta: #runtime::Meta<#enum_ty>, seal: Seal) -> Self::NextRecord;
        };
        (quote!(#runtime::__private::serde::Serialize + ::core::marker::Send + ::core::marker::Sized + 'static), record)
    } else {
        (quote!(::core::marker::Sized), TokenStream::new())
    };
    quote! {
        #[doc = #doc]
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
        #vis trait EventOf #params: #supertraits #clause {
            /// What [`Machine::fire`] returns.
            type Next;
            #[doc(hidden)]
            fn fire(self, machine: #machine, seal: Seal) -> Self::Next;
            #transition
            #record
        }
        #bridge
    }
}

fn machine(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, enum_ty, s, e, .. } = cx;
    let (vis, name) = (cx.vis(1), cx.machine.name());
    let doc = format!(
        "A `{name}` whose state `{s}` is known at compile time.\n\nIt is born in an initial state, moved by the events that \
         its state declares, and restored from a `{name}` with `TryFrom`; nothing else makes one. The data of the state are \
         its fields, through `Deref`."
    );
    let own = [quote!(#s)];
    let bounded = [quote!(#s: #core::StateOf<#enum_ty>)];
    let (declared, clause) = (cx.all.declared(&own), cx.all.clause(&[]));
    let (params, bounded) = (cx.all.params(&own), cx.all.params(&bounded));
    let (ty, event_of, initial_args) = (cx.machine_ty(s), cx.event_of(s), cx.all.args(&[]));
    let of = (!cx.all.is_empty()).then(|| quote!(of: ::core::marker::PhantomData<fn() -> #enum_ty>,));
    let value = cx.machine_value(quote!(state));
    quote! {
        #[doc = #doc]
        #[must_use = "a machine that is dropped is lost"]
        #vis struct Machine #declared #clause {
            state: #s,
            #of
        }
        impl #params #ty #clause {
            /// A new machine, in a state in which one can be born.
            #[inline]
            #vis fn new(state: #s) -> Self
            where
                #s: Initial #initial_args,
            {
                #value
            }
            /// What it holds in this state.
            #[must_use]
            #[inline]
            #vis const fn data(&self) -> &#s {
                &self.state
            }
            /// What it holds in this state, without the machine.
            #[must_use]
            #[inline]
            #vis fn into_data(self) -> #s {
                self.state
            }
            /// Fires an event that its state declares.
            #[inline]
            #vis fn fire<#e: #event_of>(self, event: #e) -> #e::Next {
                event.fire(self, Seal)
            }
        }
        impl #bounded #ty #clause {
            /// The name of its state.
            #[must_use]
            #[inline]
            #vis const fn state(&self) -> State {
                #s::STATE
            }
        }
    }
}

/// What std's traits make of a machine: data, copies, and the ways to and from the enum.
fn machine_traits(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, enum_ty, s, .. } = cx;
    let clause = cx.all.clause(&[]);
    let with = |bound: TokenStream| cx.all.params(&[quote!(#s: #bound)]);
    let (params, bounded) = (cx.all.params(&[quote!(#s)]), with(quote!(#core::StateOf<#enum_ty>)));
    let (debug, clone, eq) =
        (with(quote!(::core::fmt::Debug)), with(quote!(::core::clone::Clone)), with(quote!(::core::cmp::PartialEq)));
    let ty = cx.machine_ty(s);
    let (value, cloned) = (cx.machine_value(quote!(state)), cx.machine_value(quote!(self.state.clone())));
    quote! {
        #[automatically_derived]
        impl #params ::core::ops::Deref for #ty #clause {
            type Target = #s;
            #[inline]
            fn deref(&self) -> &#s {
                &self.state
            }
        }
        #[automatically_derived]
        impl #debug ::core::fmt::Debug for #ty #clause {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_tuple("Machine").field(&self.state).finish()
            }
        }
        #[automatically_derived]
        impl #clone ::core::clone::Clone for #ty #clause {
            #[inline]
            fn clone(&self) -> Self {
                #cloned
            }
        }
        #[automatically_derived]
        impl #eq ::core::cmp::PartialEq for #ty #clause {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                self.state == other.state
            }
        }
        #[automatically_derived]
        impl #bounded ::core::convert::TryFrom<#enum_ty> for #ty #clause {
            type Error = #core::WrongState<#enum_ty>;
            fn try_from(machine: #enum_ty) -> ::core::result::Result<Self, #core::WrongState<#enum_ty>> {
                match #s::from_enum(machine) {
                    ::core::result::Result::Ok(state) => ::core::result::Result::Ok(#value),
                    ::core::result::Result::Err(machine) => {
                        ::core::result::Result::Err(#core::WrongState::new::<#s>(machine))
                    }
                }
            }
        }
        #[automatically_derived]
        impl #bounded ::core::convert::From<#ty> for #enum_ty #clause {
            #[inline]
            fn from(machine: #ty) -> Self {
                machine.state.into_enum()
            }
        }
    }
}

fn any(cx: &Cx<'_>) -> TokenStream {
    let (core, enum_ty, vis) = (&cx.core, &cx.enum_ty, cx.vis(1));
    let derives = cx.derives(1, |name| ["Clone", "Debug", "PartialEq"].contains(&name));
    let states = &cx.machine.states;
    let idents: Vec<_> = states.iter().map(|state| &state.ident).collect();
    let docs =
        states.iter().map(|state| super::states::docs(&state.attrs, &format!("In state `{}`.", plain(&state.ident))));
    let machines = (0..states.len()).map(|state| cx.machine_ty(cx.state_ty(state)));
    let (declared, params, args, clause) =
        (cx.all.declared(&[]), cx.all.params(&[]), cx.all.args(&[]), cx.all.clause(&[]));
    let (enum_path, patterns) = (&cx.enum_path, states.iter().map(pattern));
    let values = states.iter().map(|state: &State| {
        let (ident, pattern) = (&state.ident, pattern(state));
        cx.machine_value(quote!(#ident #pattern))
    });
    let non_exhaustive = cx.machine.non_exhaustive.then(|| quote!(#[non_exhaustive]));
    quote! {
        /// A [`Machine`] in any state, to match on after a restore.
        #derives
        #[must_use = "a machine that is dropped is lost"]
        #non_exhaustive
        #vis enum Any #declared #clause {
            #(#docs #idents(#machines),)*
        }
        impl #params Any #args #clause {
            /// The name of its state.
            #[must_use]
            #vis const fn state(&self) -> State {
                match self {
                    #(Self::#idents(_) => State::#idents,)*
                }
            }
        }
        #[automatically_derived]
        impl #params ::core::convert::From<#enum_ty> for Any #args #clause {
            fn from(machine: #enum_ty) -> Self {
                match machine {
                    #(#enum_path::#idents #patterns => Self::#idents(#values),)*
                }
            }
        }
        #[automatically_derived]
        impl #params ::core::convert::From<Any #args> for #enum_ty #clause {
            fn from(machine: Any #args) -> Self {
                match machine {
                    #(Any::#idents(machine) => #core::Target::into_enum(machine.state),)*
                }
            }
        }
    }
}
