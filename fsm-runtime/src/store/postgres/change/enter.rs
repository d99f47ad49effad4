//! Transitions and overrides. An internal transition stays in its state: the visit, the timers and the claim of the worker continue.

use super::{Batch, NO_DATA, Numbered, Template, columns, common, of_kind, of_moved, timers};
use crate::store::{
    Cause, Change, Entering, HistoryKind, Origin, Override, Row, Transition,
    postgres::{
        columns::{COLUMNS, VISIT_COLUMNS, Visit, stored, time},
        failure::Failure,
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
    /// The fence of a worker that releases its claim with the move. If it is `None`, the row keeps its owner, so that no other process can
    /// claim the row while the worker is being stopped.
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

/// The condition on the row. The schema version is compared, too, because a rewrite by newer code keeps the version, and older code must not
/// undo the rewrite.
const UNCHANGED: &str =
    "i.machine = a.machine AND i.id = a.id AND i.incarnation = a.incarnation AND i.version = a.version
        AND i.fence = coalesce(a.claim, i.fence) AND i.schema <= a.schema AND a.now >= coalesce(a.not_before, a.now)";

/// The start of a new visit.
const BEGIN: &str = "UPDATE {schema}.instances i
    SET state = a.state, version = i.version + 1, entered = i.version + 1, schema = a.schema, data = a.data,
        context = CASE WHEN a.keeps_context THEN coalesce(a.context, i.context) ELSE a.context END,
        timers = {timers}, timer_at = {timer_at}, retry_at = CASE WHEN a.work THEN a.now END,
        owner = CASE WHEN a.claim IS NULL THEN i.owner END, attempt = 0, checkpoint = NULL, parked = NULL, parked_at = NULL,
        error = NULL, error_at = NULL, first_error = NULL, first_error_at = NULL, updated = greatest(a.now, i.updated),
        desired_at = CASE WHEN i.desired IS NOT NULL THEN a.now END
    FROM asked a WHERE ";

/// An internal transition. Without a fence, it does not change the claim, the attempt and the retry. If a worker ends with an internal
/// transition, the row is due again. The timers that the transition gives start again.
const STAY: &str = "UPDATE {schema}.instances i
    SET state = a.state, version = i.version + 1, schema = a.schema, data = a.data, context = a.context,
        timers = {timers}, timer_at = {timer_at},
        retry_at = CASE WHEN a.claim IS NULL THEN i.retry_at WHEN a.work THEN a.now END,
        owner = CASE WHEN a.claim IS NULL THEN i.owner END,
        attempt = CASE WHEN a.claim IS NULL THEN i.attempt ELSE 0 END
    FROM asked a WHERE ";

/// Idempotency keys are looked up before versions.
const KNOWN: &str = "known AS MATERIALIZED (
    SELECT a.ord FROM asked a JOIN {schema}.keys k
        ON k.machine = a.machine AND k.id = a.id AND k.incarnation = a.incarnation AND k.key = a.key
    WHERE a.key IS NOT NULL
), ";
const UNKNOWN: &str = " AND NOT EXISTS (SELECT 1 FROM known k WHERE k.ord = a.ord)";
const KEYED: &str = ", keyed AS (
    INSERT INTO {schema}.keys (machine, id, incarnation, key, sequence, at)
    SELECT t.machine, t.id, t.incarnation, t.key, t.sequence, t.at FROM told t WHERE t.key IS NOT NULL
)";

/// The forms of a statement of moves. Parts that no move of a batch needs are left out, because the server has to set up each part for each
/// batch.
struct Forms([Template; 4]);

impl Forms {
    /// The forms of `action`, which changes the row. `returned` are the columns of the changed row, and `shown` those that the statement
    /// returns. `before` are the timers that continue to run.
    fn new(action: &str, returned: &str, shown: &str, before: [&str; 2]) -> Self {
        let form = |timers: bool, keys: bool| {
            let [running, timer_at] = if timers { timers::changed(before) } else { before.map(str::to_owned) };
            let [known, unknown, keyed] = if keys { [KNOWN, UNKNOWN, KEYED] } else { [""; 3] };
            let parts = [
                ("{action}", &*[action, unknown].concat()),
                ("{known}", known),
                ("{keyed}", keyed),
                ("{i.columns}", returned),
                ("{m.columns}", shown),
                ("{patch}", if timers { timers::PATCH } else { "NULL::jsonb" }),
                ("{timers}", &running),
                ("{timer_at}", &timer_at),
            ];
            Template::new(include_str!("enter.sql"), &parts)
        };
        Self([form(false, false), form(true, false), form(false, true), form(true, true)])
    }

