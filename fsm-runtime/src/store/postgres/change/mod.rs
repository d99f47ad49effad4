//! The changes of a batch as statements: one for each kind, with one array for each column.

mod enter;
mod keep;
mod timers;

pub(super) use enter::begun;

use super::{columns::COLUMNS, statement::Statement};
use crate::store::{Change, Create, Key, Timer};
use std::{fmt::Write as _, sync::LazyLock, time::SystemTime};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A change, and its place in the batch.
#[derive(Clone, Copy)]
pub(super) struct Numbered<'a> {
    pub(super) ord: i32,
    pub(super) change: &'a Change,
    /// The caller's time; `None` to use the server's time.
    pub(super) now: Option<SystemTime>,
}

/// The batch that a statement belongs to.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    pub(super) lane: Uuid,
    /// Whether either all changes are applied or none.
    pub(super) whole: bool,
}

/// Whether the sequences are ahead of all numbers that were given out before a failover.
pub(super) const SEQUENCES_ARE_AHEAD: &str = "(SELECT m.value FROM {schema}.meta m WHERE m.name = 'timeline')
        >= ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint";

/// The two texts of the statement of a change.
struct Template {
    /// As one of the statements of a transaction.
    in_transaction: String,
    /// As a transaction of its own, with the number of its batch as one more parameter.
    alone: String,
}

impl Template {
    fn new(text: &str, parts: &[(&str, &str)]) -> Self {
        let filled = |outcome: &str| {
            // The numbers of the history entries that the statement has written.
            let told =
                if text.contains("told AS (") { "ARRAY(SELECT t.sequence FROM told t)" } else { "NULL::bigint[]" };
            let mut filled = text.replace("{outcome}", outcome).replace("{told}", told);
            for (name, part) in parts {
                filled = filled.replace(name, part);
            }
            filled.replace("{i.columns}", COLUMNS).replace("{m.columns}", &of_moved(COLUMNS))
        };
        let in_transaction = filled(include_str!("outcome.sql"));
        let batch = (1..100).take_while(|number| in_transaction.contains(&format!("${number}"))).count() + 1;
        let alone = filled(include_str!("alone.sql"));
        let alone = alone.replace("{batch}", &format!("${batch}")).replace("{sequences}", SEQUENCES_ARE_AHEAD);
        Self { in_transaction, alone }
    }
}

/// The columns of the row, from the changed rows.
fn of_moved(columns: &str) -> String {
    columns.split(", ").map(|column| column.replacen("i.", "m.", 1)).collect::<Vec<_>>().join(", ")
}

/// The columns of a row, some of which are replaced by expressions.
fn columns(instead: &[(&str, &str)]) -> String {
    let column = |column: &str| match instead.iter().find(|(name, _)| column.strip_prefix("i.") == Some(name)) {
        Some((name, expression)) => format!("{expression} AS {name}"),
        None => column.to_owned(),
    };
    COLUMNS.split(", ").map(column).collect::<Vec<_>>().join(", ")
}

/// The data is not returned to the caller that sent it.
const NO_DATA: (&str, &str) = ("data", "''::text");

/// The statements that apply `changes`, in the order of execution. The keys of `changes` must be different. Each statement returns the
/// changed rows: column 1 is the place in the batch, and the row begins at column 2.
pub(super) fn statements<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    // All nodes lock rows in the order of keys.
    let mut changes = changes.to_vec();
    changes.sort_by(|a, b| a.change.key().cmp(b.change.key()));
    let kinds = [
        create(&changes, batch),
        enter::begin(&changes, batch),
        enter::stay(&changes, batch),
        enter::leave(&changes, batch),
        keep::claim(&changes, batch),
        keep::release(&changes, batch),
        keep::checkpoint(&changes, batch),
        keep::arm(&changes, batch),
        keep::disarm(&changes, batch),
        keep::set_desired_state(&changes, batch),
        keep::hold(&changes, batch),
        keep::rewrite(&changes, batch),
        keep::purge(&changes, batch),
    ];
    let mut statements: Vec<Statement<'a>> = kinds.into_iter().flatten().collect();
    // A purge also deletes history that is committed while it waits for its row, which its own snapshot does not have.
    let is_purge = changes.iter().any(|it| matches!(it.change, Change::Purge(_)));
    if (statements.len() > 1 || is_purge) && !batch.whole {
        statements.insert(0, lock(&changes));
    }
    statements
}

/// The data that a change gives its row. It is not returned to the caller that sent it.
pub(super) fn sent_data(change: &Change) -> Option<&str> {
    match change {
        Change::Create(it) => Some(&it.into.data),
        Change::Transition(it) => Some(&it.into.data),
        Change::Override(it) => Some(&it.into.data),
        _ => None,
    }
}

