//! Statements of the store with one parameter and one answer, both JSON. Pure.

use super::{
    columns::{COLUMNS, ENTRY_COLUMNS, to_time},
    failure::{Failure, Kind as FailureKind},
    read::{ENTRIES, ROWS},
    statement::Statement,
};
use crate::store::{HistoryEntry, Key, Row, timers_from_json};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::{fmt, sync::LazyLock, time::SystemTime};
use tokio_postgres::types::{Kind, ToSql, Type};
use uuid::Uuid;

/// Where the last part of a statement begins that changes rows.
const OUTCOME: &str = "SELECT c.whole, m.ord,";
const TIMES: [&str; 10] = [
    "timer_at",
    "retry_at",
    "created",
    "updated",
    "parked_at",
    "desired_at",
    "error_at",
    "first_error_at",
    "at",
    "now",
];

/// The row of a key.
pub(super) static ROW: LazyLock<String> = LazyLock::new(|| {
    ROWS.replace(&format!("SELECT a.ord, clock_timestamp(), {COLUMNS}"), &format!("SELECT {}", array_of(COLUMNS)))
});
/// The entry that was written under an idempotency key.
pub(super) static ENTRY: LazyLock<String> = LazyLock::new(|| {
    ENTRIES.replace(&format!("SELECT a.ord, {ENTRY_COLUMNS}"), &format!("SELECT {}", array_of(ENTRY_COLUMNS)))
});
/// The time of the server, in microseconds.
pub(super) const NOW: &str = "SELECT ((extract(epoch FROM clock_timestamp()) * 1000000)::bigint)::text || $1::text";

/// The rows with these columns as a JSON array.
fn array_of(columns: &str) -> String {
    let field = |column: &str| {
        let name = column.split('.').next_back().unwrap_or(column);
        if TIMES.contains(&name) {
            format!("'{name}', (extract(epoch FROM {column}) * 1000000)::bigint")
        } else {
            format!("'{name}', {column}")
        }
    };
    let fields: Vec<String> = columns.split(", ").map(field).collect();
    format!("coalesce(json_agg(json_build_object({})), '[]')::text", fields.join(", "))
}

/// The statement with its parameters, of `types`, from the JSON array `$1`, and its rows as JSON.
pub(super) fn text(statement: &str, types: &[Type]) -> String {
    let statement = with_parameters(statement, types);
    if let Some((changes, _)) = statement.split_once(OUTCOME) {
        return format!("{changes} SELECT {} FROM moved m", array_of(&COLUMNS.replace("i.", "m.")));
    }
    if statement.contains("json_agg") {
        return statement;
    }
    if statement.starts_with("DELETE") {
        return format!("WITH q AS ({statement}) SELECT '[]'::text");
    }
    // Locks: they are taken when the rows are counted.
    format!("WITH q AS MATERIALIZED ({statement}) SELECT CASE WHEN count(*) >= 0 THEN '[]' END::text FROM q")
}

/// Replaces each parameter by its item of the JSON array.
fn with_parameters(statement: &str, types: &[Type]) -> String {
    let mut parts = statement.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        if let Some((place, of)) = place.and_then(|place| Some((place, types.get(place)?))) {
            text.push_str(&item(place, of));
        } else {
            text.push('$');
            text.push_str(number);
        }
        text.push_str(rest);
    }
    text
}

fn item(place: usize, of: &Type) -> String {
    match of.kind() {
        Kind::Array(of) => format!(
            "(CASE WHEN jsonb_typeof($1::text::jsonb -> {place}) = 'array' THEN ARRAY(SELECT {} FROM \
             jsonb_array_elements_text($1::text::jsonb -> {place}) WITH ORDINALITY AS e(v, n) ORDER BY e.n) END)",
            cast("e.v", of)
        ),
        _ => format!("({})", cast(&format!("($1::text::jsonb ->> {place})"), of)),
    }
}

/// A text as a value of a type. Times are sent in microseconds since 2000.
fn cast(text: &str, of: &Type) -> String {
    if *of == Type::TIMESTAMPTZ {
        return format!(
            "timestamptz '2000-01-01 00:00:00+00' + {text}::bigint / 1000000 * interval '1 second' \
             + {text}::bigint % 1000000 * interval '1 microsecond'"
        );
    }
    format!("{text}::{}", of.name())
}

/// The values of a statement as a JSON array.
pub(super) fn parameter(statement: &Statement<'_>) -> Result<String, Failure> {
    let values = statement.typed_values();
    let values: Result<Vec<Value>, Failure> = values.iter().map(|(value, of)| sent(*value, of)).collect();
    serde_json::to_string(&values?).map_err(|error| Failure::new(FailureKind::Other, error.to_string()))
}

fn sent(value: &(dyn ToSql + Sync), of: &Type) -> Result<Value, Failure> {
    #[expect(clippy::default_trait_access, reason = "its crate is no dependency of this one")]
    let mut bytes = Default::default();
    let failed = |why: &dyn fmt::Display| Failure::new(FailureKind::Other, format!("a value of type `{of}`: {why}"));
    let null = value.to_sql_checked(of, &mut bytes).map_err(|error| failed(&error))?;
    if matches!(null, tokio_postgres::types::IsNull::Yes) {
        return Ok(Value::Null);
    }
    let decoded = match of.kind() {
        Kind::Array(of) => array(&bytes, of),
        _ => scalar(&bytes, of),
    };
    decoded.ok_or_else(|| failed(&"it has no form in JSON"))
}

