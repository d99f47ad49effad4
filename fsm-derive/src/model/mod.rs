//! The machine model: a declaration with names resolved to indices and defaults filled in.

mod carry;
mod history;
mod resolve;
mod saga;
mod waits;

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Generics, Ident, Path, Type, Visibility};

pub(crate) use syn::Member;

use crate::{
    each::indices,
    parse::{Delay, Function, Guard, Property, Value},
};

pub(crate) use crate::names::{pascal, plain, snake, snake_ident};
pub(crate) use carry::Supply;
pub(crate) use history::History;
pub(crate) use resolve::{machine, module};
pub(crate) use saga::{Before, Differs, Saga, Step, Way};
pub(crate) use waits::Wait;

/// A machine, ready to be checked and expanded.
pub(crate) struct Machine {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) generics: Generics,
    pub(crate) doc: String,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) non_exhaustive: bool,
    /// The generated module.
    pub(crate) module: Ident,
    /// The path of the library, if `crate = …` sets one.
    pub(crate) krate: Option<Path>,
    pub(crate) derives: Vec<Path>,
    pub(crate) version: u32,
    /// The span of `durable`, if present.
    pub(crate) durable: Option<Span>,
    /// The type of the context, which all states share.
    pub(crate) context: Option<Type>,
    pub(crate) states: Vec<State>,
    pub(crate) groups: Vec<Group>,
    pub(crate) events: Vec<Event>,
    pub(crate) transitions: Vec<Transition>,
    /// The properties declared with `require(…)`.
    pub(crate) requires: Vec<Require>,
    /// Whether and how it is undone.
    pub(crate) saga: Option<Saga>,
    /// The enum as it is written.
    pub(crate) source: TokenStream,
    /// Whether all names could be resolved, so that the graph can be checked.
    pub(crate) complete: bool,
}

/// The kind of a state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rest,
    Work,
    End,
}

/// The form of a variant's fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Struct,
    Tuple,
    Unit,
}

/// A state.
pub(crate) struct State {
    /// The variant.
    pub(crate) ident: Ident,
    /// The generated struct: named like the variant, unless `type = …` sets another name.
    pub(crate) ty: Ident,
    /// The name in stored rows and diagrams.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) kind: Kind,
    pub(crate) initial: bool,
    pub(crate) remove: bool,
    pub(crate) was: Vec<String>,
    /// The innermost superstate that contains it.
    pub(crate) group: Option<usize>,
    pub(crate) shape: Shape,
    pub(crate) fields: Vec<Field>,
    pub(crate) timers: Vec<Timer>,
    /// The event fired when the worker's attempts are exhausted.
    pub(crate) exhausted: Option<FiredEvent>,
    /// The type of the worker's checkpoint.
    pub(crate) checkpoint: Option<Type>,
    /// The function that runs when the state is entered.
    pub(crate) enter: Option<Function>,
    /// What it waits for, in the order of the declaration.
    pub(crate) waits: Vec<Wait>,
    /// How it is undone, if it is a step of a saga.
    pub(crate) step: Option<Step>,
    /// The step that it undoes.
    pub(crate) undoes: Option<usize>,
    /// Whether a timer, `exhausted` or a wait has an error, so that not all events that the runtime fires are known.
    pub(crate) unresolved: bool,
}

/// A superstate.
pub(crate) struct Group {
    pub(crate) ident: Ident,
    /// The superstate that contains it.
    pub(crate) parent: Option<usize>,
}

/// A field of a state or of a payload.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) member: Member,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) ty: Type,
    /// The superstate whose history it holds.
    pub(crate) history: Option<usize>,
}

/// A state's timer.
pub(crate) struct Timer {
    pub(crate) span: Span,
    pub(crate) delay: Delay,
    pub(crate) fires: FiredEvent,
}

/// An event fired by a timer or by `exhausted`, with its payload.
pub(crate) struct FiredEvent {
    /// The span of the event's name.
    pub(crate) span: Span,
    pub(crate) event: usize,
    pub(crate) payload: Vec<Value>,
}

/// An event.
pub(crate) struct Event {
    /// The name in the first `#[on(…)]` of the event.
    pub(crate) ident: Ident,
    /// The name of the method, if `method = …` sets one.
    pub(crate) method: Option<Ident>,
    /// The name of the generated type.
    pub(crate) ty: Ident,
    /// The name in stored rows and diagrams.
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

/// A transition.
pub(crate) struct Transition {
    /// The span of the whole `#[on(…)]`.
    pub(crate) span: Span,
    /// The event's name in this `#[on(…)]`.
    pub(crate) ident: Ident,
    pub(crate) origin: Origin,
    pub(crate) from: usize,
    pub(crate) event: usize,
    pub(crate) to: Vec<usize>,
    /// Whether it stays in its state: no exit, no entry.
    pub(crate) internal: bool,
    /// The history to which it leads. The targets are then all states that it can be.
    pub(crate) history: Option<History>,
    /// The span of the target `undo`, for a transition on the way back of a saga.
    pub(crate) undo: Option<Span>,
    /// The outer declaration that this one overrides, if there is one.
    pub(crate) overrides: Option<Origin>,
    /// The event after which the choice of several targets is named: the first of its `#[on(…)]`.
    pub(crate) choice: usize,
    pub(crate) guard: Option<Guard>,
    pub(crate) with: Option<Function>,
    /// The names in `rewind`, before the timers are resolved.
    pub(crate) rewind: Vec<Ident>,
    /// The events of the timers that it starts again.
    pub(crate) rewinds: Vec<usize>,
    pub(crate) auto: bool,
    /// The span of `by = worker`, if only the worker and the runtime can fire it.
    pub(crate) by: Option<Span>,
    /// Whether every option of its `#[on(…)]` could be read.
    pub(crate) complete: bool,
}

impl Transition {
    /// Whether callers can fire it.
    pub(crate) fn is_for_callers(&self) -> bool {
        self.by.is_none()
    }

