//! Owns how changes are written: each a compare-and-swap on its row, with its history entry, in the caller's transaction.

use super::read::{self, micros};
use crate::store::{
    Attempts, Change, Claim, Create, Definition, Disarm, Entering, Group, HistoryEntry, HistoryKind, Key, Release, Row,
    Transition, Verdict,
};
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, params};
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// Why a change was not made; the group ends there.
enum Miss {
    /// It was made before, under the same idempotency key; or that key was used for something else.
    Known(Box<HistoryEntry>, bool),
    /// The row is not as the change had read it.
    Moved,
    /// The store cannot take the change.
    Refused(String),
}

/// Applies `group` under a savepoint: all of it, or nothing.
///
/// # Errors
/// Those that concern the whole transaction; what concerns this group alone is a verdict.
pub(super) fn group(connection: &Connection, group: &Group, now: SystemTime) -> rusqlite::Result<Verdict> {
    connection.prepare_cached("SAVEPOINT fsm_group")?.execute([])?;
    let mut rows = Vec::with_capacity(group.changes.len());
    for (place, change) in group.changes.iter().enumerate() {
        let miss = match apply(connection, change, now) {
            Ok(Ok(row)) => {
                rows.push(row);
                continue;
            }
            Ok(Err(miss)) => miss,
            Err(error) if concerns_the_change_alone(&error) => Miss::Refused(error.to_string()),
            Err(error) => return Err(error),
        };
        connection.prepare_cached("ROLLBACK TO fsm_group")?.execute([])?;
        connection.prepare_cached("RELEASE fsm_group")?.execute([])?;
        return match miss {
            Miss::Known(first, true) => Ok(Verdict::Duplicate { change: place, first }),
            Miss::Known(first, false) => Ok(Verdict::KeyReused { change: place, first }),
            Miss::Moved => judge(connection, place, change),
            Miss::Refused(reason) => Ok(Verdict::Refused { change: place, reason }),
        };
    }
    connection.prepare_cached("RELEASE fsm_group")?.execute([])?;
    Ok(Verdict::Committed { rows })
}

fn concerns_the_change_alone(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    )
}

fn apply(connection: &Connection, change: &Change, now: SystemTime) -> rusqlite::Result<Result<Row, Miss>> {
    if let Some(known) = known(connection, change)? {
        return Ok(Err(known));
    }
    let changed = match change {
        Change::Create(create) => self::create(connection, create, now)?,
        Change::Transition(transition) => self::transition(connection, transition, now)?,
        Change::Claim(claim) => self::claim(connection, claim)?,
        Change::Release(release) => self::release(connection, release, now)?,
        Change::Disarm(disarm) => self::disarm(connection, disarm, now)?,
    };
    if !changed {
        return Ok(Err(Miss::Moved));
    }
    Ok(read::row(connection, key(change))?.ok_or(Miss::Moved))
}

/// Whether the change's idempotency key was used before: looked up before legality and version, so that a caller who
/// asks again after a crash gets the first answer though the instance has moved on.
fn known(connection: &Connection, change: &Change) -> rusqlite::Result<Option<Miss>> {
    let (key, incarnation, idempotency_key) = match change {
        // Who creates again does not know under which incarnation it was created.
        Change::Create(Create {
            key,
            idempotency_key: Some(idempotency_key),
            ..
        }) => (key, None, idempotency_key),
        Change::Transition(Transition {
            key,
            incarnation,
            idempotency_key: Some(idempotency_key),
            ..
        }) => (key, Some(incarnation.as_bytes()), idempotency_key),
        _ => return Ok(None),
    };
    let sequence: Option<u64> = connection
        .prepare_cached(
            "SELECT sequence FROM fsm_keys WHERE machine = ?1 AND id = ?2 AND key = ?4
             AND incarnation = ifnull(?3, (SELECT incarnation FROM fsm_instances WHERE machine = ?1 AND id = ?2))",
        )?
        .query_row(params![key.machine, key.id, incarnation, idempotency_key], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(sequence) = sequence else { return Ok(None) };
    let Some(first) = read::entry(connection, sequence)? else {
        return Ok(None);
    };
    let same = match change {
        Change::Create(Create { into, .. }) => {
            first.event.is_none() && first.to == into.state && first.data.as_ref() == Some(&into.data)
        }
        Change::Transition(Transition { event, payload, .. }) => {
            first.event.as_ref() == Some(event) && first.payload.as_ref() == Some(payload)
        }
        _ => false,
    };
    Ok(Some(Miss::Known(Box::new(first), same)))
}

/// Which kind of miss it was, by the row as it is.
fn judge(connection: &Connection, place: usize, change: &Change) -> rusqlite::Result<Verdict> {
    let current = read::row(connection, key(change))?.map(Box::new);
    let read_as = match change {
        Change::Create(_) | Change::Disarm(_) => None,
        Change::Transition(t) => t.fence.map(|_| (t.incarnation, t.version)),
        Change::Claim(c) => Some((c.incarnation, c.version)),
        Change::Release(r) => Some((r.incarnation, r.version)),
    };
    Ok(match current {
        Some(current) if read_as == Some((current.incarnation, current.version)) => {
            Verdict::Fenced { change: place, current }
        }
        current => Verdict::Conflict { change: place, current },
    })
}

fn key(change: &Change) -> &Key {
    match change {
        Change::Create(create) => &create.key,
        Change::Transition(transition) => &transition.key,
        Change::Claim(claim) => &claim.key,
        Change::Release(release) => &release.key,
        Change::Disarm(disarm) => &disarm.key,
    }
}

fn create(connection: &Connection, create: &Create, now: SystemTime) -> rusqlite::Result<bool> {
    let Create {
        key,
        incarnation,
        into,
        cause,
        ..
    } = create;
    let changed = connection
        .prepare_cached(
            "INSERT INTO fsm_instances (machine, id, incarnation, state, version, entered, schema, data, context,
                 timer_at, retry_at, fence, attempt, shard, created, updated)
             VALUES (?1, ?2, ?3, ?4, 1, 1, ?5, ?6, ?7, ?8, ?9, 0, 0, ?10, ?11, ?11)
             ON CONFLICT (machine, id) DO NOTHING",
        )?
        .execute(params![
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
        ])?;
    if changed == 1 {
        record(connection, &Note::birth(create), cause.as_str(), now)?;
    }
    Ok(changed == 1)
}

