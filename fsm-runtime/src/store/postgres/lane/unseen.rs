//! The row after a change that was applied, where the answer was lost. Pure.

use crate::store::{Change, Entering, Row};
use std::{collections::BTreeMap, time::SystemTime};

/// The row after `change`, from the present row: that row, if nothing else has changed it since. Otherwise what the change itself says, with
/// what does not change with it from the present row.
pub(super) fn row(change: &Change, current: Option<Row>) -> Row {
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
    match current {
        Some(current) if current.version == version => current,
        current => {
            let base = current.unwrap_or_else(|| {
                let (state, data) = (String::new(), String::new());
                Row::new(change.key().clone(), incarnation, state, data, SystemTime::UNIX_EPOCH)
            });
            match (change, into) {
                (Change::Transition(it), Some(into)) if it.internal => stayed(base, version, into),
                _ => moved(base, version, into),
            }
        }
    }
}

/// After an internal transition, which leaves the visit as it is.
fn stayed(row: Row, version: u64, into: &Entering) -> Row {
    let Entering { state, data, context, schema, .. } = into.clone();
    Row { state, version, schema, data, context, ..row }
}

fn moved(row: Row, version: u64, into: Option<&Entering>) -> Row {
    let Some(Entering { state, data, context, schema, timers: _, work: _, remove: _ }) = into else {
        return Row { version, ..row };
    };
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