    /// Whether it has a `guard` or a `with`.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.guard.is_some() || self.with.is_some()
    }
}

/// Where a transition is declared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    State,
    Group(usize),
    Enum,
}

/// A property declared with `require(…)`.
pub(crate) struct Require {
    pub(crate) property: Property,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The states, at their positions in `require(…)`.
    pub(crate) first: Ident,
    pub(crate) second: Ident,
}

impl Machine {
    /// The transitions out of a state.
    pub(crate) fn from(&self, state: usize) -> impl Iterator<Item = &Transition> {
        self.transitions.iter().filter(move |transition| transition.from == state)
    }

    /// The states in a superstate, directly or in an inner superstate.
    pub(crate) fn members(&self, group: usize) -> Vec<usize> {
        indices(self.states.len(), &|state| self.is_in(state, group))
    }

    /// Whether a state is in a superstate, directly or in an inner superstate.
    pub(crate) fn is_in(&self, state: usize, group: usize) -> bool {
        self.groups_of(state).any(|other| other == group)
    }

    /// The fields of all states.
    pub(crate) fn state_fields(&self) -> Vec<&Field> {
        let mut fields = Vec::new();
        for state in &self.states {
            fields.extend(&state.fields);
        }
        fields
    }

    /// The fields of all payloads.
    pub(crate) fn payload_fields(&self) -> Vec<&Field> {
        let mut fields = Vec::new();
        for event in &self.events {
            fields.extend(&event.fields);
        }
        fields
    }

    /// The superstates that contain a state, from the innermost to the outermost.
    pub(crate) fn groups_of(&self, state: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.states[state].group, |group| self.groups[*group].parent)
    }

    /// The enum's name without `r#`.
    pub(crate) fn name(&self) -> String {
        plain(&self.ident)
    }
}

impl State {
    /// The timer that fires an event.
    pub(crate) fn timer(&self, event: usize) -> Option<&Timer> {
        self.timers.iter().find(|timer| timer.fires.event == event)
    }
}

impl Timer {
    /// The closure that computes when it fires.
    pub(crate) fn closure(&self) -> Option<&Function> {
        match &self.delay {
            Delay::Computed(closure) | Delay::At(closure) => Some(closure),
            Delay::Known(_) | Delay::Const(_) => None,
        }
    }
}

impl Field {
    /// The name, or the position in a tuple.
    pub(crate) fn name(&self) -> String {
        match &self.member {
            Member::Named(ident) => plain(ident),
            Member::Unnamed(index) => index.index.to_string(),
        }
    }
}

impl Machine {
    /// The method of a transition: named like the event, unless `method = …` sets another name.
    pub(crate) fn method<'m>(&'m self, transition: &'m Transition) -> &'m Ident {
        self.events[transition.event].method.as_ref().unwrap_or(&transition.ident)
    }

    /// The transitions for which a choice type is generated: one of those that share it.
    pub(crate) fn choices(&self) -> Vec<&Transition> {
        let mut choices = Vec::new();
        for transition in &self.transitions {
            if transition.to.len() > 1 && transition.choice == transition.event {
                choices.push(transition);
            }
        }
        choices
    }

    /// Whether a state that the transition enters has an `enter`.
    pub(crate) fn runs_enter(&self, transition: &Transition) -> bool {
        !transition.internal && transition.to.iter().any(|to| self.states[*to].enter.is_some())
    }

    /// Whether the transition runs code of the user: a guard, a `with` or an `enter`.
    pub(crate) fn runs_code(&self, transition: &Transition) -> bool {
        transition.is_by_hand() || self.runs_enter(transition)
    }

    /// Whether callers can not fire some transition.
    pub(crate) fn restricts_callers(&self) -> bool {
        self.transitions.iter().any(|transition| !transition.is_for_callers())
    }

    /// Whether callers can fire an event in some state.
    pub(crate) fn callers_fire(&self, event: usize) -> bool {
        self.transitions.iter().any(|transition| transition.event == event && transition.is_for_callers())
    }

    /// Whether a state has an `enter`.
    pub(crate) fn has_enter(&self) -> bool {
        self.states.iter().any(|state| state.enter.is_some())
    }

    /// The name of the generated choice type of a transition with several targets: `ReviewDecide`.
    pub(crate) fn choice(&self, transition: &Transition) -> Ident {
        let name =
            format!("{}{}", plain(&self.states[transition.from].ident), plain(&self.events[transition.choice].ty));
        Ident::new(&name, transition.ident.span())
    }
}
