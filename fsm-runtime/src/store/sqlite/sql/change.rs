//! Applies each change: a compare-and-swap on its row, and its history entry.

use super::{
    cas::Cas,
    columns::{COLUMNS, FOREVER, later, micros, to_row},
    enter_state::{self, Move, remove_if, retry_at, timer_at},
    history::{self, Entry},
    operations,
};
use crate::store::{
    Arm, Attempts, Cause, Change, Checkpoint, Claim, Create, Disarm, HistoryKind, Hold, Note, Operation, Override,
    Purge, Release, Rewrite, Row, SetDesiredState, Transition,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::SystemTime;

/// The row after the change; `None` if the row is not as the change had read it.
pub(in crate::store::sqlite) fn apply(
    connection: &Connection,
    change: &Change,
    now: SystemTime,
) -> rusqlite::Result<Option<Row>> {
    match change {
        Change::Create(change) => create(connection, change, now),
        Change::Transition(change) => transition(connection, change, now),
        Change::Claim(change) => claim(connection, change, now),
        Change::Checkpoint(change) => checkpoint(connection, change),
        Change::Release(change) => release(connection, change, now),
        Change::Arm(change) => arm(connection, change, now),
        Change::Disarm(change) => disarm(connection, change, now),
        Change::Override(change) => override_state(connection, change, now),
        Change::SetDesiredState(change) => set_desired_state(connection, change, now),
        Change::Hold(change) => hold(connection, change, now),
        Change::Purge(change) => purge(connection, change, now),
        Change::Rewrite(change) => rewrite(connection, change),
    }
}

fn create(connection: &Connection, create: &Create, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Create { key, incarnation, into, cause, idempotency_key, origin } = create;
    let row = connection
        .prepare_cached(&format!(
            "INSERT INTO fsm_instances (machine, id, incarnation, state, version, entered, schema, data, context,
                 timer_at, retry_at, fence, attempt, shard, created, updated)
             VALUES (?1, ?2, ?3, ?4, 1, 1, ?5, ?6, ?7, ?8, ?9, 0, 0, ?10, ?11, ?11)
             ON CONFLICT (machine, id) DO NOTHING RETURNING {COLUMNS}"
        ))?
        .query_row(
            params![
                key.machine,
                key.id,
                incarnation.as_bytes(),
                into.state,
                into.schema,
                into.data,
                into.context,
                timer_at(into, now),
                retry_at(into, now),
                key.shard(),
                micros(now),
            ],
            to_row,
        )
        .optional()?;
    if let Some(row) = &row {
        let idempotency_key = idempotency_key.as_deref();
        history::write(connection, &Entry { idempotency_key, origin: Some(origin), ..Entry::of(row, *cause) }, now)?;
        remove_if(into.remove, connection, row)?;
    }
    Ok(row)
}

fn transition(connection: &Connection, transition: &Transition, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Transition {
        key,
        incarnation,
        version,
        fence,
        from,
        event,
        payload,
        into,
        cause,
        not_before,
        idempotency_key,
        origin,
    } = transition;
    let (incarnation, version, fence, not_before) = (*incarnation, *version, *fence, *not_before);
    let to = Move { key, incarnation, version, fence, into, not_before, keeps_context: false };
    let row = enter_state::enter(connection, &to, now)?;
    if let Some(row) = &row {
        let entry = Entry {
            from: Some(from),
            event: Some(event),
            payload: Some(payload),
            idempotency_key: idempotency_key.as_deref(),
            origin: Some(origin),
            ..Entry::of(row, *cause)
        };
        history::write(connection, &entry, now)?;
        remove_if(into.remove, connection, row)?;
    }
    Ok(row)
}

