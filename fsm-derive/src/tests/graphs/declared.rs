//! Random declarations, as data and as tokens.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use proptest::{prelude::*, sample::Index};
use quote::{ToTokens as _, format_ident, quote};
use syn::Ident;

/// A declaration in its simplest terms: states, events and superstates are numbers.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) durable: bool,
    pub(super) states: Vec<State>,
    /// For each event, whether its payload has the fields `x` and `y`.
    pub(super) events: Vec<[bool; 2]>,
    pub(super) groups: Vec<Group>,
    pub(super) wide: Vec<On>,
    /// The index of a property, and its two states.
    pub(super) requires: Vec<(usize, usize, usize)>,
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    /// An index below its own.
    pub(super) parent: Option<usize>,
    pub(super) ons: Vec<On>,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) kind: Kind,
    pub(super) initial: bool,
    pub(super) fields: [bool; 2],
    /// The superstate whose history it holds in the field `was`.
    pub(super) holds: Option<usize>,
    /// An index out of range is an undeclared name.
    pub(super) group: Option<usize>,
    /// The events that they fire.
    pub(super) timers: Vec<usize>,
    pub(super) enter: bool,
    pub(super) waits: Vec<Wait>,
    pub(super) ons: Vec<On>,
}

/// What a state waits for.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    /// A field, which the state may not have.
    pub(super) field: usize,
    /// `all`, `any` or `at_least(2, …)`; 0 for one instance.
    pub(super) quantity: usize,
    /// The machine itself, or another one.
    pub(super) own: bool,
    /// States of the awaited machine, which the derive does not know.
    pub(super) states: Vec<usize>,
    pub(super) missing: bool,
    pub(super) event: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rest,
    Work,
    End,
}

#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Debug)]
pub(super) struct On {
    pub(super) event: usize,
    /// An index out of range is an undeclared name.
    pub(super) to: Vec<usize>,
    /// `_` instead of the targets.
    pub(super) internal: bool,
    /// `history(…)` of this superstate instead of the targets, deep or not. An index out of range is an undeclared name.
    pub(super) history: Option<(usize, bool)>,
    /// `Self` as one more target.
    pub(super) back: bool,
    pub(super) except: Vec<usize>,
    /// The events of timers.
    pub(super) rewind: Vec<usize>,
    pub(super) with: bool,
    pub(super) guard: bool,
    pub(super) auto: bool,
    /// `by = worker`.
    pub(super) by: bool,
}

/// The fields that states and payloads can have.
pub(super) const FIELDS: [&str; 2] = ["x", "y"];
pub(super) const PROPERTIES: [&str; 3] = ["before", "never", "reaches"];

/// Random declarations. Half of them have arbitrary mistakes; the others are repaired, so that most are valid.
pub(super) fn declarations() -> impl Strategy<Value = Declared> {
    let field = || prop::array::uniform2(prop::bool::weighted(0.2));
    let events = prop::collection::vec(field(), 1..6);
    let shape = (1_usize..9, events, 0_usize..4);
    (shape, any::<bool>()).prop_flat_map(move |((states, events, groups), repair)| {
        let (unknown, count) = (if repair { 0.0 } else { 0.02 }, events.len());
        let on = || on(states, count, groups, unknown);
        let kind = prop_oneof![4 => Just(Kind::Rest), 2 => Just(Kind::Work), 2 => Just(Kind::End)];
        let ons = prop::collection::vec(on(), 0..4);
        let group = prop::option::weighted(0.4, number(groups, unknown / 2.0))
            .prop_map(|group| group.filter(|group| *group != NOWHERE));
        let timers = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(0..count, 1..4)];
        let holds = prop::option::weighted(0.2, any::<Index>())
            .prop_map(move |index| index.filter(|_| groups > 0).map(|index| index.index(groups)));
        let waits = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(wait(count), 1..4)];
        let group = (group, holds, waits);
        let state = (kind, prop::bool::weighted(0.3), field(), group, timers, prop::bool::weighted(0.2), ons).prop_map(
            |(kind, initial, fields, (group, holds, waits), timers, enter, ons)| State {
                kind,
                initial,
                fields,
                holds,
                group,
                timers,
                enter,
                waits,
                ons,
            },
        );
        let declared = (
            prop::bool::weighted(0.5),
            prop::collection::vec(state, states),
            prop::collection::vec(
                (prop::option::weighted(0.5, any::<Index>()), prop::collection::vec(on(), 0..3)),
                groups,
            ),
            prop::collection::vec(on(), 0..3),
            prop::collection::vec((0_usize..3, number(states, unknown), number(states, unknown)), 0..2),
        );
        declared.prop_map(move |(durable, states, groups, wide, requires)| {
            let events = events.clone();
            let parent = |(index, (parent, ons)): (usize, (Option<Index>, Vec<On>))| Group {
                parent: parent.filter(|_| index > 0).map(|parent| parent.index(index)),
                ons,
            };
            let groups = groups.into_iter().enumerate().map(parent).collect();
            let mut declared = Declared { durable, states, events, groups, wide, requires };
            if repair {
                declared.repair();
            }
            declared
        })
    })
}

