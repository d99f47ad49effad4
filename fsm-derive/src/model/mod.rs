//! The machine that a declaration means: names resolved to indices, defaults filled in.

mod carry;
mod names;
mod resolve;

use proc_macro2::Span;
use syn::{Attribute, Generics, Ident, Path, Type, Visibility};

pub(crate) use syn::Member;

use crate::parse::{Delay, Property, Value};

pub(crate) use carry::Supply;
pub(crate) use names::{pascal, plain, snake, snake_ident};
pub(crate) use resolve::{machine, module};

/// A machine, ready to be checked and expanded.
pub(crate) struct Machine {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) generics: Generics,
    pub(crate) doc: String,
    pub(crate) non_exhaustive: bool,
    /// The generated module.
    pub(crate) module: Ident,
    /// Where the library is, if not at its usual place.
    pub(crate) krate: Option<Path>,
    pub(crate) derives: Vec<Path>,
    pub(crate) version: u32,
    /// The word `durable`, if it is given.
    pub(crate) durable: Option<Span>,
    /// The type of what every state shares.
    pub(crate) context: Option<Type>,
    pub(crate) states: Vec<State>,
    pub(crate) groups: Vec<Group>,
    pub(crate) events: Vec<Event>,
    pub(crate) transitions: Vec<Transition>,
    /// What was asked to hold.
    pub(crate) requires: Vec<Require>,
    /// All that was named could be found, so that questions about the graph have answers.
    pub(crate) whole: bool,
}

/// What a state is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rest,
    Work,
    End,
}

/// How a variant's fields are written.
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
    /// The generated struct: called like the variant, unless `type = …` gives it another name.
    pub(crate) ty: Ident,
    /// To store and to draw.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) kind: Kind,
    pub(crate) initial: bool,
    pub(crate) remove: bool,
    pub(crate) was: Vec<String>,
    /// The superstate it is in.
    pub(crate) group: Option<usize>,
    pub(crate) shape: Shape,
    pub(crate) fields: Vec<Field>,
    pub(crate) timer: Option<Timer>,
    /// What is fired when the worker's attempts are used up.
    pub(crate) exhausted: Option<FiredEvent>,
    /// The type of what the worker keeps for its next attempt.
    pub(crate) checkpoint: Option<Type>,
}

/// A superstate.
pub(crate) struct Group {
    pub(crate) ident: Ident,
}

/// A field of a state or of a payload.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) member: Member,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) ty: Type,
}

/// A state's timer.
pub(crate) struct Timer {
    pub(crate) span: Span,
    pub(crate) delay: Delay,
    pub(crate) fires: FiredEvent,
}

/// An event that is fired for a state, with its payload.
pub(crate) struct FiredEvent {
    /// Of the event's name.
    pub(crate) span: Span,
    pub(crate) event: usize,
    pub(crate) payload: Vec<Value>,
}

/// An event.
pub(crate) struct Event {
    /// The name, as the first `#[on(…)]` writes it.
    pub(crate) ident: Ident,
    /// The name that `method = …` gives to its method.
    pub(crate) method: Option<Ident>,
    /// As the type is called.
    pub(crate) ty: Ident,
    /// To store and to draw.
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

/// A transition.
pub(crate) struct Transition {
    /// Of the whole `#[on(…)]`.
    pub(crate) span: Span,
    /// The event's name as this `#[on(…)]` writes it.
    pub(crate) ident: Ident,
    pub(crate) origin: Origin,
    pub(crate) from: usize,
    pub(crate) event: usize,
    pub(crate) to: Vec<usize>,
    pub(crate) guard: Option<Path>,
    pub(crate) with: Option<Path>,
    pub(crate) auto: bool,
    /// All that its `#[on(…)]` says could be read.
    pub(crate) sound: bool,
}

impl Transition {
    /// The user's code has a part in it.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.guard.is_some() || self.with.is_some()
    }
}

/// Where a transition is declared.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    State,
    Group(usize),
    Enum,
}

/// A property that was asked to hold.
pub(crate) struct Require {
    pub(crate) property: Property,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The states as they are written there.
    pub(crate) first: Ident,
    pub(crate) second: Ident,
}

impl Machine {
    /// The transitions out of a state.
    pub(crate) fn from(&self, state: usize) -> impl Iterator<Item = &Transition> {
        self.transitions.iter().filter(move |transition| transition.from == state)
    }

    /// The states of a superstate.
    pub(crate) fn members(&self, group: usize) -> impl Iterator<Item = usize> {
        (0..self.states.len()).filter(move |state| self.states[*state].group == Some(group))
    }

    /// The enum's name without `r#`.
    pub(crate) fn name(&self) -> String {
        plain(&self.ident)
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
    /// The method of a transition: called like the event, unless `method = …` gives it another name.
    pub(crate) fn method<'m>(&'m self, transition: &'m Transition) -> &'m Ident {
        self.events[transition.event].method.as_ref().unwrap_or(&transition.ident)
    }

    /// The generated choice of a transition with several targets: `ReviewDecide`.
    pub(crate) fn choice(&self, transition: &Transition) -> Ident {
        let name =
            format!("{}{}", plain(&self.states[transition.from].ident), plain(&self.events[transition.event].ty));
        Ident::new(&name, transition.ident.span())
    }
}
