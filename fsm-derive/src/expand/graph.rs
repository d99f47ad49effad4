//! The graph as `const` data.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};

use super::{saga, user_code, waits};
use crate::{
    each::each,
    model::{Field, History, Kind, Machine, Origin, State, plain},
    normalize::Cx,
    parse::{Delay, Function, Quantity},
    text,
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let core = &cx.core;
    let machine = cx.machine;
    let name = machine.name();
    let doc = with("doc", text(&machine.doc));
    let version = with("version", (machine.version != 1).then_some(machine.version));
    let context = with("context", machine.context.as_ref().map(text::of));
    let mut states = Vec::new();
    for (index, state) in machine.states.iter().enumerate() {
        states.push(self::state(cx, index, state));
    }
    let states = with_all("states", &states);
    let events = each(&machine.events, &|event| {
        let (name, fields) = (&event.name, with_all("fields", &fields(cx, &event.fields)));
        quote!(#core::EventInfo::new(#name) #fields)
    });
    let events = with_all("events", &events);
    let transitions = each(&machine.transitions, &|transition| {
        let from = &machine.states[transition.from].name;
        let event = &machine.events[transition.event].name;
        let to = transition.to.iter().map(|to| &machine.states[*to].name);
        let (guarded, auto) = (flag("guarded", transition.guard.is_some()), flag("auto", transition.auto));
        let internal = flag("internal", transition.internal);
        let rewinds = each(&transition.rewinds, &|timer| machine.events[*timer].name.to_token_stream());
        let rewinds = with_all("rewinds", &rewinds);
        let by = with("by", (!transition.is_for_callers()).then(|| quote!(#core::FiredBy::Worker)));
        let overrides = with("overrides", transition.overrides.map(|outer| outer_name(machine, outer)));
        let history = with("history", transition.history.map(|history| self::history(cx, history)));
        quote! {
            #core::TransitionInfo::new(#from, #event, &[#(#to),*])
                #guarded #auto #internal #rewinds #by #overrides #history
        }
    });
    let transitions = with_all("transitions", &transitions);
    let groups = each(&machine.groups, &|group| {
        let name = plain(&group.ident);
        let parent = with("parent", group.parent.map(|parent| plain(&machine.groups[parent].ident)));
        quote!(#core::GroupInfo::new(#name) #parent)
    });
    let groups = with_all("groups", &groups);
    let saga = with("saga", saga::info(cx));
    quote! {
        const __GRAPH: &#core::Graph =
            &#core::Graph::new(#name) #doc #version #context #states #events #transitions #groups #saga;
    }
}

fn history(cx: &Cx<'_>, history: History) -> TokenStream {
    let (core, group) = (&cx.core, plain(&cx.machine.groups[history.group].ident));
    let deep = flag("deep", history.deep);
    quote!(#core::HistoryInfo::new(#group) #deep)
}

/// The superstate of an outer declaration, or the machine.
fn outer_name(machine: &Machine, outer: Origin) -> String {
    match outer {
        Origin::Group(group) => plain(&machine.groups[group].ident),
        Origin::State | Origin::Enum => machine.name(),
    }
}

fn state(cx: &Cx<'_>, index: usize, state: &State) -> TokenStream {
    let core = &cx.core;
    let State { name, .. } = state;
    let doc = with("doc", text(&state.doc));
    let kind = match state.kind {
        Kind::Rest => None,
        Kind::Work => Some(quote!(#core::StateKind::Work)),
        Kind::End => Some(quote!(#core::StateKind::End)),
    };
    let kind = with("kind", kind);
    let (initial, remove) = (flag("initial", state.initial), flag("remove", state.remove));
    let was = with_all("was", &each(&state.was, &ToTokens::to_token_stream));
    let group = with("group", state.group.map(|group| plain(&cx.machine.groups[group].ident)));
    let fields = with_all("fields", &fields(cx, &state.fields));
    let timers = each(&state.timers, &|timer| {
        let event = &cx.machine.events[timer.fires.event].name;
        let after = match &timer.delay {
            Delay::Known(delay) => {
                let (seconds, nanos) = (delay.as_secs(), delay.subsec_nanos());
                quote!(::core::time::Duration::new(#seconds, #nanos))
            }
            Delay::Const(_) => {
                let delay = user_code::delay_const(cx, index, timer);
                quote!(__user_code::#delay)
            }
            Delay::Computed(closure) => {
                let body = closure.text();
                return quote!(#core::TimerInfo::computed(#body, #event));
            }
            Delay::At(closure) => {
                let body = closure.text();
                return quote!(#core::TimerInfo::at(#body, #event));
            }
        };
        quote!(#core::TimerInfo::new(#after, #event))
    });
    let timers = with_all("timers", &timers);
    let exhausted = state.exhausted.as_ref().map(|exhausted| &cx.machine.events[exhausted.event].name);
    let exhausted = with("exhausted", exhausted);
    let mut waits = Vec::new();
    for place in 0..state.waits.len() {
        waits.push(wait(cx, index, place));
    }
    let waits = with_all("waits", &waits);
    let enter = with("enter", state.enter.as_ref().map(Function::name));
    quote! {
        #core::StateInfo::new(#name) #doc #kind #initial #remove #was #group #fields #timers #exhausted #enter #waits
    }
}

fn wait(cx: &Cx<'_>, state: usize, place: usize) -> TokenStream {
    let core = &cx.core;
    let wait = &cx.machine.states[state].waits[place];
    let field = cx.machine.states[state].fields[wait.field].name();
    let (machine, states) = (wait.machine_name(&cx.machine.name()), waits::states(cx, state, place));
    let event = &cx.machine.events[wait.fires.event].name;
    let missing = flag("missing", wait.missing);
    let quantity = match wait.quantity {
        Quantity::One => None,
        Quantity::All => Some(quote!(#core::WaitQuantity::All)),
        Quantity::Any => Some(quote!(#core::WaitQuantity::Any)),
        Quantity::AtLeast(count) => Some(quote!(#core::WaitQuantity::AtLeast(#count))),
    };
    let quantity = with("quantity", quantity);
    quote!(#core::WaitInfo::new(#field, #machine, __user_code::#states, #event) #missing #quantity)
}

fn fields(cx: &Cx<'_>, fields: &[Field]) -> Vec<TokenStream> {
    let core = &cx.core;
    each(fields, &|field| {
        let (name, ty) = (field.name(), text::of(&field.ty));
        quote!(#core::FieldInfo::new(#name, #ty))
    })
}

/// A call of the setter of `field`; nothing if the field keeps its default.
fn with(field: &str, value: Option<impl ToTokens>) -> Option<TokenStream> {
    let method = format_ident!("with_{field}");
    value.map(|value| quote!(.#method(#value)))
}

fn with_all(field: &str, items: &[TokenStream]) -> Option<TokenStream> {
    with(field, (!items.is_empty()).then(|| quote!(&[#(#items),*])))
}

fn flag(field: &str, value: bool) -> Option<TokenStream> {
    with(field, value.then_some(true))
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
