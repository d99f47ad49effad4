//! Transitions and overrides. An internal transition stays in its state: its visit, its timers and the claim of its worker go on.

use super::{Batch, NO_DATA, Numbered, columns, common, of_kind, template, timers};
use crate::store::{
    Cause, Change, Entering, HistoryKind, Origin, Override, Transition,
    postgres::{
        columns::{stored, time},
        statement::Statement,
    },
};
use std::{sync::LazyLock, time::SystemTime};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// The event of an override in the history.
const MOVED: &str = "moved";

/// A move to a state, by a transition or an override.
struct Move<'a> {
    incarnation: Uuid,
    version: u64,
    /// The fence of a worker that releases its claim with the move. Without one the owner stays: no other process may claim the row
    /// while its worker is being stopped.
    fence: Option<u64>,
    into: &'a Entering,
    /// Whether the row keeps its context if `into` has none.
    keeps_context: bool,
    kind: HistoryKind,
    from: &'a str,
    event: &'a str,
    payload: &'a str,
    cause: Cause,
    /// The time before which the row is not moved.
    not_before: Option<SystemTime>,
    idempotency_key: Option<&'a str>,
    origin: &'a Origin,
}

impl<'a> Move<'a> {
    fn of(change: &'a Change) -> Option<Self> {
        match change {
            Change::Transition(Transition {
                key: _,
                incarnation,
                version,
                fence,
                from,
                event,
                payload,
                into,
                internal,
                cause,
                not_before,
                idempotency_key,
                origin,
            }) => Some(Self {
                incarnation: *incarnation,
                version: *version,
                fence: *fence,
                into,
                keeps_context: false,
                kind: if *internal { HistoryKind::Internal } else { HistoryKind::Transition },
                from,
                event,
                payload,
                cause: *cause,
                not_before: not_before.map(time),
                idempotency_key: idempotency_key.as_deref(),
                origin,
            }),
            Change::Override(Override { key: _, incarnation, version, from, into, why, origin }) => Some(Self {
                incarnation: *incarnation,
                version: *version,
                fence: None,
                into,
                keeps_context: true,
                kind: HistoryKind::Override,
                from,
                event: MOVED,
                payload: why,
                cause: Cause::Operator,
                not_before: None,
                idempotency_key: None,
                origin,
            }),
            _ => None,
        }
    }
}

/// What must hold of the row. The schema version is compared too: a rewrite by newer code leaves the version alone, and older code
/// must not undo it.
const UNCHANGED: &str =
    "i.machine = a.machine AND i.id = a.id AND i.incarnation = a.incarnation AND i.version = a.version
        AND i.fence = coalesce(a.claim, i.fence) AND i.schema <= a.schema AND a.now >= coalesce(a.not_before, a.now)
        AND NOT EXISTS (SELECT 1 FROM known k WHERE k.ord = a.ord)";

/// Without a fence, an internal transition leaves the claim, the attempt and the retry as they are; a worker that ends with one is due again.
/// The timers that it gives start again.
const UPDATE: &str = "UPDATE {schema}.instances i
    SET state = a.state, version = i.version + 1, schema = a.schema, data = a.data,
        entered = CASE WHEN a.stays THEN i.entered ELSE i.version + 1 END,
        context = CASE WHEN a.keeps_context THEN coalesce(a.context, i.context) ELSE a.context END,
        timers = {timers}, timer_at = {timer_at},
        retry_at = CASE WHEN a.stays AND a.claim IS NULL THEN i.retry_at WHEN a.work THEN a.now END,
        owner = CASE WHEN a.claim IS NULL THEN i.owner END,
        attempt = CASE WHEN a.stays AND a.claim IS NULL THEN i.attempt ELSE 0 END,
        checkpoint = CASE WHEN a.stays THEN i.checkpoint END,
        parked = CASE WHEN a.stays THEN i.parked END, parked_at = CASE WHEN a.stays THEN i.parked_at END,
        error = CASE WHEN a.stays THEN i.error END, error_at = CASE WHEN a.stays THEN i.error_at END,
        first_error = CASE WHEN a.stays THEN i.first_error END,
        first_error_at = CASE WHEN a.stays THEN i.first_error_at END,
        updated = CASE WHEN a.stays THEN i.updated ELSE greatest(a.now, i.updated) END,
        desired_at = CASE WHEN a.stays THEN i.desired_at WHEN i.desired IS NOT NULL THEN a.now END
    FROM asked a WHERE ";