/// While the owner's lease is live, only the owner can claim.
fn claim(connection: &Connection, claim: &Claim, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Claim { key, incarnation, version, fence, owner } = claim;
    let next: u64 = connection
        .prepare_cached("UPDATE fsm_meta SET value = value + 1 WHERE name = 'fence' RETURNING value")?
        .query_row([], |row| row.get(0))?;
    Cas { key, incarnation: *incarnation, version: *version }.run(
        connection,
        "UPDATE fsm_instances SET owner = ?6, fence = ?7, attempt = attempt + 1, retry_at = NULL,
             error = iif(owner <> ?6 AND attempt > 0, ?9, error),
             error_at = iif(owner <> ?6 AND attempt > 0, ?8, error_at),
             first_error = iif(owner <> ?6 AND attempt > 0, ifnull(first_error, ?9), first_error),
             first_error_at = iif(owner <> ?6 AND attempt > 0, ifnull(first_error_at, ?8), first_error_at)",
        "AND fence = ?5 AND parked IS NULL AND hold IS NULL
         AND (owner IS NULL OR owner = ?6
              OR NOT EXISTS (SELECT 1 FROM fsm_leases WHERE fsm_leases.owner = fsm_instances.owner AND until > ?8))",
        &[fence, owner, &next, &micros(now), &Claim::CRASH],
    )
}

fn release(connection: &Connection, release: &Release, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Release { key, incarnation, version, fence, owner, retry, attempts, error, parked, note } = release;
    let attempt = match attempts {
        Attempts::Keep => "attempt",
        Attempts::GiveBack => "max(attempt - 1, 0)",
        Attempts::Reset => "0",
    };
    let retry = retry.map(|retry| micros(later(now, retry)));
    let row = Cas { key, incarnation: *incarnation, version: *version }.run(
        connection,
        &format!(
            "UPDATE fsm_instances SET owner = NULL, retry_at = ?7, attempt = {attempt}, error = ifnull(?8, error),
                 error_at = iif(?8 IS NULL, error_at, ?10), first_error = ifnull(first_error, ?8),
                 first_error_at = ifnull(first_error_at, iif(?8 IS NULL, NULL, ?10)),
                 parked = ?9, parked_at = iif(?9 IS NULL, NULL, ?10)"
        ),
        "AND fence = ?5 AND owner IS ?6",
        &[fence, owner, &retry, error, parked, &micros(now)],
    )?;
    write_note(connection, row.as_ref(), note.as_ref(), now)?;
    Ok(row)
}

fn arm(connection: &Connection, arm: &Arm, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Arm { key, incarnation, version, work, timer, reason } = arm;
    let timer = timer.map(|after| i64::try_from(after.min(FOREVER).as_micros()).unwrap_or(i64::MAX));
    let row = Cas { key, incarnation: *incarnation, version: *version }.run(
        connection,
        "UPDATE fsm_instances
         SET retry_at = iif(?5 AND owner IS NULL AND parked IS NULL, ifnull(retry_at, ?6), retry_at),
             timer_at = ifnull(timer_at, updated + ?7)",
        "AND (?5 AND retry_at IS NULL AND owner IS NULL AND parked IS NULL OR ?7 IS NOT NULL AND timer_at IS NULL)",
        &[work, &micros(now), &timer],
    )?;
    if let Some(row) = &row {
        history::write(connection, &Entry::note(row, "armed", reason, Cause::Operator), now)?;
    }
    Ok(row)
}

fn disarm(connection: &Connection, disarm: &Disarm, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Disarm { key, incarnation, version, not_before, reason } = disarm;
    let cas = Cas { key, incarnation: *incarnation, version: *version };
    let row = cas.run(
        connection,
        "UPDATE fsm_instances SET timer_at = NULL",
        "AND ifnull(?5, ?6) <= ?6",
        &[&not_before.map(micros), &micros(now)],
    )?;
    if let Some(row) = &row {
        history::write(connection, &Entry::note(row, "timer dropped", reason, Cause::Timer), now)?;
    }
    Ok(row)
}

