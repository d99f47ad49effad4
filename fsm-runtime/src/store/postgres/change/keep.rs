//! Changes of rows that stay in their state.

use super::{Batch, Numbered, Template, common, of_kind, timers};
use crate::store::{
    Arm, Attempts, Cause, Change, Claim, Disarm, Hold, Note, Purge, Release, Rewrite, SaveCheckpoint, SetDesiredState,
    postgres::{
        columns::{micros, stored, time},
        statement::Statement,
    },
};
use std::sync::LazyLock;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// The condition that the row was not changed since it was read.
const UNCHANGED: &str =
    "i.machine = a.machine AND i.id = a.id AND i.incarnation = a.incarnation AND i.version = a.version";

/// A statement of `change.sql`. `set` is the change, `condition` begins with `AND` or is empty, `fields` are the names and types of its
/// values.
fn of(set: &str, condition: &str, fields: &[(&str, &str)]) -> Template {
    let action = format!("UPDATE {{schema}}.instances i SET {set} FROM asked a WHERE {UNCHANGED} {condition}");
    let arrays =
        (14..).zip(fields).map(|(number, (_, of))| format!(", ${number}::{of}[]")).collect::<Vec<_>>().concat();
    let names = fields.iter().map(|(name, _)| [", ", name].concat()).collect::<Vec<_>>().concat();
    Template::new(include_str!("change.sql"), &[("{action}", &action), ("{arrays}", &arrays), ("{fields}", &names)])
}

/// The note of a change, as columns of the history.
#[derive(Clone, Copy)]
struct Noted<'a> {
    about: &'a str,
    text: &'a str,
    cause: Cause,
    actor: Option<&'a str>,
    trace: Option<&'a str>,
}

impl<'a> Noted<'a> {
    fn of(note: &'a Note) -> Self {
        let Note { about, text, cause, origin } = note;
        Self { about, text, cause: *cause, actor: origin.actor.as_deref(), trace: origin.trace.as_deref() }
    }
}

/// A statement with the columns that all statements of this file have: the version and the note.
fn change<'a, T>(
    template: &'static Template,
    batch: Batch,
    changes: &[(Numbered<'a>, T)],
    read_as: impl Fn(&T) -> (Uuid, u64),
    note: impl Fn(&T) -> Option<Noted<'a>>,
) -> Statement<'a> {
    let notes: Vec<Option<Noted<'a>>> = changes.iter().map(|(_, it)| note(it)).collect();
    let notes = || notes.iter();
    common(template, batch, changes, |it| read_as(it).0)
        .numbers(changes.iter().map(|(_, it)| stored(read_as(it).1)))
        .optional_texts(notes().map(|note| note.map(|note| note.about)))
        .optional_texts(notes().map(|note| note.map(|note| note.text)))
        .optional_texts(notes().map(|note| note.map(|note| note.cause.as_str())))
        .optional_texts(notes().map(|note| note.and_then(|note| note.actor)))
        .optional_texts(notes().map(|note| note.and_then(|note| note.trace)))
}

/// While the lease of the owner is live, only the owner can claim the row. The leases of other owners are locked first, so that the claim
/// sees a concurrent renewal, and a later renewal waits.
pub(super) fn claim<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        let (crash, crashed) = (Claim::CRASH, "i.owner <> a.owner AND i.attempt > 0");
        of(
            &format!(
                "owner = a.owner, fence = nextval('{{schema}}.fence'), attempt = i.attempt + 1, retry_at = NULL,
                 error = CASE WHEN {crashed} THEN '{crash}' ELSE i.error END,
                 error_at = CASE WHEN {crashed} THEN a.now ELSE i.error_at END,
                 first_error = CASE WHEN {crashed} THEN coalesce(i.first_error, '{crash}') ELSE i.first_error END,
                 first_error_at = CASE WHEN {crashed} THEN coalesce(i.first_error_at, a.now) ELSE i.first_error_at END"
            ),
            "AND i.fence = a.claim AND i.parked IS NULL AND i.hold IS NULL
             AND (i.owner IS NULL OR i.owner = a.owner
                  OR NOT EXISTS (SELECT 1 FROM {schema}.leases l WHERE l.owner = i.owner AND l.until > a.now))",
            &[("claim", "bigint"), ("owner", "text")],
        )
    });
    const LEASES: &str = "SELECT NULL::int AS whole, NULL::int AS ord FROM {schema}.leases l
         WHERE l.owner IN (SELECT i.owner FROM {schema}.instances i
                           JOIN unnest($1::text[], $2::text[], $3::text[]) AS a(machine, id, owner)
                               ON a.machine = i.machine AND a.id = i.id
                           WHERE i.owner <> a.owner)
         ORDER BY l.owner FOR SHARE OF l";
    let claims = of_kind(changes, |change| match change {
        Change::Claim(claim) => Some(claim),
        _ => None,
    });
    if claims.is_empty() {
        return Vec::new();
    }
    let lock = Statement::new(LEASES)
        .texts(claims.iter().map(|(_, it)| &*it.key.machine))
        .texts(claims.iter().map(|(_, it)| &*it.key.id))
        .texts(claims.iter().map(|(_, it)| &*it.owner));
    let claim = change(&TEMPLATE, batch, &claims, |it| (it.incarnation, it.version), |_| None)
        .numbers(claims.iter().map(|(_, it)| stored(it.fence)))
        .texts(claims.iter().map(|(_, it)| &*it.owner));
    vec![lock, claim]
}

