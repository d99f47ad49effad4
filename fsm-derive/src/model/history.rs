//! The history of a superstate: which state of it was left, with its data. A field of the state that stores the history holds it.

use proc_macro2::Span;

use super::{Field, Kind, Machine, State, Transition};
use crate::each::indices;

/// The target `history(Superstate)` of a transition.
#[derive(Clone, Copy)]
pub(crate) struct History {
    /// The span of `history`.
    pub(crate) span: Span,
    pub(crate) group: usize,
    pub(crate) deep: bool,
}

impl Machine {
    /// The states that the history of a superstate can be: all that can be left.
    pub(crate) fn remembered(&self, group: usize) -> Vec<usize> {
        indices(self.states.len(), &|state| self.is_remembered(state, group))
    }

    /// Whether a state is one of those.
    pub(crate) fn is_remembered(&self, state: usize, group: usize) -> bool {
        self.states[state].kind != Kind::End && self.is_in(state, group)
    }

    /// The superstates whose history a state holds, in declaration order. Each has a generated type.
    pub(crate) fn histories(&self) -> Vec<usize> {
        let fields = self.state_fields();
        indices(self.groups.len(), &|group| fields.iter().any(|field| field.history == Some(group)))
    }

    /// The field of its state that holds the history to which a transition leads.
    pub(crate) fn held(&self, transition: &Transition) -> Option<&Field> {
        let history = transition.history?;
        self.states[transition.from].histories(history.group).next()
    }
}

impl State {
    /// The fields that hold the history of a superstate.
    pub(crate) fn histories(&self, group: usize) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.history == Some(group))
    }
}