fn transition(connection: &Connection, transition: &Transition, now: SystemTime) -> rusqlite::Result<bool> {
    let Transition {
        key,
        incarnation,
        version,
        fence,
        into,
        cause,
        ..
    } = transition;
    // Without a fence the owner stays: while its worker is being stopped, nobody else may claim the row.
    let current_fence: Option<u64> = connection
        .prepare_cached(
            "UPDATE fsm_instances
             SET state = ?5, version = version + 1, entered = version + 1, schema = ?6, data = ?7, context = ?8,
                 timer_at = ?9, retry_at = ?10, owner = iif(?11 IS NULL, owner, NULL), attempt = 0,
                 checkpoint = NULL, parked = NULL, error = NULL, updated = ?12
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND fence = ifnull(?11, fence)
             RETURNING fence",
        )?
        .query_row(
            params![
                key.machine,
                key.id,
                incarnation.as_bytes(),
                version,
                into.state,
                into.schema,
                into.data,
                into.context,
                timer_at(into, now),
                retry_at(into, now),
                fence,
                micros(now),
            ],
            |row| row.get(0),
        )
        .optional()?;
    let Some(current_fence) = current_fence else {
        return Ok(false);
    };
    record(connection, &Note::of(transition, current_fence), cause.as_str(), now)?;
    Ok(true)
}

fn claim(connection: &Connection, claim: &Claim) -> rusqlite::Result<bool> {
    let Claim {
        key,
        incarnation,
        version,
        fence,
        owner,
    } = claim;
    let next: u64 = connection
        .prepare_cached("UPDATE fsm_meta SET value = value + 1 WHERE name = 'fence' RETURNING value")?
        .query_row([], |row| row.get(0))?;
    let changed = connection
        .prepare_cached(
            "UPDATE fsm_instances SET owner = ?6, fence = ?7, attempt = attempt + 1, retry_at = NULL
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND fence = ?5 AND parked IS NULL",
        )?
        .execute(params![
            key.machine,
            key.id,
            incarnation.as_bytes(),
            version,
            fence,
            owner,
            next
        ])?;
    Ok(changed == 1)
}

fn release(connection: &Connection, release: &Release, now: SystemTime) -> rusqlite::Result<bool> {
    let Release {
        key,
        incarnation,
        version,
        fence,
        retry,
        attempts,
        error,
        parked,
        note,
    } = release;
    let state: Option<String> = connection
        .prepare_cached(
            "UPDATE fsm_instances
             SET owner = NULL, retry_at = ?6,
                 attempt = CASE ?7 WHEN 0 THEN 0 WHEN 1 THEN max(attempt - 1, 0) ELSE attempt END,
                 error = ifnull(?8, error), parked = ?9
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND fence = ?5
             RETURNING state",
        )?
        .query_row(
            params![
                key.machine,
                key.id,
                incarnation.as_bytes(),
                version,
                fence,
                retry.map(|retry| micros(later(now, retry))),
                match attempts {
                    Attempts::Reset => 0,
                    Attempts::GiveBack => 1,
                    Attempts::Keep => 2,
                },
                error,
                parked,
            ],
            |row| row.get(0),
        )
        .optional()?;
    let Some(state) = state else { return Ok(false) };
    if let Some((about, text)) = note {
        let note = Note::beside(key, *incarnation, *version, *fence, &state, about, text);
        record(
            connection,
            &note,
            if *attempts == Attempts::Reset {
                "operator"
            } else {
                "worker"
            },
            now,
        )?;
    }
    Ok(true)
}

