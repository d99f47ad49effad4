//! Applies a group as a whole, or returns the verdict of the change that was not applied.

use super::{change, read};
use crate::store::{self, Change, Group, HistoryEntry, KeyUse, Row, Verdict, sqlite::closed};
use rusqlite::{Connection, Error, ErrorCode};
use std::{convert::Infallible, time::SystemTime};

/// Why a change was not applied.
enum Missed {
    /// The row is not as the change had read it.
    Moved,
    /// The idempotency key was used before, for the same change or for another.
    Known(Box<HistoryEntry>),
    /// The store can never apply the change.
    Refused(String),
}

/// Which groups get a savepoint of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite) enum Savepoints {
    /// All but single transitions and creations, which change nothing if they miss their row. A savepoint costs a copy of each page
    /// that is changed under it.
    WhereNeeded,
    /// All groups.
    Everywhere,
}

/// Applies `group`: all of it, or nothing. `None` where part of it may have been applied: roll the transaction back, and apply all
/// of it again with [`Savepoints::Everywhere`].
///
/// # Errors
/// Those that concern the whole transaction. A failure of this group alone is a verdict.
pub(in crate::store::sqlite) fn group(
    connection: &Connection,
    group: &Group,
    now: SystemTime,
    savepoints: Savepoints,
) -> rusqlite::Result<Option<Verdict>> {
    if let ([change @ (Change::Create(_) | Change::Transition(_))], Savepoints::WhereNeeded) =
        (&group.changes[..], savepoints)
    {
        return match attempt(connection, change, now) {
            Ok(Ok(row)) => Ok(Some(Verdict::Committed { rows: vec![row] })),
            Ok(Err(missed)) => judge(connection, 0, change, missed, now).map(Some),
            Err(error) if concerns_the_change_alone(&error) => Ok(None),
            Err(error) => Err(error),
        };
    }
    match group_with(connection, group, now, |_| Ok::<_, Infallible>(()))? {
        Ok(verdict) => Ok(Some(verdict)),
        Err(never) => match never {},
    }
}

/// Applies `group` and `statements` after it under a savepoint; their error undoes both.
pub(in crate::store::sqlite) fn group_with<E>(
    connection: &Connection,
    group: &Group,
    now: SystemTime,
    statements: impl FnOnce(&Connection) -> Result<(), E>,
) -> rusqlite::Result<Result<Verdict, E>> {
    connection.prepare_cached("SAVEPOINT fsm_group")?.execute([])?;
    let mut rows = Vec::with_capacity(group.changes.len());
    for (place, change) in group.changes.iter().enumerate() {
        let missed = match attempt(connection, change, now) {
            Ok(Ok(row)) => {
                rows.push(row);
                continue;
            }
            Ok(Err(missed)) => missed,
            Err(error) if concerns_the_change_alone(&error) => Missed::Refused(error.to_string()),
            Err(error) => return Err(error),
        };
        rewind(connection)?;
        let missed = if conflicts_within_group(connection, group, place, now)? {
            Missed::Refused("an earlier change of the same group is in its way".to_owned())
        } else {
            missed
        };
        release(connection)?;
        return judge(connection, place, change, missed, now).map(Ok);
    }
    if let Err(error) = statements(connection) {
        // `INSERT OR ROLLBACK`, and `RAISE(ROLLBACK)` in a trigger, have ended the transaction.
        if !connection.is_autocommit() {
            rewind(connection)?;
            release(connection)?;
        }
        return Ok(Err(error));
    }
    release(connection)?;
    Ok(Ok(Verdict::Committed { rows }))
}

/// Undoes the changes in the savepoint, which stays open.
fn rewind(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("ROLLBACK TO fsm_group")?.execute([]).map(drop)
}

fn release(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("RELEASE fsm_group")?.execute([]).map(drop)
}

/// Whether the change at `place` fails only because of earlier changes of its group: `Conflict` would then show the row that the caller
/// had read, and `Duplicate` an entry that is undone.
fn conflicts_within_group(
    connection: &Connection,
    group: &Group,
    place: usize,
    now: SystemTime,
) -> rusqlite::Result<bool> {
    let change = &group.changes[place];
    if group.changes[..place].iter().all(|earlier| earlier.key() != change.key()) {
        return Ok(false);
    }
    let alone = match attempt(connection, change, now) {
        Ok(made) => made.is_ok(),
        Err(error) if concerns_the_change_alone(&error) => false,
        Err(error) => return Err(error),
    };
    rewind(connection)?;
    Ok(alone)
}

fn attempt(connection: &Connection, change: &Change, now: SystemTime) -> rusqlite::Result<Result<Row, Missed>> {
    if let Change::Create(create) = change
        && let Some(what) = create.key.empty_part()
    {
        return Ok(Err(Missed::Refused(format!("an instance needs {what} that is not empty"))));
    }
    if let Some(known) = known(connection, change)? {
        return Ok(Err(known));
    }
    Ok(change::apply(connection, change, now)?.ok_or(Missed::Moved))
}

fn concerns_the_change_alone(error: &Error) -> bool {
    if closed::is_moved(error) {
        return false;
    }
    let refused = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    );
    // A damaged row concerns only its own group.
    let damaged = matches!(
        error,
        Error::FromSqlConversionFailure(..) | Error::IntegralValueOutOfRange(..) | Error::InvalidColumnType(..)
    );
    refused || damaged
}

fn judge(
    connection: &Connection,
    place: usize,
    change: &Change,
    missed: Missed,
    now: SystemTime,
) -> rusqlite::Result<Verdict> {
    Ok(match missed {
        Missed::Refused(reason) => Verdict::Refused { change: place, reason },
        Missed::Known(first) => store::used_key(place, change, first),
        Missed::Moved => store::missed(place, change, read::row(connection, change.key())?, now),
    })
}

/// Whether the change's idempotency key was used earlier.
fn known(connection: &Connection, change: &Change) -> rusqlite::Result<Option<Missed>> {
    let Some(KeyUse { key, incarnation, idempotency_key }) = store::key_use(change) else { return Ok(None) };
    let first = read::find_by_idempotency_key(connection, key, incarnation, idempotency_key)?;
    Ok(first.map(Box::new).map(Missed::Known))
}
