//! What an idempotency key identifies: a creation, or an event with its payload.

use super::{Change, Create, HistoryEntry, Transition};
use crate::codec::same_json;

/// The part of a change that a repeated request has in common with the first one.
#[derive(Clone, Copy)]
pub(crate) enum Request<'a> {
    Creation { state: &'a str, data: &'a str, context: Option<&'a str> },
    Event { event: &'a str, payload: &'a str },
}

impl<'a> Request<'a> {
    /// The request of a creation or a transition; `None` for other changes, which have no idempotency key.
    pub(crate) fn of(change: &'a Change) -> Option<Self> {
        match change {
            Change::Create(Create { into, .. }) => {
                Some(Self::Creation { state: &into.state, data: &into.data, context: into.context.as_deref() })
            }
            Change::Transition(Transition { event, payload, .. }) => Some(Self::Event { event, payload }),
            _ => None,
        }
    }

    /// Whether `first` was written by the same request.
    pub(crate) fn wrote(self, first: &HistoryEntry) -> bool {
        let equal = |now: Option<&str>, then: Option<&String>| match (now, then) {
            (Some(now), Some(then)) => same_json(now, then),
            (None, None) => true,
            _ => false,
        };
        match self {
            Self::Creation { state, data, context } => {
                first.event.is_none()
                    && first.to == state
                    && equal(Some(data), first.data.as_ref())
                    && equal(context, first.context.as_ref())
            }
            Self::Event { event, payload } => {
                first.event.as_deref() == Some(event) && equal(Some(payload), first.payload.as_ref())
            }
        }
    }
}