fn purge(connection: &Connection, purge: &Purge, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Purge { key, incarnation, version, origin, why } = purge;
    let cas = Cas { key, incarnation: *incarnation, version: *version };
    let row = cas.run(connection, "DELETE FROM fsm_instances", "", &[])?;
    if row.is_some() {
        for table in ["fsm_history", "fsm_keys"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE machine = ?1 AND id = ?2"))?
                .execute(params![key.machine, key.id])?;
        }
        if origin.actor.is_some() {
            let mut operation = Operation::new("purge", origin.clone()).of(key);
            operation.why.clone_from(why);
            operations::write(connection, &operation, now)?;
        }
    }
    Ok(row)
}

fn hold(connection: &Connection, change: &Hold, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Hold { key, incarnation, version, seen, hold, note } = change;
    let row = Cas { key, incarnation: *incarnation, version: *version }.run(
        connection,
        "UPDATE fsm_instances SET hold = ?6",
        "AND hold IS ?5",
        &[seen, hold],
    )?;
    write_note(connection, row.as_ref(), note.as_ref(), now)?;
    Ok(row)
}

fn rewrite(connection: &Connection, rewrite: &Rewrite) -> rusqlite::Result<Option<Row>> {
    let Rewrite { key, incarnation, version, state, data, context, schema } = rewrite;
    Cas { key, incarnation: *incarnation, version: *version }.run(
        connection,
        "UPDATE fsm_instances SET state = ?5, data = ?6, schema = ?7, context = ?8",
        "AND schema < ?7",
        &[state, data, schema, context],
    )
}

/// A released row keeps the fence of its last claim, but has no owner.
fn checkpoint(connection: &Connection, change: &Checkpoint) -> rusqlite::Result<Option<Row>> {
    let Checkpoint { key, incarnation, version, fence, checkpoint } = change;
    Cas { key, incarnation: *incarnation, version: *version }.run(
        connection,
        "UPDATE fsm_instances SET checkpoint = ?6",
        "AND fence = ?5 AND owner IS NOT NULL",
        &[fence, checkpoint],
    )
}

/// The event of an override in the history.
const MOVED: &str = "moved";

/// As a transition without a fence: the owner stays until its worker has ended.
fn override_state(connection: &Connection, change: &Override, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Override { key, incarnation, version, from, into, why, origin } = change;
    let (incarnation, version) = (*incarnation, *version);
    let to = Move { key, incarnation, version, fence: None, into, not_before: None, keeps_context: true };
    let row = enter_state::enter(connection, &to, now)?;
    if let Some(row) = &row {
        let entry = Entry {
            kind: HistoryKind::Override,
            from: Some(from),
            event: Some(MOVED),
            payload: Some(why),
            origin: Some(origin),
            ..Entry::of(row, Cause::Operator)
        };
        history::write(connection, &entry, now)?;
        remove_if(into.remove, connection, row)?;
    }
    Ok(row)
}

fn set_desired_state(
    connection: &Connection,
    change: &SetDesiredState,
    now: SystemTime,
) -> rusqlite::Result<Option<Row>> {
    let SetDesiredState { key, incarnation, version, seen, desired, desired_by, due, note } = change;
    let due = due.map(|due| micros(later(now, due)));
    let row = Cas { key, incarnation: *incarnation, version: *version }.run(
        connection,
        "UPDATE fsm_instances SET desired = ?6, desired_at = ?7, desired_by = ?8",
        "AND desired IS ?5",
        &[seen, desired, &due, desired_by],
    )?;
    write_note(connection, row.as_ref(), note.as_ref(), now)?;
    Ok(row)
}

fn write_note(
    connection: &Connection,
    row: Option<&Row>,
    note: Option<&Note>,
    now: SystemTime,
) -> rusqlite::Result<()> {
    let (Some(row), Some(Note { about, text, cause, origin })) = (row, note) else { return Ok(()) };
    history::write(connection, &Entry { origin: Some(origin), ..Entry::note(row, about, text, *cause) }, now)
}