pub(super) fn release<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        of(
            "owner = NULL, retry_at = a.now + a.retry * interval '1 microsecond',
             attempt = CASE a.attempts WHEN 'keep' THEN i.attempt WHEN 'give back' THEN greatest(i.attempt - 1, 0) ELSE 0 END,
             error = coalesce(a.error, i.error), error_at = CASE WHEN a.error IS NULL THEN i.error_at ELSE a.now END,
             first_error = coalesce(i.first_error, a.error),
             first_error_at = coalesce(i.first_error_at, CASE WHEN a.error IS NOT NULL THEN a.now END), parked = a.parked, parked_at = CASE WHEN a.parked IS NOT NULL THEN a.now END",
            "AND i.fence = a.claim AND i.owner IS NOT DISTINCT FROM a.owner",
            &[
                ("claim", "bigint"),
                ("owner", "text"),
                ("retry", "bigint"),
                ("attempts", "text"),
                ("error", "text"),
                ("parked", "text"),
            ],
        )
    });
    let releases = of_kind(changes, |change| match change {
        Change::Release(release) => Some(release),
        _ => None,
    });
    if releases.is_empty() {
        return Vec::new();
    }
    let attempts = |release: &Release| match release.attempts {
        Attempts::Keep => "keep",
        Attempts::GiveBack => "give back",
        Attempts::Reset => "reset",
    };
    let read_as = |it: &&Release| (it.incarnation, it.version);
    let statement = change(&TEMPLATE, batch, &releases, read_as, |it| it.note.as_ref().map(Noted::of))
        .numbers(releases.iter().map(|(_, it)| stored(it.fence)))
        .optional_texts(releases.iter().map(|(_, it)| it.owner.as_deref()))
        .optional_numbers(releases.iter().map(|(_, it)| it.retry.map(micros)))
        .texts(releases.iter().map(|(_, it)| attempts(it)))
        .optional_texts(releases.iter().map(|(_, it)| it.error.as_deref()))
        .optional_texts(releases.iter().map(|(_, it)| it.parked.as_deref()));
    vec![statement]
}

/// A released row keeps the fence of its last claim, but has no owner.
pub(super) fn checkpoint<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        of(
            "checkpoint = a.checkpoint",
            "AND i.fence = a.claim AND i.owner IS NOT NULL",
            &[("claim", "bigint"), ("checkpoint", "text")],
        )
    });
    let checkpoints = of_kind(changes, |change| match change {
        Change::SaveCheckpoint(checkpoint) => Some(checkpoint),
        _ => None,
    });
    if checkpoints.is_empty() {
        return Vec::new();
    }
    let read_as = |it: &&SaveCheckpoint| (it.incarnation, it.version);
    let statement = change(&TEMPLATE, batch, &checkpoints, read_as, |_| None)
        .numbers(checkpoints.iter().map(|(_, it)| stored(it.fence)))
        .texts(checkpoints.iter().map(|(_, it)| &*it.checkpoint));
    vec![statement]
}

pub(super) fn arm<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        // Timers that already run are kept.
        let running = timers::running(timers::PATCH, "i.timers");
        let [all, timer_at] = timers::columns(&running);
        of(
            &format!(
                "retry_at = CASE WHEN a.work AND i.owner IS NULL AND i.parked IS NULL THEN coalesce(i.retry_at, a.now)
                                 ELSE i.retry_at END,
                 timers = {all}, timer_at = {timer_at}"
            ),
            &format!(
                "AND (a.work AND i.retry_at IS NULL AND i.owner IS NULL AND i.parked IS NULL
                      OR {running} IS DISTINCT FROM i.timers::jsonb)"
            ),
            &[("work", "boolean"), ("timers", "text")],
        )
    });
    let arms = of_kind(changes, |change| match change {
        Change::Arm(arm) => Some(arm),
        _ => None,
    });
    if arms.is_empty() {
        return Vec::new();
    }
    let note = |it: &&'a Arm| {
        Some(Noted { about: "armed", text: &it.reason, cause: Cause::Operator, actor: None, trace: None })
    };
    let statement = change(&TEMPLATE, batch, &arms, |it| (it.incarnation, it.version), note)
        .flags(arms.iter().map(|(_, it)| it.work))
        .timers(arms.iter().map(|(_, it)| &*it.timers));
    vec![statement]
}