fn disarm(connection: &Connection, disarm: &Disarm, now: SystemTime) -> rusqlite::Result<bool> {
    let Disarm {
        key,
        incarnation,
        version,
        reason,
    } = disarm;
    let row: Option<(String, u64)> = connection
        .prepare_cached(
            "UPDATE fsm_instances SET timer_at = NULL
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 RETURNING state, fence",
        )?
        .query_row(params![key.machine, key.id, incarnation.as_bytes(), version], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((state, fence)) = row else { return Ok(false) };
    let note = Note::beside(key, *incarnation, *version, fence, &state, "timer dropped", reason);
    record(connection, &note, "timer", now)?;
    Ok(true)
}

/// A history entry before it has its sequence.
struct Note<'a> {
    key: &'a Key,
    incarnation: Uuid,
    kind: HistoryKind,
    version: u64,
    fence: u64,
    from: Option<&'a str>,
    event: Option<&'a str>,
    to: &'a str,
    payload: Option<&'a str>,
    data: Option<&'a str>,
    idempotency_key: Option<&'a str>,
}

impl<'a> Note<'a> {
    fn birth(create: &'a Create) -> Self {
        Self {
            key: &create.key,
            incarnation: create.incarnation,
            kind: HistoryKind::Transition,
            version: 1,
            fence: 0,
            from: None,
            event: None,
            to: &create.into.state,
            payload: None,
            data: Some(&create.into.data),
            idempotency_key: create.idempotency_key.as_deref(),
        }
    }

    fn of(transition: &'a Transition, fence: u64) -> Self {
        Self {
            key: &transition.key,
            incarnation: transition.incarnation,
            kind: HistoryKind::Transition,
            version: transition.version + 1,
            fence,
            from: Some(&transition.from),
            event: Some(&transition.event),
            to: &transition.into.state,
            payload: Some(&transition.payload),
            data: Some(&transition.into.data),
            idempotency_key: transition.idempotency_key.as_deref(),
        }
    }

    fn beside(
        key: &'a Key,
        incarnation: Uuid,
        version: u64,
        fence: u64,
        state: &'a str,
        about: &'a str,
        text: &'a str,
    ) -> Self {
        Self {
            key,
            incarnation,
            kind: HistoryKind::Note,
            version,
            fence,
            from: Some(state),
            event: Some(about),
            to: state,
            payload: Some(text),
            data: None,
            idempotency_key: None,
        }
    }
}

fn record(connection: &Connection, note: &Note<'_>, cause: &str, now: SystemTime) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO fsm_history (machine, id, incarnation, kind, version, fence, from_state, event, to_state,
                 payload, data, cause, key, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            note.key.machine,
            note.key.id,
            note.incarnation.as_bytes(),
            note.kind.as_str(),
            note.version,
            note.fence,
            note.from,
            note.event,
            note.to,
            note.payload,
            note.data,
            cause,
            note.idempotency_key,
            micros(now),
        ])?;
    if let Some(key) = note.idempotency_key {
        connection
            .prepare_cached(
                "INSERT INTO fsm_keys (machine, id, incarnation, key, sequence, at)
                 VALUES (?1, ?2, ?3, ?4, last_insert_rowid(), ?5)",
            )?
            .execute(params![
                note.key.machine,
                note.key.id,
                note.incarnation.as_bytes(),
                key,
                micros(now)
            ])?;
    }
    Ok(())
}

/// Stores the definitions, each under its machine's name and version.
pub(super) fn define(connection: &Connection, definitions: &[Definition], now: SystemTime) -> rusqlite::Result<()> {
    for Definition {
        machine,
        version,
        fingerprint,
        graph,
    } in definitions
    {
        connection
            .prepare_cached(
                "INSERT INTO fsm_machines (name, version, fingerprint, graph, at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (name, version) DO UPDATE SET fingerprint = ?3, graph = ?4, at = ?5
                 WHERE fingerprint != ?3 OR graph != ?4",
            )?
            // A fingerprint is bits, not a number: SQLite's integers are signed.
            .execute(params![machine, version, fingerprint.cast_signed(), graph, micros(now)])?;
    }
    Ok(())
}

fn timer_at(into: &Entering, now: SystemTime) -> Option<i64> {
    into.timer.map(|after| micros(later(now, after)))
}

fn retry_at(into: &Entering, now: SystemTime) -> Option<i64> {
    into.work.then(|| micros(now))
}

/// A delay too long for the calendar is as good as none at all: the far end of it.
fn later(now: SystemTime, by: Duration) -> SystemTime {
    now.checked_add(by).unwrap_or(SystemTime::UNIX_EPOCH + read::FOREVER)
}