/// An array in the binary format: the number of dimensions, a flag and the type; the length and the lower bound; the items.
fn array(mut bytes: &[u8], of: &Type) -> Option<Value> {
    let mut next = || {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        bytes = rest;
        Some(i32::from_be_bytes(*head))
    };
    if next()? == 0 {
        return Some(Value::Array(Vec::new()));
    }
    let [_, _, length, _] = [next()?, next()?, next()?, next()?];
    let mut items = Vec::new();
    for _ in 0..length {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let size = i32::from_be_bytes(*size);
        let (item, rest) = rest.split_at_checked(usize::try_from(size.max(0)).ok()?)?;
        bytes = rest;
        items.push(if size < 0 { Value::Null } else { scalar(item, of)? });
    }
    Some(Value::Array(items))
}

fn scalar(bytes: &[u8], of: &Type) -> Option<Value> {
    Some(match *of {
        Type::TEXT => std::str::from_utf8(bytes).ok()?.into(),
        Type::BOOL => (bytes == [1]).into(),
        Type::INT4 => i32::from_be_bytes(bytes.try_into().ok()?).into(),
        Type::INT8 | Type::TIMESTAMPTZ => i64::from_be_bytes(bytes.try_into().ok()?).into(),
        Type::UUID => Uuid::from_slice(bytes).ok()?.to_string().into(),
        _ => return None,
    })
}

/// The fields of a row.
struct Fields(Map<String, Value>);

impl Fields {
    fn get<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Failure> {
        let value = self.0.remove(name).unwrap_or_default();
        serde_json::from_value(value).map_err(|why| Failure::damaged(format!("column `{name}`: {why}")))
    }

    fn optional_time(&mut self, name: &str) -> Result<Option<SystemTime>, Failure> {
        Ok(self.get::<Option<i64>>(name)?.map(to_time))
    }

    fn time(&mut self, name: &str) -> Result<SystemTime, Failure> {
        self.get(name).map(to_time)
    }

    fn key(&mut self) -> Result<Key, Failure> {
        Ok(Key::new(self.get::<String>("machine")?, self.get::<String>("id")?))
    }

    fn uuid(&mut self, name: &str) -> Result<Uuid, Failure> {
        self.get::<String>(name)?.parse().map_err(|why| Failure::damaged(format!("column `{name}`: {why}")))
    }
}

fn each<T>(answer: &str, read: impl Fn(Fields) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    let rows: Vec<Map<String, Value>> =
        serde_json::from_str(answer).map_err(|why| Failure::damaged(format!("the answer is not JSON: {why}")))?;
    rows.into_iter().map(|fields| read(Fields(fields))).collect()
}

pub(super) fn rows(answer: &str) -> Result<Vec<Row>, Failure> {
    each(answer, |mut of| {
        let timers = of.get::<Option<String>>("timers")?;
        let timers = timers.map(|timers| timers_from_json(&timers)).transpose();
        Ok(Row {
            key: of.key()?,
            incarnation: of.uuid("incarnation")?,
            state: of.get("state")?,
            version: of.get("version")?,
            entered: of.get("entered")?,
            schema: of.get("schema")?,
            timer_at: of.optional_time("timer_at")?,
            timers: timers.map_err(|why| Failure::damaged(format!("column `timers`: {why}")))?.unwrap_or_default(),
            retry_at: of.optional_time("retry_at")?,
            owner: of.get("owner")?,
            fence: of.get("fence")?,
            attempt: of.get("attempt")?,
            checkpoint: of.get("checkpoint")?,
            parked: of.get("parked")?,
            error: of.get("error")?,
            shard: of.get("shard")?,
            created: of.time("created")?,
            updated: of.time("updated")?,
            parked_at: of.optional_time("parked_at")?,
            desired: of.get("desired")?,
            desired_at: of.optional_time("desired_at")?,
            desired_by: of.get("desired_by")?,
            error_at: of.optional_time("error_at")?,
            first_error: of.get("first_error")?,
            first_error_at: of.optional_time("first_error_at")?,
            hold: of.get("hold")?,
            context: of.get("context")?,
            data: of.get("data")?,
        })
    })
}

pub(super) fn entries(answer: &str) -> Result<Vec<HistoryEntry>, Failure> {
    each(answer, |mut of| {
        let kind = of.get::<String>("kind")?;
        Ok(HistoryEntry {
            sequence: of.get("sequence")?,
            key: of.key()?,
            incarnation: of.uuid("incarnation")?,
            kind: kind.parse().map_err(|why| Failure::damaged(format!("column `kind`: {why}")))?,
            version: of.get("version")?,
            schema: of.get("schema")?,
            fence: of.get("fence")?,
            from: of.get("from_state")?,
            event: of.get("event")?,
            to: of.get("to_state")?,
            payload: of.get("payload")?,
            data: of.get("data")?,
            context: of.get("context")?,
            cause: of.get("cause")?,
            idempotency_key: of.get("key")?,
            actor: of.get("actor")?,
            trace: of.get("trace")?,
            at: of.time("at")?,
        })
    })
}

/// The answer of [`NOW`].
pub(super) fn time_of(answer: &str) -> Result<SystemTime, Failure> {
    answer.parse().map(to_time).map_err(|why| Failure::damaged(format!("the time of the server: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_items_of_one_array() {
        let statement = Statement::new("SELECT $1::text, $2::int[]")
            .text("a\"b")
            .with(vec![Some(1), None, Some(-3)], Type::INT4_ARRAY)
            .with(None::<Vec<i64>>, Type::INT8_ARRAY)
            .with(true, Type::BOOL)
            .with(Vec::<String>::new(), Type::TEXT_ARRAY);
        assert_eq!(parameter(&statement).unwrap(), r#"["a\"b",[1,null,-3],null,true,[]]"#);
        let text = with_parameters("$1, $10", &[Type::TEXT]);
        assert_eq!(text, "(($1::text::jsonb ->> 0)::text), $10");
    }
}
