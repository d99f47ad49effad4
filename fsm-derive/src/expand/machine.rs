//! The typestate: `Machine<S>`, the traits of its initial states and of its events, and `Any` to match on.

use proc_macro2::TokenStream;
use quote::quote;

use super::{docs, user_code};
use crate::{each::each, model::plain, normalize::Cx};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let (initial, event_of) = (initial(cx), event_of(cx));
    let (machine, machine_traits, any) = (machine(cx), machine_traits(cx), any(cx));
    quote! {
        /// Seals the traits of this module.
        mod __seal {
            /// Cannot be named outside of the module, so a trait that mentions it cannot be implemented there.
            #[derive(Clone, Copy, Debug)]
            pub struct __Seal;
        }
        use self::__seal::__Seal;

        #initial
        #event_of
        #machine
        #machine_traits
        #any
    }
}

fn initial(cx: &Cx<'_>) -> TokenStream {
    let (vis, name) = (cx.vis(1), cx.machine.name());
    let message = format!("`{{Self}}` is not an initial state of `{name}`");
    let (label, note) = (docs::initial_label(cx, None), docs::initial_note(cx.machine));
    let doc = format!("An initial state of `{name}`.");
    let initial = cx.initial_states();
    let types = each(&initial, &|state| cx.state_ty(*state));
    let (params, args, clause) = (cx.all.params(&[]), cx.all.args(&[]), cx.all.clause(&[]));
    let enters = enters_initial(cx);
    let param = cx.context.as_ref().map(|context| quote!(, context: &mut #context));
    let declared = enters.then(|| quote!(#[doc(hidden)] fn __enter(self #param, seal: __Seal) -> Self;));
    let entered = each(&initial, &|state| {
        let runs = cx.machine.states[*state].enter.is_some();
        let (context, name) = if runs { (quote!(, context), quote!(context)) } else { (TokenStream::new(), quote!(_)) };
        let param = cx.context.as_ref().map(|context| quote!(, #name: &mut #context));
        let context = if cx.context.is_some() { context } else { TokenStream::new() };
        let value = user_code::entered(cx, *state, quote!(self), &context);
        enters.then(|| quote!(fn __enter(self #param, _: __Seal) -> Self { #value }))
    });
    quote! {
        #[doc = #doc]
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
        #[doc(hidden)]
        #vis trait __Initial #params #clause {
            #[doc(hidden)]
            fn __seal(&self) -> __Seal;
            #declared
        }
        #(
            #[automatically_derived]
            impl #params __Initial #args for #types #clause {
                fn __seal(&self) -> __Seal {
                    __Seal
                }
                #entered
            }
        )*
    }
}

/// Whether an initial state has an `enter`.
fn enters_initial(cx: &Cx<'_>) -> bool {
    cx.machine.states.iter().any(|state| state.initial && state.enter.is_some())
}

fn event_of(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, runtime, enum_ty, s, e, .. } = cx;
    let (vis, name) = (cx.vis(1), cx.machine.name());
    let doc = format!("An event that a `{name}` accepts in state `{s}`: implemented for exactly the declared pairs.");
    let message = format!("illegal transition: `{{Self}}` is not accepted in state `{{{s}}}`");
    let label = format!("state `{{{s}}}` has no transition on this event");
    let note = docs::note(cx.machine);
    let (params, clause) = (cx.all.params(&[quote!(#s)]), cx.all.clause(&[]));
    let machine = cx.machine_ty(s);
    let this = cx.event_of(s);
    let context = cx.context_or_unit();
    let (param, bridged, argument) = match &cx.context {
        None => (None, quote!(_), None),
        Some(context) => (Some(quote!(context: &mut #context,)), quote!(context), Some(quote!(context,))),
    };
    let bridge_params = cx.all.params(&[quote!(#s), quote!(#e: #this)]);
    let transition = cx.by_state().then(|| {
        quote! {
            #[doc(hidden)]
            type Target: #core::Target<#enum_ty>;
            #[doc(hidden)]
            #[allow(clippy::missing_errors_doc)]
            fn transition(
                self,
                state: #s,
                #param
                seal: __Seal,
            ) -> ::core::result::Result<Self::Target, #core::GuardError<#s, Self>>;
        }
    });
    let check = {
        let param = cx.context.as_ref().map(|context| quote!(_: &#context,));
        quote! {
            #[doc(hidden)]
            #[allow(clippy::missing_errors_doc)]
            fn __check(&self, _: &#s, #param _: __Seal) -> ::core::result::Result<(), #core::Reason> {
                ::core::result::Result::Ok(())
            }
        }
    };
    let bridge = cx.durable().then(|| {
        quote! {
            #[automatically_derived]
            impl #bridge_params #core::Accepts<#s, #e> for #enum_ty #clause {
                type Target = #e::Target;
                const EVENT: EventKind = #e::EVENT;
                #[inline]
                fn transition(
                    state: #s,
                    event: #e,
                    #bridged: &mut #context,
                ) -> ::core::result::Result<#e::Target, #core::GuardError<#s, #e>> {
                    event.transition(state, #argument __Seal)
                }
            }
        }
    });
    let (supertraits, record) = if cx.durable() {
        let record = quote! {
            #[doc(hidden)]
            const EVENT: EventKind;
            /// The record, or the choice of records, after the transition.
            type NextRecord: ::core::marker::Send + 'static;
            #[doc(hidden)]
            fn wrap(target: Self::Target, meta: #runtime::RecordMeta<#enum_ty>, seal: __Seal) -> Self::NextRecord;
        };
        (quote!(#runtime::__private::serde::Serialize + ::core::marker::Send + ::core::marker::Sized + 'static), record)
    } else {
        (quote!(::core::marker::Sized), TokenStream::new())
    };
    quote! {
        #[doc = #doc]
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
        #[doc(hidden)]
        #vis trait __EventOf #params: #supertraits #clause {
            /// What [`Machine::fire`] returns.
            type Next;
            #[doc(hidden)]
            fn __fire(self, machine: #machine, seal: __Seal) -> Self::Next;
            #check
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
        "A `{name}` whose state `{s}` is known at compile time.\n\nIt starts in an initial state, is moved by the events that \
         its state declares, and can be restored from a `{name}` with `TryFrom`. It derefs to the data of its state."
    );
    let own = [quote!(#s)];
    let bounded = [quote!(#s: #core::StateOf<#enum_ty>)];
    let (declared, clause) = (cx.all.declared(&own), cx.all.clause(&[]));
    let (params, bounded) = (cx.all.params(&own), cx.all.params(&bounded));
    let (ty, event_of, initial_args) = (cx.machine_ty(s), cx.event_of(s), cx.all.args(&[]));
    let of = (!cx.all.is_empty()).then(|| quote!(of: ::core::marker::PhantomData<fn() -> #enum_ty>,));
    let value = cx.machine_value(quote!(state));
    let asked = cx.context.as_ref().map(|_| quote!(&self.context,));
    let Context { field, mut param, bind, methods } = Context::new(cx);
    // A context is boxed, and an `enter` is a function of a trait.
    let constant = (cx.context.is_none() && !enters_initial(cx)).then(|| quote!(const));
    let mut enter = TokenStream::new();
    if enters_initial(cx) {
        let argument = cx.context.as_ref().map(|_| quote!(, &mut context));
        param = cx.context.as_ref().map(|context| quote!(, mut context: #context)).unwrap_or_default();
        enter = quote!(let state = <#s as __Initial #initial_args>::__enter(state #argument, __Seal););
    }
    quote! {
        #[doc = #doc]
        #[must_use = "a machine that is dropped is lost"]
        #vis struct Machine #declared #clause {
            state: #s,
            #field
            #of
        }
        impl #params #ty #clause {
            /// Creates a machine in an initial state.
            #[inline]
            #vis #constant fn new(state: #s #param) -> Self
            where
                #s: __Initial #initial_args,
            {
                #enter
                #bind
                #value
            }
            /// The data of its state.
            #[must_use]
            #[inline]
            #vis const fn data(&self) -> &#s {
                &self.state
            }
            /// Takes the data of its state out of the machine.
            #[must_use]
            #[inline]
            #vis fn into_data(self) -> #s {
                self.state
            }
            /// Fires an event that its state declares.
            #[inline]
            #vis fn fire<#e: #event_of>(self, event: #e) -> #e::Next {
                event.__fire(self, __Seal)
            }
            /// Asks the guard of an event that its state declares, without a transition.
            ///
            /// # Errors
            /// The guard's reason.
            #vis fn would_accept<#e: #event_of>(&self, event: &#e) -> ::core::result::Result<(), #core::Reason> {
                event.__check(&self.state, #asked __Seal)
            }
            #methods
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

/// The parts of a machine that a context adds; empty without one.
#[derive(Default)]
struct Context {
    field: TokenStream,
    param: TokenStream,
    /// Turns the parameter into the field.
    bind: TokenStream,
    methods: TokenStream,
}

impl Context {
    fn new(cx: &Cx<'_>) -> Self {
        let Some(context) = &cx.context else {
            return Self::default();
        };
        let (vis, s, boxed) = (cx.vis(1), &cx.s, cx.boxed());
        Self {
            field: quote!(context: #boxed<#context>,),
            param: quote!(, context: #context),
            bind: quote!(let context = #boxed::new(context);),
            methods: quote! {
                /// The context, which all states share.
                #[must_use]
                #[inline]
                #vis fn context(&self) -> &#context {
                    &self.context
                }
                /// The context, to change it without a transition.
                #[inline]
                #vis fn context_mut(&mut self) -> &mut #context {
                    &mut self.context
                }
                /// Takes the data of its state and the context out of the machine.
                #[must_use]
                #[inline]
                #vis fn into_parts(self) -> (#s, #context) {
                    (self.state, *self.context)
                }
            },
        }
    }
}

/// Implementations of std's traits: `Deref`, `Debug`, `Clone`, `PartialEq`, and the conversions from and to the enum.
fn machine_traits(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, enum_ty, s, .. } = cx;
    let clause = cx.all.clause(&[]);
    let whole = cx.whole_ty();
    let with = |bound: TokenStream| cx.all.params(&[quote!(#s: #bound)]);
    let (params, bounded) = (cx.all.params(&[quote!(#s)]), with(quote!(#core::StateOf<#enum_ty>)));
    let (debug, clone, eq) =
        (with(quote!(::core::fmt::Debug)), with(quote!(::core::clone::Clone)), with(quote!(::core::cmp::PartialEq)));
    let ty = cx.machine_ty(s);
    let (value, cloned) =
        (cx.machine_value(quote!(state)), cx.machine_value(quote!(::core::clone::Clone::clone(&self.state))));
    let boxed = cx.boxed();
    let (parts, bind, context, back) = match &cx.context {
        None => (quote!(machine), None, quote!(()), quote!(#core::Target::into_enum(machine.state))),
        Some(_) => (
            quote!((machine, context)),
            Some(quote!(let context = #boxed::new(context);)),
            quote!(context),
            quote!((#core::Target::into_enum(machine.state), *machine.context)),
        ),
    };
    let clone_context = cx.context.as_ref().map(|_| quote!(let context = ::core::clone::Clone::clone(&self.context);));
    let eq_context = cx.context.as_ref().map(|_| quote!(&&self.context == other.context));
    // rustc rejects a bound on a concrete type that does not hold, unless it is quantified over a lifetime. So a machine can be cloned
    // exactly if its context can.
    let where_context = |bound: TokenStream| {
        let predicate = cx.context.as_ref().map(|context| quote!(for<'context> #context: #bound));
        cx.all.clause(predicate.as_slice())
    };
    let clone_clause = where_context(quote!(::core::clone::Clone));
    let eq_clause = where_context(quote!(::core::cmp::PartialEq));
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
                #core::__private::debug_machine(f, &self.state)
            }
        }
        #[automatically_derived]
        impl #clone ::core::clone::Clone for #ty #clone_clause {
            #[inline]
            fn clone(&self) -> Self {
                #clone_context
                #cloned
            }
        }
        #[automatically_derived]
        impl #eq ::core::cmp::PartialEq for #ty #eq_clause {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                self.state == other.state #eq_context
            }
        }
        #[automatically_derived]
        impl #bounded ::core::convert::TryFrom<#whole> for #ty #clause {
            type Error = #core::WrongStateError<#enum_ty>;
            fn try_from(#parts: #whole) -> ::core::result::Result<Self, #core::WrongStateError<#enum_ty>> {
                match #s::from_enum(machine) {
                    ::core::result::Result::Ok(state) => {
                        #bind
                        ::core::result::Result::Ok(#value)
                    }
                    ::core::result::Result::Err(machine) => {
                        ::core::result::Result::Err(#core::WrongStateError::new::<#s>(machine, #context))
                    }
                }
            }
        }
        #[automatically_derived]
        impl #bounded ::core::convert::From<#ty> for #whole #clause {
            #[inline]
            fn from(machine: #ty) -> Self {
                #back
            }
        }
    }
}

fn any(cx: &Cx<'_>) -> TokenStream {
    let (core, e, vis) = (&cx.core, &cx.e, cx.vis(1));
    // A context need not implement the others.
    let of_both: &[&str] = if cx.context.is_none() { &["Clone", "Debug", "PartialEq"] } else { &["Debug"] };
    let derives = cx.derives(1, &|name| of_both.contains(&name));
    let states = &cx.machine.states;
    let idents = each(states, &|state| &state.ident);
    let docs =
        states.iter().map(|state| super::states::docs(&state.attrs, &format!("In state `{}`.", plain(&state.ident))));
    let machines = (0..states.len()).map(|state| cx.machine_ty(cx.state_ty(state)));
    let (declared, params, args, clause) =
        (cx.all.declared(&[]), cx.all.params(&[]), cx.all.args(&[]), cx.all.clause(&[]));
    let non_exhaustive = cx.machine.non_exhaustive.then(|| quote!(#[non_exhaustive]));
    let context = cx.context.as_ref().map(|context| {
        quote! {
            /// The context, which all states share.
            #[must_use]
            #vis fn context(&self) -> &#context {
                match self {
                    #(Self::#idents(machine) => &machine.context,)*
                }
            }
            /// The context, to change it without a transition.
            #vis fn context_mut(&mut self) -> &mut #context {
                match self {
                    #(Self::#idents(machine) => &mut machine.context,)*
                }
            }
        }
    });
    quote! {
        /// A [`Machine`] in any state, to match on after it was restored.
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
            #context
            /// Explains why it does not compile.
            #[doc(hidden)]
            #vis fn fire<#e: #core::__private::FireOnAny>(self, event: #e) -> #e::Next {
                event.__next()
            }
        }
    }
}
