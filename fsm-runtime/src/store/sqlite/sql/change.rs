//! Owns how each change is written: a compare-and-swap on its row, with its history entry, in the caller's transaction.

use super::{
    enter_state::{self, Move, remove_if, retry_at, timer_at},
    history::{self, Entry},
    read::{self, COLUMNS, later, micros, to_row},
};
use crate::store::{
    Arm, Attempts, Cause, Change, Checkpoint, Claim, Create, Disarm, HistoryKind, Override, Purge, Release, Rewrite,
    Row, SetDesiredState, Transition,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::SystemTime;

/// The row as the change leaves it; `None` where the row is not as the change had read it.
pub(in crate::store::sqlite) fn apply(
    connection: &Connection,
    change: &Change,
    now: SystemTime,
) -> rusqlite::Result<Option<Row>> {
    match change {
        Change::Create(create) => self::create(connection, create, now),
        Change::Transition(transition) => self::transition(connection, transition, now),
        Change::Claim(claim) => self::claim(connection, claim, now),
        Change::Checkpoint(kept) => self::checkpoint(connection, kept),
        Change::Release(release) => self::release(connection, release, now),
        Change::Arm(arm) => self::arm(connection, arm, now),
        Change::Disarm(disarm) => self::disarm(connection, disarm, now),
        Change::Override(moved) => self::override_state(connection, moved, now),
        Change::SetDesiredState(set) => self::desired(connection, set, now),
        Change::Purge(purge) => self::purge(connection, purge),
        Change::Rewrite(rewrite) => self::rewrite(connection, rewrite),
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
                read::shard(key),
                micros(now),
            ],
            to_row,
        )
        .optional()?;
    if let Some(row) = &row {
        let key = idempotency_key.as_deref();
        let birth = Entry { from: None, event: None, payload: None, ..Entry::of(row, *cause) };
        history::write(connection, &Entry { idempotency_key: key, origin: Some(origin), ..birth }, now)?;
        remove_if(into.remove, connection, row)?;
    }
    Ok(row)
}

fn transition(connection: &Connection, transition: &Transition, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Transition { key, incarnation, version, fence, from, event, payload, into, cause, idempotency_key, origin } =
        transition;
    let to = Move { key, incarnation: *incarnation, version: *version, fence: *fence, into, keeps_context: false };
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

/// While the owner's lease lives, only the owner may claim.
fn claim(connection: &Connection, claim: &Claim, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Claim { key, incarnation, version, fence, owner } = claim;
    let next: u64 = connection
        .prepare_cached("UPDATE fsm_meta SET value = value + 1 WHERE name = 'fence' RETURNING value")?
        .query_row([], |row| row.get(0))?;
    connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances SET owner = ?6, fence = ?7, attempt = attempt + 1, retry_at = NULL,
                 error = iif(owner <> ?6 AND attempt > 0, ?9, error)
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND fence = ?5 AND parked IS NULL
               AND (owner IS NULL OR owner = ?6
                    OR NOT EXISTS (SELECT 1 FROM fsm_leases
                                   WHERE fsm_leases.owner = fsm_instances.owner AND until > ?8))
             RETURNING {COLUMNS}"
        ))?
        .query_row(
            params![
                key.machine,
                key.id,
                incarnation.as_bytes(),
                version,
                fence,
                owner,
                next,
                micros(now),
                Claim::CRASH
            ],
            to_row,
        )
        .optional()
}

fn release(connection: &Connection, release: &Release, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Release { key, incarnation, version, fence, owner, retry, attempts, error, parked, note } = release;
    let attempt = match attempts {
        Attempts::Keep => "attempt",
        Attempts::GiveBack => "max(attempt - 1, 0)",
        Attempts::Reset => "0",
    };
    let row = connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances
             SET owner = NULL, retry_at = ?6, attempt = {attempt}, error = ifnull(?7, error), parked = ?8,
                 parked_at = iif(?8 IS NULL, NULL, ?10)
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND fence = ?5 AND owner IS ?9
             RETURNING {COLUMNS}"
        ))?
        .query_row(
            params![
                key.machine,
                key.id,
                incarnation.as_bytes(),
                version,
                fence,
                retry.map(|retry| micros(later(now, retry))),
                error,
                parked,
                owner,
                micros(now),
            ],
            to_row,
        )
        .optional()?;
    if let (Some(row), Some(note)) = (&row, note) {
        history::write(
            connection,
            &Entry { origin: Some(&note.origin), ..Entry::note(row, note.about, &note.text, note.cause) },
            now,
        )?;
    }
    Ok(row)
}