/// There is nothing to choose from.
const NOWHERE: usize = usize::MAX;

/// An index below `count`, or, with probability `unknown`, `count` itself.
fn number(count: usize, unknown: f64) -> impl Strategy<Value = usize> {
    (any::<Index>(), prop::bool::weighted(unknown)).prop_map(move |(index, is_unknown)| match count {
        _ if is_unknown => count,
        0 => NOWHERE,
        _ => index.index(count),
    })
}

fn wait(events: usize) -> impl Strategy<Value = Wait> {
    let states = prop_oneof![3 => prop::collection::vec(0_usize..4, 1), 1 => prop::collection::vec(0_usize..4, 2..4)];
    let options = (0..FIELDS.len(), 0_usize..4, any::<bool>(), prop::bool::weighted(0.3));
    (options, states, 0..events).prop_map(|((field, quantity, own, missing), states, event)| Wait {
        field,
        quantity,
        own,
        states,
        missing,
        event,
    })
}

fn on(states: usize, events: usize, groups: usize, unknown: f64) -> impl Strategy<Value = On> {
    let to = prop_oneof![
        5 => prop::collection::vec(number(states, unknown), 1),
        1 => prop::collection::vec(number(states, unknown), 2..4),
    ];
    let except = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(number(states, unknown), 1..3),
    ];
    let one_in_five = || prop::bool::weighted(0.2);
    let one_in_ten = || prop::bool::weighted(0.1);
    let options = (one_in_five(), one_in_five(), one_in_five(), one_in_ten(), one_in_ten(), one_in_ten());
    let history = prop::option::weighted(0.35, (number(groups, unknown), any::<bool>()))
        .prop_map(|history| history.filter(|(group, _)| *group != NOWHERE));
    let rewind = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(0..events, 1..4)];
    let options = (options, history, rewind);
    (0..events, to, except, options).prop_map(
        |(event, to, except, ((with, guard, auto, internal, back, by), history, rewind))| On {
            event,
            to,
            internal,
            history: history.filter(|_| !internal),
            back: back && !internal && history.is_none(),
            except,
            rewind,
            with,
            guard,
            auto,
            by,
        },
    )
}