/// Locks the rows of several statements in the order of keys.
pub(super) fn lock<'a>(changes: &[Numbered<'a>]) -> Statement<'a> {
    Statement::new(
        "SELECT NULL::int AS whole, NULL::int AS ord FROM {schema}.instances i
         JOIN unnest($1::text[], $2::text[]) AS a(machine, id) ON a.machine = i.machine AND a.id = i.id
         ORDER BY i.machine, i.id FOR NO KEY UPDATE OF i",
    )
    .texts(changes.iter().map(|it| &*it.change.key().machine))
    .texts(changes.iter().map(|it| &*it.change.key().id))
}

/// The changes of one kind.
fn of_kind<'a, 'b, T: 'a>(
    changes: &'b [Numbered<'a>],
    kind: impl Fn(&'a Change) -> Option<T> + 'b,
) -> Vec<(Numbered<'a>, T)> {
    changes.iter().filter_map(|it| Some((*it, kind(it.change)?))).collect()
}

/// A statement with the columns that all kinds have: the place, the key, the incarnation and the caller's time.
fn common<'a, T>(
    template: &'static Template,
    batch: Batch,
    changes: &[(Numbered<'a>, T)],
    incarnation: impl Fn(&T) -> Uuid,
) -> Statement<'a> {
    Statement::new(&*template.in_transaction)
        .or_alone(&template.alone)
        .numbers_4(changes.iter().map(|(it, _)| it.ord))
        .once(changes.iter().map(|(it, _)| &*it.change.key().machine), Type::TEXT_ARRAY)
        .texts(changes.iter().map(|(it, _)| &*it.change.key().id))
        .with(changes.iter().map(|(_, change)| incarnation(change)).collect::<Vec<_>>(), Type::UUID_ARRAY)
        .optional_times(changes.iter().map(|(it, _)| it.now))
        .with(batch.whole, Type::BOOL)
        .with(batch.lane, Type::UUID)
}

impl<'a> Statement<'a> {
    fn column<T: ToSql + Sync + Send + 'a>(self, values: impl Iterator<Item = T>, of: Type) -> Self {
        self.with(values.collect::<Vec<_>>(), of)
    }

    fn texts(self, values: impl Iterator<Item = &'a str>) -> Self {
        self.column(values, Type::TEXT_ARRAY)
    }

    /// A column that usually has one value for all rows. If it has, it is sent as an array of one item, and the statement uses this item
    /// for all rows.
    fn once<T: ToSql + PartialEq + Sync + Send + 'a>(self, values: impl Iterator<Item = T>, of: Type) -> Self {
        let mut values: Vec<T> = values.collect();
        if values.iter().all(|value| Some(value) == values.first()) {
            values.truncate(1);
        }
        self.with(values, of)
    }

    /// An array without values is sent as NULL; `unnest` then fills the column with NULL.
    fn optional<T: ToSql + Sync + Send + 'a>(self, values: impl Iterator<Item = Option<T>>, of: Type) -> Self {
        let values: Vec<Option<T>> = values.collect();
        let values = values.iter().any(Option::is_some).then_some(values);
        self.with(values, of)
    }

    fn optional_texts(self, values: impl Iterator<Item = Option<&'a str>>) -> Self {
        self.optional(values, Type::TEXT_ARRAY)
    }

    fn numbers_4(self, values: impl Iterator<Item = i32>) -> Self {
        self.column(values, Type::INT4_ARRAY)
    }

    fn numbers(self, values: impl Iterator<Item = i64>) -> Self {
        self.column(values, Type::INT8_ARRAY)
    }

    fn optional_numbers(self, values: impl Iterator<Item = Option<i64>>) -> Self {
        self.optional(values, Type::INT8_ARRAY)
    }

    fn optional_times(self, values: impl Iterator<Item = Option<SystemTime>>) -> Self {
        self.optional(values, Type::TIMESTAMPTZ_ARRAY)
    }

    fn timers(self, values: impl Iterator<Item = &'a [Timer]>) -> Self {
        self.optional(values.map(timers::sent), Type::TEXT_ARRAY)
    }

    fn flags(self, values: impl Iterator<Item = bool>) -> Self {
        self.column(values, Type::BOOL_ARRAY)
    }
}