    fn of(&self, moves: &[(Numbered<'_>, Move<'_>)]) -> &Template {
        let timers = moves.iter().any(|(_, to)| !to.into.timers.is_empty());
        let keys = moves.iter().any(|(_, to)| to.idempotency_key.is_some());
        let [plain, with_timers, with_keys, with_both] = &self.0;
        match (timers, keys) {
            (false, false) => plain,
            (true, false) => with_timers,
            (false, true) => with_keys,
            (true, true) => with_both,
        }
    }
}

const NO_TIMERS: [&str; 2] = ["NULL::text", "NULL::timestamptz"];

/// Moves that keep the row and begin a new visit.
pub(super) fn begin<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static FORMS: LazyLock<Forms> = LazyLock::new(|| {
        Forms::new(&[BEGIN, UNCHANGED].concat(), &columns(&[NO_DATA]), &of_moved(VISIT_COLUMNS), NO_TIMERS)
    });
    moves(&FORMS, changes, batch, |to| !to.into.remove && to.kind != HistoryKind::Internal)
}

/// Internal transitions.
pub(super) fn stay<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static FORMS: LazyLock<Forms> = LazyLock::new(|| {
        let before = ["i.timers", "i.timer_at"];
        Forms::new(&[STAY, UNCHANGED].concat(), &columns(&[NO_DATA]), &of_moved(COLUMNS), before)
    });
    moves(&FORMS, changes, batch, |to| !to.into.remove && to.kind == HistoryKind::Internal)
}

/// The row at the start of a new visit, from the values that the server has set and those of the change. `None` for other changes.
pub(in super::super) fn begun(
    change: &Change,
    visit: impl FnOnce() -> Result<Visit, Failure>,
) -> Option<Result<Row, Failure>> {
    let to = Move::of(change).filter(|to| !to.into.remove && to.kind != HistoryKind::Internal)?;
    let Entering { state, data, schema, .. } = to.into;
    let (key, version) = (change.key(), to.version.saturating_add(1));
    Some(visit().map(|visit| Row {
        key: key.clone(),
        incarnation: to.incarnation,
        state: state.clone(),
        version,
        entered: version,
        schema: *schema,
        timer_at: visit.timer_at,
        timers: visit.timers,
        retry_at: visit.retry_at,
        owner: visit.owner,
        fence: visit.fence,
        attempt: 0,
        checkpoint: None,
        parked: None,
        error: None,
        shard: key.shard(),
        created: visit.created,
        updated: visit.updated,
        parked_at: None,
        desired: visit.desired,
        desired_at: visit.desired_at,
        desired_by: visit.desired_by,
        error_at: None,
        first_error: None,
        first_error_at: None,
        hold: visit.hold,
        context: visit.context,
        data: data.clone(),
    }))
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
    static FORMS: LazyLock<Forms> = LazyLock::new(|| {
        let action = ["DELETE FROM {schema}.instances i USING asked a WHERE ", UNCHANGED].concat();
        Forms::new(&action, &columns(&MOVED_ROW), &of_moved(COLUMNS), NO_TIMERS)
    });
    moves(&FORMS, changes, batch, |to| to.into.remove)
}

fn moves<'a>(
    forms: &'static Forms,
    changes: &[Numbered<'a>],
    batch: Batch,
    are: impl Fn(&Move<'a>) -> bool,
) -> Vec<Statement<'a>> {
    let moves = of_kind(changes, |change| Move::of(change).filter(&are));
    if moves.is_empty() {
        return Vec::new();
    }
    let statement = common(forms.of(&moves), batch, &moves, |to| to.incarnation)
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