/// The statement of `action`, with the columns that it returns.
fn moving(action: &str, returned: &str) -> String {
    let before = ["CASE WHEN a.stays THEN i.timers END", "CASE WHEN a.stays THEN i.timer_at END"];
    let [running, timer_at] = timers::changed(before);
    let parts = [
        ("{action}", action),
        ("{i.columns}", returned),
        ("{patch}", timers::PATCH),
        ("{timers}", &running),
        ("{timer_at}", &timer_at),
    ];
    template(include_str!("enter.sql"), &parts)
}

/// The rows of moves that keep the row.
pub(super) fn stay<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<String> = LazyLock::new(|| {
        let (action, returned) = ([UPDATE, UNCHANGED].concat(), columns(&[NO_DATA]));
        moving(&action, &returned)
    });
    moves(&TEMPLATE, changes, batch, false)
}

/// The row that is removed, as it would be in its new state.
const MOVED_ROW: [(&str, &str); 20] = [
    NO_DATA,
    ("state", "a.state"),
    ("version", "i.version + 1"),
    ("entered", "i.version + 1"),
    ("schema", "a.schema"),
    ("context", "CASE WHEN a.keeps_context THEN coalesce(a.context, i.context) ELSE a.context END"),
    ("timers", "{timers}"),
    ("timer_at", "{timer_at}"),
    ("retry_at", "CASE WHEN a.work THEN a.now END"),
    ("owner", "CASE WHEN a.claim IS NULL THEN i.owner END"),
    ("attempt", "0::bigint"),
    ("checkpoint", "NULL::text"),
    ("parked", "NULL::text"),
    ("parked_at", "NULL::timestamptz"),
    ("error", "NULL::text"),
    ("error_at", "NULL::timestamptz"),
    ("first_error", "NULL::text"),
    ("first_error_at", "NULL::timestamptz"),
    ("updated", "greatest(a.now, i.updated)"),
    ("desired_at", "CASE WHEN i.desired IS NOT NULL THEN a.now END"),
];

/// The rows of moves to a state that keeps no row.
pub(super) fn leave<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<String> = LazyLock::new(|| {
        let action = ["DELETE FROM {schema}.instances i USING asked a WHERE ", UNCHANGED].concat();
        moving(&action, &columns(&MOVED_ROW))
    });
    moves(&TEMPLATE, changes, batch, true)
}

fn moves<'a>(template: &'static str, changes: &[Numbered<'a>], batch: Batch, remove: bool) -> Vec<Statement<'a>> {
    let moves = of_kind(changes, |change| Move::of(change).filter(|to| to.into.remove == remove));
    if moves.is_empty() {
        return Vec::new();
    }
    let statement = common(template, batch, &moves, |to| to.incarnation)
        .numbers(moves.iter().map(|(_, to)| stored(to.version)))
        .optional_numbers(moves.iter().map(|(_, to)| to.fence.map(stored)))
        .once(moves.iter().map(|(_, to)| &*to.into.state), Type::TEXT_ARRAY)
        .once(moves.iter().map(|(_, to)| i64::from(to.into.schema)), Type::INT8_ARRAY)
        .texts(moves.iter().map(|(_, to)| &*to.into.data))
        .optional_texts(moves.iter().map(|(_, to)| to.into.context.as_deref()))
        .once(moves.iter().map(|(_, to)| to.keeps_context), Type::BOOL_ARRAY)
        .timers(moves.iter().map(|(_, to)| &*to.into.timers))
        .once(moves.iter().map(|(_, to)| to.into.work), Type::BOOL_ARRAY)
        .once(moves.iter().map(|(_, to)| to.kind.as_str()), Type::TEXT_ARRAY)
        .once(moves.iter().map(|(_, to)| to.from), Type::TEXT_ARRAY)
        .once(moves.iter().map(|(_, to)| to.event), Type::TEXT_ARRAY)
        .once(moves.iter().map(|(_, to)| to.payload), Type::TEXT_ARRAY)
        .once(moves.iter().map(|(_, to)| to.cause.as_str()), Type::TEXT_ARRAY)
        .optional_texts(moves.iter().map(|(_, to)| to.idempotency_key))
        .optional_texts(moves.iter().map(|(_, to)| to.origin.actor.as_deref()))
        .optional_texts(moves.iter().map(|(_, to)| to.origin.trace.as_deref()))
        .optional_times(moves.iter().map(|(_, to)| to.not_before));
    vec![statement]
}
