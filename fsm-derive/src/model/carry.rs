//! The source of each field of a target state: the event's payload, else the source state's field of the same name. A field for the
//! history of a superstate takes the source state itself, if that is in the superstate.

use super::{Field, Machine, Transition};
use crate::each::each;

/// The source of a field of a target state.
pub(crate) enum Supply<'m> {
    Payload(&'m Field),
    Source(&'m Field),
    /// The whole source state, as the history of this superstate.
    History(usize),
}

impl Machine {
    /// Each field of `target`, in order, with its source on `transition`, or `None` if it has no source.
    pub(crate) fn supplies(&self, transition: &Transition, target: usize) -> Vec<(&Field, Option<Supply<'_>>)> {
        let find = |fields: &'_ [Field], name: &str| fields.iter().position(|field| field.name() == name);
        let payload = &self.events[transition.event].fields;
        let source = &self.states[transition.from].fields;
        let supply = |field: &Field| {
            if let Some(group) = field.history.filter(|group| self.is_remembered(transition.from, *group)) {
                return Some(Supply::History(group));
            }
            let name = field.name();
            find(payload, &name)
                .map(|at| Supply::Payload(&payload[at]))
                .or_else(|| find(source, &name).map(|at| Supply::Source(&source[at])))
        };
        each(&self.states[target].fields, &|field| (field, supply(field)))
    }
}