impl Declared {
    /// Removes most mistakes.
    fn repair(&mut self) {
        self.requires.clear();
        self.states[0].initial = true;
        self.groups.truncate(self.states.len());
        for (group, _) in self.groups.iter().enumerate() {
            if let Some(state) = self.states.get_mut(group) {
                state.group = Some(group);
            }
        }
        let all = self.wide.iter_mut().chain(self.groups.iter_mut().flat_map(|group| &mut group.ons));
        for on in all.chain(self.states.iter_mut().flat_map(|state| &mut state.ons)) {
            on.auto &= !on.internal;
            on.by &= self.durable && !on.auto;
            on.rewind.retain(|_| on.internal);
        }
        for state in &mut self.states {
            if state.kind == Kind::End {
                state.ons.clear();
            } else if state.ons.is_empty() {
                state.kind = Kind::End;
            }
            let mut seen = BTreeSet::new();
            state.ons.retain(|on| seen.insert(on.event));
            state.ons.iter_mut().for_each(|on| on.except.clear());
            let mut timed = BTreeSet::new();
            state.timers.retain(|timer| seen.contains(timer) && timed.insert(*timer));
            let durable = self.durable;
            state.waits.retain(|wait| durable && seen.contains(&wait.event));
            for wait in &mut state.waits {
                let mut counted = BTreeSet::new();
                wait.states.retain(|state| counted.insert(*state));
                state.fields[wait.field] = true;
            }
            let works = state.kind == Kind::Work;
            for on in &mut state.ons {
                let mut rewound = BTreeSet::new();
                on.rewind.retain(|timer| timed.contains(timer) && rewound.insert(*timer));
                let waited = state.waits.iter().any(|wait| wait.event == on.event);
                on.by &= works || timed.contains(&on.event) || waited;
                // Otherwise it would be rare.
                on.by |= waited && !on.auto && on.event % 2 == 0;
            }
        }
        let mut accepted: BTreeSet<_> = self
            .states
            .iter()
            .enumerate()
            .flat_map(|(state, declared)| declared.ons.iter().map(move |on| (state, on.event)))
            .collect();
        let members: Vec<_> = (0..self.groups.len()).map(|group| self.members(group)).collect();
        let groups = self
            .groups
            .iter_mut()
            .enumerate()
            .flat_map(|(group, declared)| declared.ons.iter_mut().map(move |on| (Some(group), on)));
        for (group, on) in groups.chain(self.wide.iter_mut().map(|on| (None, on))) {
            on.rewind.clear();
            let is_source = |state: usize| {
                self.states[state].kind != Kind::End && group.is_none_or(|group| members[group].contains(&state))
            };
            let sources = (0..self.states.len()).filter(|state| is_source(*state));
            let (wanted, left) =
                sources.partition(|state| !on.except.contains(state) && accepted.insert((*state, on.event)));
            let wanted: Vec<usize> = wanted;
            on.except = left;
            on.by &= wanted.iter().all(|state| self.states[*state].kind == Kind::Work);
            if wanted.is_empty() {
                on.to.clear();
            }
        }
        self.wide.retain(|on| !on.to.is_empty());
        self.groups.iter_mut().for_each(|group| group.ons.retain(|on| !on.to.is_empty()));
        self.repair_histories();
        let with_data: Vec<_> =
            self.states.iter().map(|state| state.fields.contains(&true) || state.holds.is_some()).collect();
        let states = self.states.len();
        let wide = self.wide.iter_mut().map(|on| (states, on));
        let groups = self.groups.iter_mut().flat_map(|group| &mut group.ons).map(|on| (states, on));
        let own = self.states.iter_mut().enumerate();
        let own = own.flat_map(|(state, declared)| declared.ons.iter_mut().map(move |on| (state, on)));
        for (from, on) in wide.chain(groups).chain(own) {
            let mut seen = BTreeSet::new();
            // `Self` in a declaration that states share can be one of its targets.
            on.back &= from < states && !on.to.contains(&from);
            on.to.retain(|state| seen.insert(*state));
            on.with &= on.history.is_none();
            let needed = on.to.len() > 1 || on.back || on.to.iter().any(|to| with_data[*to]);
            on.with |= !on.internal && on.history.is_none() && needed;
        }
        self.enter_histories();
        let named = self.ons().filter(|on| !on.internal && on.history.is_none());
        let targets: BTreeSet<_> = named.flat_map(|on| on.to.clone()).collect();
        for (index, state) in self.states.iter_mut().enumerate() {
            state.initial |= !targets.contains(&index);
        }
    }

    /// Leaves histories where they can be declared: on states without a superstate, which hold them.
    fn repair_histories(&mut self) {
        let shared = self.wide.iter_mut().chain(self.groups.iter_mut().flat_map(|group| &mut group.ons));
        shared.for_each(|on| on.history = None);
        let left: Vec<_> = (0..self.groups.len()).map(|group| !self.remembered(group).is_empty()).collect();
        let nested: Vec<_> =
            (0..self.groups.len()).map(|outer| self.groups.iter().any(|group| group.parent == Some(outer))).collect();
        for state in &mut self.states {
            let mut held = None;
            for on in &mut state.ons {
                on.history = on.history.filter(|(group, _)| {
                    let can_be = state.group.is_none()
                        && left.get(*group) == Some(&true)
                        && held.is_none_or(|held| held == *group);
                    held = if can_be { Some(*group) } else { held };
                    can_be
                });
                on.history = on.history.map(|(group, deep)| (group, deep || nested[group]));
            }
            state.holds = held;
        }
    }

    /// Lets a state of each history be left for the state that holds it. A history for which there is none becomes an internal
    /// transition.
    fn enter_histories(&mut self) {
        let mut taken = BTreeSet::new();
        for holder in 0..self.states.len() {
            let Some(group) = self.states[holder].holds else { continue };
            let plain = |on: &On| on.history.is_none();
            let entries = self.remembered(group).into_iter().flat_map(|member| {
                let ons = self.states[member].ons.iter().enumerate().filter(|(_, on)| plain(on));
                ons.map(move |(index, _)| (member, index)).collect::<Vec<_>>()
            });
            if let Some((member, index)) = entries.collect::<Vec<_>>().into_iter().find(|entry| taken.insert(*entry)) {
                let payload = self.events[self.states[member].ons[index].event];
                let fields = &mut self.states[holder].fields;
                *fields = [fields[0] && payload[0], fields[1] && payload[1]];
                self.states[holder].waits.clear();
                let on = &mut self.states[member].ons[index];
                (on.to, on.internal, on.back, on.with) = (vec![holder], false, false, false);
            } else {
                for on in self.states[holder].ons.iter_mut().filter(|on| on.history.is_some()) {
                    (on.history, on.internal, on.auto) = (None, true, false);
                }
            }
        }
    }

