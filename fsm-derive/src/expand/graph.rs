//! The graph as `const` data.

use proc_macro2::TokenStream;
use quote::quote;

use super::user_code;
use crate::{
    model::{Field, Kind, State, plain},
    normalize::Cx,
    parse::Delay,
    text,
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let core = &cx.core;
    let machine = cx.machine;
    let (name, doc, version) = (machine.name(), &machine.doc, machine.version);
    let context = option(machine.context.as_ref().map(text::of));
    let states = machine.states.iter().enumerate().map(|(index, state)| self::state(cx, index, state));
    let events = machine.events.iter().map(|event| {
        let (name, fields) = (&event.name, fields(cx, &event.fields));
        quote!(#core::EventInfo { name: #name, fields: &[#(#fields),*] })
    });
    let transitions = machine.transitions.iter().map(|transition| {
        let from = &machine.states[transition.from].name;
        let event = &machine.events[transition.event].name;
        let to = transition.to.iter().map(|to| &machine.states[*to].name);
        let (guarded, auto) = (transition.guard.is_some(), transition.auto);
        quote! {
            #core::TransitionInfo {
                from: #from, event: #event, to: &[#(#to),*], guarded: #guarded, auto: #auto, doc: "",
            }
        }
    });
    let groups = machine.groups.iter().map(|group| plain(&group.ident));
    quote! {
        const __GRAPH: &#core::Graph = &#core::Graph {
            machine: #name,
            doc: #doc,
            version: #version,
            context: #context,
            states: &[#(#states),*],
            events: &[#(#events),*],
            transitions: &[#(#transitions),*],
            groups: &[#(#core::GroupInfo { name: #groups, doc: "" }),*],
        };
    }
}

fn state(cx: &Cx<'_>, index: usize, state: &State) -> TokenStream {
    let core = &cx.core;
    let State { name, doc, initial, was, remove, .. } = state;
    let kind = match state.kind {
        Kind::Rest => quote!(Rest),
        Kind::Work => quote!(Work),
        Kind::End => quote!(End),
    };
    let fields = fields(cx, &state.fields);
    let group = option(state.group.map(|group| plain(&cx.machine.groups[group].ident)));
    let exhausted = option(state.exhausted.as_ref().map(|exhausted| &cx.machine.events[exhausted.event].name));
    let timer = match &state.timer {
        None => quote!(::core::option::Option::None),
        Some(timer) => {
            let event = &cx.machine.events[timer.fires.event].name;
            let after = match &timer.delay {
                Delay::Known(delay) => {
                    let (seconds, nanos) = (delay.as_secs(), delay.subsec_nanos());
                    quote!(::core::time::Duration::new(#seconds, #nanos))
                }
                Delay::Const(_) => {
                    let delay = user_code::delay_const(cx, index);
                    quote!(__user_code::#delay)
                }
            };
            quote!(::core::option::Option::Some(#core::TimerInfo { after: #after, event: #event }))
        }
    };
    quote! {
        #core::StateInfo {
            name: #name,
            doc: #doc,
            kind: #core::StateKind::#kind,
            initial: #initial,
            remove: #remove,
            was: &[#(#was),*],
            group: #group,
            fields: &[#(#fields),*],
            timer: #timer,
            exhausted: #exhausted,
        }
    }
}

fn fields<'f>(cx: &Cx<'_>, fields: &'f [Field]) -> impl Iterator<Item = TokenStream> + use<'f> {
    let core = cx.core.clone();
    fields.iter().map(move |field| {
        let (name, ty) = (field.name(), text::of(&field.ty));
        quote!(#core::FieldInfo { name: #name, ty: #ty })
    })
}

fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    value.map_or_else(|| quote!(::core::option::Option::None), |value| quote!(::core::option::Option::Some(#value)))
}
