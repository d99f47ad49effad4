//! The verdict on a change that was not applied. Pure.

use crate::store::{Change, Create, HistoryEntry, Request, Row, Transition, Verdict};
use uuid::Uuid;

/// The idempotency key of a change, and the incarnation in which it is looked up; without one, in the present one.
pub(super) fn idempotency_key(change: &Change) -> Option<(Option<Uuid>, &str)> {
    match change {
        // A retry of a creation does not know the incarnation of the first one.
        Change::Create(Create { idempotency_key: Some(used), .. }) => Some((None, used)),
        Change::Transition(Transition { incarnation, idempotency_key: Some(used), .. }) => {
            Some((Some(*incarnation), used))
        }
        _ => None,
    }
}

/// The verdict on the change at `place`, from the present row, and from the entry that was written under its idempotency key.
pub(super) fn missed(place: usize, change: &Change, current: Option<Row>, first: Option<HistoryEntry>) -> Verdict {
    if let Some(first) = first.map(Box::new) {
        return if Request::of(change).is_some_and(|request| request.wrote(&first)) {
            Verdict::Duplicate { change: place, first }
        } else {
            Verdict::KeyReused { change: place, first }
        };
    }
    let read_as = match change {
        // A caller has no claim to lose.
        Change::Transition(it) => it.fence.map(|_| (it.incarnation, it.version)),
        Change::Claim(it) => Some((it.incarnation, it.version)),
        Change::Checkpoint(it) => Some((it.incarnation, it.version)),
        Change::Release(it) => Some((it.incarnation, it.version)),
        Change::Create(_)
        | Change::Arm(_)
        | Change::Disarm(_)
        | Change::Override(_)
        | Change::SetDesiredState(_)
        | Change::Purge(_)
        | Change::Rewrite(_) => None,
    };
    match current.map(Box::new) {
        Some(current) if read_as == Some((current.incarnation, current.version)) => {
            Verdict::Fenced { change: place, current }
        }
        current => Verdict::Conflict { change: place, current },
    }
}