    /// The states that the history of a superstate can be.
    pub(super) fn remembered(&self, group: usize) -> Vec<usize> {
        self.members(group).into_iter().filter(|state| self.states[*state].kind != Kind::End).collect()
    }

    /// All `#[on(…)]` attributes, in the order in which they are read.
    pub(super) fn ons(&self) -> impl Iterator<Item = &On> {
        let own = self.states.iter().flat_map(|state| &state.ons);
        own.chain(self.groups.iter().flat_map(|group| &group.ons)).chain(&self.wide)
    }

    /// The superstates that contain a state, from the innermost to the outermost. A name that is not declared is in none.
    pub(super) fn groups_of(&self, state: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut group = self.states[state].group.filter(|group| *group < self.groups.len());
        while let Some(inner) = group {
            found.push(inner);
            group = self.groups[inner].parent;
        }
        found
    }

    /// The states in a superstate, directly or further in.
    pub(super) fn members(&self, group: usize) -> Vec<usize> {
        (0..self.states.len()).filter(|state| self.groups_of(*state).contains(&group)).collect()
    }

    /// The superstates directly in another, or at the top, with their `#[on(…)]`.
    fn group_tokens(&self, parent: Option<usize>, ons: &[Vec<TokenStream>]) -> Vec<TokenStream> {
        let inside = (0..self.groups.len()).filter(|group| self.groups[*group].parent == parent);
        inside
            .map(|group| {
                let (ident, own, inner) = (group_name(group), &ons[group], self.group_tokens(Some(group), ons));
                quote!(group(#ident #(, on(#own))* #(, #inner)*))
            })
            .collect()
    }

    pub(super) fn tokens(&self) -> TokenStream {
        // The first attribute of an event declares its payload.
        let mut written = vec![false; self.events.len()];
        let mut ons = self
            .ons()
            .map(|on| {
                let first = !std::mem::replace(&mut written[on.event], true);
                self.on(on, first)
            })
            .collect::<Vec<_>>()
            .into_iter();
        let mut take = |count: usize| ons.by_ref().take(count).collect::<Vec<_>>();
        let own: Vec<_> = self.states.iter().map(|state| take(state.ons.len())).collect();
        let groups: Vec<_> = self.groups.iter().map(|group| take(group.ons.len())).collect();
        let wide = take(self.wide.len());
        let variants =
            self.states.iter().enumerate().zip(own).map(|((index, state), ons)| variant(self, index, state, &ons));
        let initial: Vec<_> = (0..self.states.len()).filter(|state| self.states[*state].initial).map(name).collect();
        let initial = (!initial.is_empty()).then(|| quote!(initial = #(#initial)|*,));
        let durable = self.durable.then(|| quote!(durable, derive(Serialize, Deserialize),));
        let groups = self.group_tokens(None, &groups);
        let requires = self.requires.iter().map(|(property, first, second)| {
            let (property, first, second) = (format_ident!("{}", PROPERTIES[*property]), name(*first), name(*second));
            quote!(require(#property(#first, #second)))
        });
        let options = quote!(#initial #durable #(#groups,)* #(#requires,)*);
        let options = (!options.is_empty()).then(|| quote!(#[fsm(#options)]));
        quote! {
            #options
            #(#[on(#wide)])*
            pub enum M {
                #(#variants,)*
            }
        }
    }

    fn on(&self, on: &On, first: bool) -> TokenStream {
        let event = event_name(on.event);
        let to = on.to.iter().map(|to| name(*to).into_token_stream()).chain(on.back.then(|| quote!(Self)));
        let to = match on.history {
            Some((group, deep)) => {
                let (group, deep) = (group_name(group), deep.then(|| quote!(, deep)));
                quote!(history(#group #deep))
            }
            None if on.internal => quote!(_),
            None => quote!(#(#to)|*),
        };
        let payload = (first && self.events[on.event].contains(&true)).then(|| {
            let fields = fields(self.events[on.event]);
            quote!({ #(#fields: u8),* })
        });
        let except = (!on.except.is_empty()).then(|| {
            let except = on.except.iter().map(|state| name(*state));
            quote!(, except(#(#except),*))
        });
        let with = on.with.then(|| quote!(, with = decide));
        // Each form of a guard is the same guard in the graph.
        let guard = on.guard.then(|| match on.event % 4 {
            0 => quote!(, guard = check),
            1 => quote!(, guard = [check, <Self as Checks>::check]),
            2 => quote!(, guard = |state, event| check(state, event) else "no"),
            _ => quote!(, guard = [is_open else "closed", |_, _| Err("never")]),
        });
        let auto = on.auto.then(|| quote!(, auto));
        let rewind: Vec<_> = on.rewind.iter().map(|timer| event_name(*timer)).collect();
        let rewind = match &rewind[..] {
            [] => None,
            [timer] => Some(quote!(, rewind = #timer)),
            timers => Some(quote!(, rewind = [#(#timers),*])),
        };
        let by = on.by.then(|| quote!(, by = worker));
        quote!(#event #payload => #to #except #with #guard #rewind #auto #by)
    }
}

impl Wait {
    fn tokens(&self, payload: [bool; 2]) -> TokenStream {
        let (field, event) = (format_ident!("{}", FIELDS[self.field]), event_name(self.event));
        let field = match self.quantity {
            0 => quote!(#field),
            1 => quote!(all(#field)),
            2 => quote!(any(#field)),
            _ => quote!(at_least(2, #field)),
        };
        let machine = if self.own { quote!(Self) } else { quote!(other::Other) };
        let states = self.states.iter().map(|state| name(*state).into_token_stream());
        let states = states.chain(self.missing.then(|| quote!(missing)));
        let payload = payload.contains(&true).then(|| {
            let fields = fields(payload);
            quote!({ #(#fields: 1),* })
        });
        quote!(#field: #machine in #(#states)|* => #event #payload)
    }

    /// As the graph shows it.
    pub(super) fn text(&self) -> String {
        let field = FIELDS[self.field];
        let field = match self.quantity {
            0 => field.to_owned(),
            1 => format!("all({field})"),
            2 => format!("any({field})"),
            _ => format!("at_least(2, {field})"),
        };
        let states = self.states.iter().map(|state| name(*state).to_string());
        let states: Vec<_> = states.chain(self.missing.then(|| "missing".to_owned())).collect();
        let machine = if self.own { "M" } else { "Other" };
        format!("{field}: {machine} in {} => {}", states.join(" | "), event_name(self.event))
    }
}

/// How a timer is declared, which depends on its event.
pub(super) enum Delay {
    Known,
    Computed,
    At,
}

pub(super) fn delay(declared: &Declared, event: usize) -> Delay {
    match event % 3 {
        1 => Delay::Computed,
        2 if declared.durable => Delay::At,
        _ => Delay::Known,
    }
}

fn variant(declared: &Declared, index: usize, state: &State, ons: &[TokenStream]) -> TokenStream {
    let ident = name(index);
    let kind = match state.kind {
        Kind::Rest => None,
        Kind::Work => Some(quote!(#[state(work)])),
        Kind::End => Some(quote!(#[state(end)])),
    };
    let group = state.group.map(|group| {
        let group = group_name(group);
        quote!(#[state(in = #group)])
    });
    let timers = state.timers.iter().map(|event| {
        let (ident, fields) = (event_name(*event), fields(declared.events[*event]));
        let fires = quote!(#ident { #(#fields: 1),* });
        match delay(declared, *event) {
            Delay::Known => quote!(#[after("1h", #fires)]),
            Delay::Computed => quote!(#[after(|state| state.pause, #fires)]),
            Delay::At => quote!(#[at(|state| state.until, #fires)]),
        }
    });
    let waits = state.waits.iter().map(|wait| wait.tokens(declared.events[wait.event]));
    let waits = (!state.waits.is_empty()).then(|| quote!(#[state(waits(#(#waits),*))]));
    let enter = state.enter.then(|| quote!(#[state(enter = begin)]));
    let fields = fields(state.fields).into_iter().map(|field| quote!(#field: u8));
    let held = state.holds.map(|group| {
        let group = group_name(group);
        quote!(was: m::history::#group)
    });
    let fields: Vec<_> = fields.chain(held).collect();
    let body = (!fields.is_empty()).then(|| quote!({ #(#fields),* }));
    quote! {
        #kind #group #(#timers)* #enter #waits
        #(#[on(#ons)])*
        #ident #body
    }
}

fn fields(present: [bool; 2]) -> Vec<Ident> {
    FIELDS.iter().zip(present).filter(|(_, present)| *present).map(|(name, _)| format_ident!("{name}")).collect()
}

pub(super) fn name(state: usize) -> Ident {
    format_ident!("S{state}")
}

pub(super) fn event_name(event: usize) -> Ident {
    format_ident!("e{event}")
}

pub(super) fn group_name(group: usize) -> Ident {
    format_ident!("G{group}")
}