fn arm(connection: &Connection, arm: &Arm, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Arm { key, incarnation, version, work, timer, reason } = arm;
    let timer = timer.map(|after| i64::try_from(after.min(read::FOREVER).as_micros()).unwrap_or(i64::MAX));
    let row = connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances
             SET retry_at = iif(?5 AND owner IS NULL AND parked IS NULL, ifnull(retry_at, ?6), retry_at),
                 timer_at = ifnull(timer_at, updated + ?7)
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4
               AND (?5 AND retry_at IS NULL AND owner IS NULL AND parked IS NULL OR ?7 IS NOT NULL AND timer_at IS NULL)
             RETURNING {COLUMNS}"
        ))?
        .query_row(params![key.machine, key.id, incarnation.as_bytes(), version, work, micros(now), timer], to_row)
        .optional()?;
    if let Some(row) = &row {
        history::write(connection, &Entry::note(row, "armed", reason, Cause::Operator), now)?;
    }
    Ok(row)
}

fn disarm(connection: &Connection, disarm: &Disarm, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Disarm { key, incarnation, version, reason } = disarm;
    let row = connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances SET timer_at = NULL
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 RETURNING {COLUMNS}"
        ))?
        .query_row(params![key.machine, key.id, incarnation.as_bytes(), version], to_row)
        .optional()?;
    if let Some(row) = &row {
        history::write(connection, &Entry::note(row, "timer dropped", reason, Cause::Timer), now)?;
    }
    Ok(row)
}

fn purge(connection: &Connection, purge: &Purge) -> rusqlite::Result<Option<Row>> {
    let Purge { key, incarnation, version } = purge;
    let row = connection
        .prepare_cached(&format!(
            "DELETE FROM fsm_instances WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4
             RETURNING {COLUMNS}"
        ))?
        .query_row(params![key.machine, key.id, incarnation.as_bytes(), version], to_row)
        .optional()?;
    if row.is_some() {
        for table in ["fsm_history", "fsm_keys"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE machine = ?1 AND id = ?2"))?
                .execute(params![key.machine, key.id])?;
        }
    }
    Ok(row)
}

fn rewrite(connection: &Connection, rewrite: &Rewrite) -> rusqlite::Result<Option<Row>> {
    let Rewrite { key, incarnation, version, state, data, context, schema } = rewrite;
    connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances SET state = ?5, data = ?6, schema = ?7, context = ?8
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND schema < ?7 RETURNING {COLUMNS}"
        ))?
        .query_row(params![key.machine, key.id, incarnation.as_bytes(), version, state, data, schema, context], to_row)
        .optional()
}

/// A row that was given back has the fence of its last claim still, but no owner.
fn checkpoint(connection: &Connection, kept: &Checkpoint) -> rusqlite::Result<Option<Row>> {
    let Checkpoint { key, incarnation, version, fence, checkpoint } = kept;
    connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances SET checkpoint = ?6
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND fence = ?5 AND owner IS NOT NULL
             RETURNING {COLUMNS}"
        ))?
        .query_row(params![key.machine, key.id, incarnation.as_bytes(), version, fence, checkpoint], to_row)
        .optional()
}

/// What the history says that an override is about.
const MOVED: &str = "moved";

/// As a transition without a fence: the owner stays until its worker is gone.
fn override_state(connection: &Connection, moved: &Override, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Override { key, incarnation, version, from, into, why, origin } = moved;
    let to = Move { key, incarnation: *incarnation, version: *version, fence: None, into, keeps_context: true };
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

fn desired(connection: &Connection, set: &SetDesiredState, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let SetDesiredState { key, incarnation, version, seen, desired, due, note } = set;
    let due = due.map(|due| micros(later(now, due)));
    let row = connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances SET desired = ?6, desired_at = ?7
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND desired IS ?5 RETURNING {COLUMNS}"
        ))?
        .query_row(params![key.machine, key.id, incarnation.as_bytes(), version, seen, desired, due], to_row)
        .optional()?;
    if let (Some(row), Some(note)) = (&row, note) {
        let entry = Entry::note(row, note.about, &note.text, note.cause);
        history::write(connection, &Entry { origin: Some(&note.origin), ..entry }, now)?;
    }
    Ok(row)
}
