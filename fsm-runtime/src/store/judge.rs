//! Why a change was not applied: from the change, the current row and the entry of its idempotency key to a verdict. Pure, so that
//! all stores judge alike.

use super::{Change, Create, HistoryEntry, Key, Request, Row, Transition, Verdict};
use std::time::SystemTime;
use uuid::Uuid;

/// The idempotency key of a change, and where it is looked up: in this incarnation of the instance; without one, in the current
/// incarnation, or in the last one if the row was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyUse<'a> {
    /// The instance.
    pub key: &'a Key,
    /// The incarnation in which the key is looked up.
    pub incarnation: Option<Uuid>,
    /// The idempotency key.
    pub idempotency_key: &'a str,
}

/// The idempotency key that `change` was given. Stores look it up before they compare state and version, so that a retry after a crash
/// gets the first result even if the instance has moved on.
#[must_use]
pub fn key_use(change: &Change) -> Option<KeyUse<'_>> {
    match change {
        // A retry of a creation does not know the incarnation of the first one.
        Change::Create(Create { key, idempotency_key: Some(used), .. }) => {
            Some(KeyUse { key, incarnation: None, idempotency_key: used })
        }
        Change::Transition(Transition { key, incarnation, idempotency_key: Some(used), .. }) => {
            Some(KeyUse { key, incarnation: Some(*incarnation), idempotency_key: used })
        }
        _ => None,
    }
}

/// The verdict on the change at `place`, under whose idempotency key `first` was written.
#[must_use]
pub fn used_key(place: usize, change: &Change, first: Box<HistoryEntry>) -> Verdict {
    if Request::of(change).is_some_and(|request| request.wrote(&first)) {
        Verdict::Duplicate { change: place, first }
    } else {
        Verdict::KeyReused { change: place, first }
    }
}

/// The verdict on the change at `place`, which has missed its compare-and-swap at `now`, by the store's time. `current` is the row as
/// it was then.
#[must_use]
pub fn missed(place: usize, change: &Change, current: Option<Row>, now: SystemTime) -> Verdict {
    let current = current.map(Box::new);
    let Some(row) = current.as_deref() else { return Verdict::Conflict { change: place, current } };
    if read_as(change) != Some((row.incarnation, row.version)) {
        return Verdict::Conflict { change: place, current };
    }
    match (not_before(change), current) {
        (Some(due), _) if due > now => Verdict::TooEarly { change: place, now },
        (_, Some(current)) if needs_the_claim(change) => Verdict::Fenced { change: place, current },
        (_, current) => Verdict::Conflict { change: place, current },
    }
}

/// The incarnation and the version that the change was read from.
fn read_as(change: &Change) -> Option<(Uuid, u64)> {
    match change {
        Change::Create(_) => None,
        Change::Transition(it) => Some((it.incarnation, it.version)),
        Change::Claim(it) => Some((it.incarnation, it.version)),
        Change::SaveCheckpoint(it) => Some((it.incarnation, it.version)),
        Change::Release(it) => Some((it.incarnation, it.version)),
        Change::Arm(it) => Some((it.incarnation, it.version)),
        Change::Disarm(it) => Some((it.incarnation, it.version)),
        Change::Override(it) => Some((it.incarnation, it.version)),
        Change::SetDesiredState(it) => Some((it.incarnation, it.version)),
        Change::Hold(it) => Some((it.incarnation, it.version)),
        Change::Purge(it) => Some((it.incarnation, it.version)),
        Change::Rewrite(it) => Some((it.incarnation, it.version)),
    }
}

fn not_before(change: &Change) -> Option<SystemTime> {
    match change {
        Change::Transition(it) => it.not_before,
        Change::Disarm(it) => it.not_before,
        _ => None,
    }
}

/// Whether the change compares the fence or the owner. Others have no claim to lose.
fn needs_the_claim(change: &Change) -> bool {
    match change {
        Change::Transition(transition) => transition.fence.is_some(),
        change => matches!(change, Change::Claim(_) | Change::SaveCheckpoint(_) | Change::Release(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Cause, Disarm, Entering, Origin, SaveCheckpoint};
    use std::time::Duration;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn transition(row: &Row) -> Transition {
        Transition {
            key: row.key.clone(),
            incarnation: row.incarnation,
            version: row.version,
            fence: None,
            from: row.state.clone(),
            event: "go".into(),
            payload: "null".into(),
            into: Entering {
                state: "S".into(),
                data: "null".into(),
                context: None,
                schema: 1,
                timers: Vec::new(),
                work: false,
                remove: false,
            },
            internal: false,
            cause: Cause::Caller,
            not_before: None,
            idempotency_key: None,
            origin: Origin::default(),
        }
    }

    #[test]
    fn a_worker_change_on_an_unchanged_row_is_fenced() {
        let row = Row::example("M", "S", 3);
        let Row { key, incarnation, version, .. } = row.clone();
        let checkpoint = SaveCheckpoint { key, incarnation, version, fence: 1, checkpoint: "1".into() };
        let fenced = Verdict::Fenced { change: 2, current: Box::new(row.clone()) };
        assert_eq!(missed(2, &Change::SaveCheckpoint(checkpoint), Some(row.clone()), NOW), fenced);
        let worker = Transition { fence: Some(1), ..transition(&row) };
        assert_eq!(missed(2, &Change::Transition(worker.clone()), Some(row.clone()), NOW), fenced);
        let conflict = |current: Option<&Row>| Verdict::Conflict { change: 2, current: current.cloned().map(Box::new) };
        let caller = Change::Transition(transition(&row));
        assert_eq!(missed(2, &caller, Some(row.clone()), NOW), conflict(Some(&row)), "by its schema version");
        let moved = Row { version: 4, ..row };
        assert_eq!(missed(2, &Change::Transition(worker.clone()), Some(moved.clone()), NOW), conflict(Some(&moved)));
        assert_eq!(missed(2, &Change::Transition(worker), None, NOW), conflict(None));
    }

    #[test]
    fn only_the_timer_of_an_unchanged_row_is_too_early() {
        let row = Row::example("M", "S", 3);
        let due = Some(NOW + Duration::from_secs(1));
        let timer = Change::Transition(Transition { not_before: due, ..transition(&row) });
        assert_eq!(missed(0, &timer, Some(row.clone()), NOW), Verdict::TooEarly { change: 0, now: NOW });
        let Row { key, incarnation, version, .. } = row.clone();
        let (event, reason) = ("go".into(), "why".into());
        let disarm = Change::Disarm(Disarm { key, incarnation, version, timer: event, not_before: due, reason });
        assert_eq!(missed(0, &disarm, Some(row.clone()), NOW), Verdict::TooEarly { change: 0, now: NOW });
        let moved = Row { version: 4, ..row };
        assert!(matches!(missed(0, &timer, Some(moved), NOW), Verdict::Conflict { .. }));
    }
}
