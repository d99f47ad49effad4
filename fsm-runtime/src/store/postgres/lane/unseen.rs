//! The row after a change that was applied, where the answer was lost. Pure.

use crate::store::{Change, Entering, Row};
use std::{collections::BTreeMap, time::SystemTime};

/// The row after `change`, from the present row: that row, if nothing else has moved it since, or if the change does not move it.
/// Otherwise what the change itself says, with what does not change with it from the present row. `None` for a claim of a row that has been
/// moved, or taken over by another process, since: its worker would run for a visit that is over, or beside the other one's.
///
/// A change by a worker has the fence of its claim, so the row has it, too, also where another process has claimed the row since: the
/// worker's next change must be fenced.
pub(super) fn row(change: &Change, current: Option<Row>) -> Option<Row> {
    let (incarnation, version, into) = match change {
        Change::Create(it) => (it.incarnation, 1, Some(&it.into)),
        Change::Transition(it) => (it.incarnation, it.version + 1, Some(&it.into)),
        Change::Override(it) => (it.incarnation, it.version + 1, Some(&it.into)),
        Change::Claim(it) => (it.incarnation, it.version, None),
        Change::SaveCheckpoint(it) => (it.incarnation, it.version, None),
        Change::Release(it) => (it.incarnation, it.version, None),
        Change::Arm(it) => (it.incarnation, it.version, None),
        Change::Disarm(it) => (it.incarnation, it.version, None),
        Change::SetDesiredState(it) => (it.incarnation, it.version, None),
        Change::Hold(it) => (it.incarnation, it.version, None),
        Change::Purge(it) => (it.incarnation, it.version, None),
        Change::Rewrite(it) => (it.incarnation, it.version, None),
    };
    let current = current.filter(|current| current.incarnation == incarnation);
    if let Change::Claim(claim) = change {
        return current.filter(|it| it.version == version && it.owner.as_deref() == Some(&*claim.owner));
    }
    let fence = match change {
        Change::Transition(it) => it.fence,
        Change::SaveCheckpoint(it) => Some(it.fence),
        Change::Release(it) => Some(it.fence),
        _ => None,
    };
    let current = current.map(|current| match fence {
        Some(fence) if current.fence != fence && current.version == version => Row { fence, owner: None, ..current },
        _ => current,
    });
    match (current, into) {
        (Some(current), _) if current.version == version => Some(current),
        (Some(current), None) => Some(current),
        (current, into) => {
            let base = current.unwrap_or_else(|| {
                let (state, data) = (String::new(), String::new());
                Row::new(change.key().clone(), incarnation, state, data, SystemTime::UNIX_EPOCH)
            });
            Some(match (change, into) {
                (Change::Transition(it), Some(into)) if it.internal => stayed(base, version, into),
                (_, Some(into)) => moved(base, version, into),
                (_, None) => Row { version, ..base },
            })
        }
    }
}

/// After an internal transition, which leaves the visit as it is.
fn stayed(row: Row, version: u64, into: &Entering) -> Row {
    let Entering { state, data, context, schema, .. } = into.clone();
    Row { state, version, schema, data, context, ..row }
}

fn moved(row: Row, version: u64, into: &Entering) -> Row {
    let Entering { state, data, context, schema, timers: _, work: _, remove: _ } = into;
    Row {
        version,
        entered: version,
        state: state.clone(),
        data: data.clone(),
        context: context.clone(),
        schema: *schema,
        timer_at: None,
        timers: BTreeMap::new(),
        retry_at: None,
        owner: None,
        attempt: 0,
        checkpoint: None,
        parked: None,
        parked_at: None,
        error: None,
        error_at: None,
        first_error: None,
        first_error_at: None,
        ..row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Claim, Key, SaveCheckpoint};
    use uuid::Uuid;

    fn present(version: u64) -> Row {
        let row = Row::new(Key::new("Door", "a"), Uuid::nil(), "Shut".into(), "null".into(), SystemTime::UNIX_EPOCH);
        Row { version, entered: version, ..row }
    }

    fn claim(version: u64) -> Change {
        let (key, incarnation) = (Key::new("Door", "a"), Uuid::nil());
        Change::Claim(Claim { key, incarnation, version, fence: 0, owner: "me".into() })
    }

    #[test]
    fn an_unseen_claim_of_a_row_that_has_moved_on_is_void() {
        let owned = |owner: &str| Row { owner: Some(owner.into()), fence: 7, ..present(3) };
        assert_eq!(row(&claim(3), Some(owned("me"))), Some(owned("me")));
        assert_eq!(row(&claim(3), Some(owned("other"))), None, "another process has claimed it since");
        assert_eq!(row(&claim(3), Some(present(3))), None, "its claim has ended since");
        assert_eq!(row(&claim(3), Some(present(4))), None, "its worker would run for another visit");
        assert_eq!(row(&claim(3), None), None, "the row is gone");
    }

    #[test]
    fn other_unseen_changes_that_move_nothing_have_the_present_row() {
        let (key, incarnation) = (Key::new("Door", "a"), Uuid::nil());
        let checkpoint =
            Change::SaveCheckpoint(SaveCheckpoint { key, incarnation, version: 3, fence: 0, checkpoint: "1".into() });
        assert_eq!(row(&checkpoint, Some(present(4))), Some(present(4)), "no mixture of two versions");
        let taken_over = Row { fence: 9, owner: Some("other".into()), ..present(3) };
        let shown = row(&checkpoint, Some(taken_over)).unwrap();
        assert_eq!((shown.fence, shown.owner), (0, None), "not the fence of the new owner");
    }
}