fn create<'a>(changes: &[Numbered<'a>], batch: Batch) -> Vec<Statement<'a>> {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        let [running, timer_at] = timers::changed(["NULL", "NULL"]);
        let parts = [
            ("{i.columns}", &*columns(&[NO_DATA])),
            ("{patch}", timers::PATCH),
            ("{timers}", &running),
            ("{timer_at}", &timer_at),
        ];
        Template::new(include_str!("create.sql"), &parts)
    });
    let creations = of_kind(changes, |change| match change {
        Change::Create(create) => Some(create),
        _ => None,
    });
    if creations.is_empty() {
        return Vec::new();
    }
    let of = |read: fn(&'a Create) -> Option<&'a str>| creations.iter().map(move |(_, it)| read(it));
    let mut statements = Vec::new();
    statements.extend(lock_keys(&creations));
    statements.push(
        common(&TEMPLATE, batch, &creations, |it| it.incarnation)
            .texts(creations.iter().map(|(_, it)| &*it.into.state))
            .numbers(creations.iter().map(|(_, it)| i64::from(it.into.schema)))
            .texts(creations.iter().map(|(_, it)| &*it.into.data))
            .optional_texts(of(|it| it.into.context.as_deref()))
            .timers(creations.iter().map(|(_, it)| &*it.into.timers))
            .flags(creations.iter().map(|(_, it)| it.into.work))
            .numbers_4(creations.iter().map(|(_, it)| i32::from(it.key.shard())))
            .texts(creations.iter().map(|(_, it)| it.cause.as_str()))
            .optional_texts(of(|it| it.idempotency_key.as_deref()))
            .optional_texts(of(|it| it.origin.actor.as_deref()))
            .optional_texts(of(|it| it.origin.trace.as_deref())),
    );
    statements.extend(remove_created(&creations));
    statements
}

/// Serializes creations of one id with idempotency keys by advisory locks, because there may be no row that both could lock.
fn lock_keys<'a>(creations: &[(Numbered<'a>, &'a Create)]) -> Option<Statement<'a>> {
    let keyed = creations.iter().filter(|(_, it)| it.idempotency_key.is_some());
    let mut names: Vec<String> = keyed.map(|(_, it)| lock_name(&it.key)).collect();
    names.sort();
    let text =
        "SELECT NULL::int AS whole, NULL::int AS ord, pg_advisory_xact_lock(hashtextextended('{schema}' || a.name, 0))
                FROM unnest($1::text[]) AS a(name)";
    (!names.is_empty()).then(|| Statement::new(text).with(names, Type::TEXT_ARRAY))
}

fn lock_name(key: &Key) -> String {
    let mut name = String::new();
    // Writing to a `String` does not fail.
    let _ = write!(name, "/{}/{}", key.machine, key.id);
    name
}

/// Removes the rows of instances that were created in a state that keeps no row. Only rows of this batch have these incarnations.
fn remove_created<'a>(creations: &[(Numbered<'a>, &'a Create)]) -> Option<Statement<'a>> {
    let removed: Vec<&Create> = creations.iter().map(|(_, it)| *it).filter(|it| it.into.remove).collect();
    let text = "DELETE FROM {schema}.instances i USING unnest($1::text[], $2::text[], $3::uuid[]) AS a(machine, id, incarnation)
                WHERE i.machine = a.machine AND i.id = a.id AND i.incarnation = a.incarnation";
    (!removed.is_empty()).then(|| {
        let incarnations: Vec<Uuid> = removed.iter().map(|it| it.incarnation).collect();
        let machines: Vec<String> = removed.iter().map(|it| it.key.machine.to_string()).collect();
        let ids: Vec<String> = removed.iter().map(|it| it.key.id.to_string()).collect();
        Statement::new(text)
            .with(machines, Type::TEXT_ARRAY)
            .with(ids, Type::TEXT_ARRAY)
            .with(incarnations, Type::UUID_ARRAY)
    })
}

/// Checks that a batch has one statement for each kind of change, and that its text has no placeholder left.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::postgres::statement::Texts;
    use crate::store::{Cause, Entering, Origin};

    #[test]
    fn a_batch_has_one_statement_for_each_kind() {
        let create = |id: &str| {
            let into = Entering {
                state: "Open".into(),
                data: "null".into(),
                context: None,
                schema: 1,
                timers: Vec::new(),
                work: false,
                remove: false,
            };
            let key = Key::new("Door", id);
            let (cause, origin) = (Cause::Caller, Origin::default());
            Change::Create(Create { key, incarnation: Uuid::nil(), into, cause, idempotency_key: None, origin })
        };
        let changes = ["b", "a"].map(create);
        let numbered: Vec<Numbered<'_>> =
            (0..).zip(&changes).map(|(ord, change)| Numbered { ord, change, now: None }).collect();
        let statements = statements(&numbered, Batch { lane: Uuid::nil(), whole: false });
        assert_eq!(statements.len(), 1);
        for statement in [&statements[0], &statements[0].alone(1).unwrap()] {
            let text = Texts::new("fsm").fill(&statement.template);
            assert!(!text.contains(['{', '}']), "{text}");
        }
    }
}