pub(super) fn disarm<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        let due = "AND a.now >= coalesce(a.not_before, a.now)";
        let left = "i.timers::jsonb - a.timer";
        let [timers, timer_at] = timers::columns(&timers::running(left, "NULL"));
        let fields = [("not_before", "timestamptz"), ("timer", "text")];
        of(&format!("timers = {timers}, timer_at = {timer_at}"), due, &fields)
    });
    let disarms = of_kind(changes, |change| match change {
        Change::Disarm(disarm) => Some(disarm),
        _ => None,
    });
    if disarms.is_empty() {
        return Vec::new();
    }
    let note = |it: &&'a Disarm| {
        Some(Noted { about: "timer dropped", text: &it.reason, cause: Cause::Timer, actor: None, trace: None })
    };
    let statement = change(&TEMPLATE, batch, &disarms, |it| (it.incarnation, it.version), note)
        .optional_times(disarms.iter().map(|(_, it)| it.not_before.map(time)))
        .texts(disarms.iter().map(|(_, it)| &*it.timer));
    vec![statement]
}

pub(super) fn set_desired_state<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        of(
            "desired = a.desired, desired_by = a.desired_by, desired_at = a.now + a.due * interval '1 microsecond'",
            "AND i.desired IS NOT DISTINCT FROM a.seen",
            &[("seen", "text"), ("desired", "text"), ("due", "bigint"), ("desired_by", "text")],
        )
    });
    let changes = of_kind(changes, |change| match change {
        Change::SetDesiredState(change) => Some(change),
        _ => None,
    });
    if changes.is_empty() {
        return Vec::new();
    }
    let read_as = |it: &&SetDesiredState| (it.incarnation, it.version);
    let statement = change(&TEMPLATE, batch, &changes, read_as, |it| it.note.as_ref().map(Noted::of))
        .optional_texts(changes.iter().map(|(_, it)| it.seen.as_deref()))
        .optional_texts(changes.iter().map(|(_, it)| it.desired.as_deref()))
        .optional_numbers(changes.iter().map(|(_, it)| it.due.map(micros)))
        .optional_texts(changes.iter().map(|(_, it)| it.desired_by.as_deref()));
    vec![statement]
}

pub(super) fn hold<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        of("hold = a.hold", "AND i.hold IS NOT DISTINCT FROM a.seen", &[("seen", "text"), ("hold", "text")])
    });
    let holds = of_kind(changes, |change| match change {
        Change::Hold(hold) => Some(hold),
        _ => None,
    });
    if holds.is_empty() {
        return Vec::new();
    }
    let read_as = |it: &&Hold| (it.incarnation, it.version);
    let statement = change(&TEMPLATE, batch, &holds, read_as, |it| it.note.as_ref().map(Noted::of))
        .optional_texts(holds.iter().map(|(_, it)| it.seen.as_deref()))
        .optional_texts(holds.iter().map(|(_, it)| it.hold.as_deref()));
    vec![statement]
}

pub(super) fn rewrite<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        of(
            "state = a.state, data = a.data, schema = a.schema, context = a.context",
            "AND i.schema < a.schema",
            &[("state", "text"), ("data", "text"), ("schema", "bigint"), ("context", "text")],
        )
    });
    let rewrites = of_kind(changes, |change| match change {
        Change::Rewrite(rewrite) => Some(rewrite),
        _ => None,
    });
    if rewrites.is_empty() {
        return Vec::new();
    }
    let read_as = |it: &&Rewrite| (it.incarnation, it.version);
    let statement = change(&TEMPLATE, batch, &rewrites, read_as, |_| None)
        .texts(rewrites.iter().map(|(_, it)| &*it.state))
        .texts(rewrites.iter().map(|(_, it)| &*it.data))
        .numbers(rewrites.iter().map(|(_, it)| i64::from(it.schema)))
        .optional_texts(rewrites.iter().map(|(_, it)| it.context.as_deref()));
    vec![statement]
}

pub(super) fn purge<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| Template::new(include_str!("purge.sql"), &[]));
    let purges = of_kind(changes, |change| match change {
        Change::Purge(purge) => Some(purge),
        _ => None,
    });
    if purges.is_empty() {
        return Vec::new();
    }
    let versions: Vec<i64> = purges.iter().map(|(_, it): &(_, &Purge)| stored(it.version)).collect();
    let statement = common(&TEMPLATE, batch, &purges, |it| it.incarnation)
        .with(versions, Type::INT8_ARRAY)
        .optional_texts(purges.iter().map(|(_, it)| it.origin.actor.as_deref()))
        .optional_texts(purges.iter().map(|(_, it)| it.origin.trace.as_deref()))
        .optional_texts(purges.iter().map(|(_, it)| it.why.as_deref()));
    vec![statement]
}
