//! The timers of changes. The server counts delays from its own time.

use crate::store::{
    Timer, TimerDue,
    postgres::columns::{micros, time},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::SystemTime};

/// The value of `a.timers`: for each event, the time at which it fires in microseconds since 1970, a delay in microseconds as the only item
/// of an array, or null. `None` if there are no timers.
pub(super) fn sent(timers: &[Timer]) -> Option<String> {
    let due = |due: TimerDue| match due {
        TimerDue::After(delay) => json!([micros(delay)]),
        TimerDue::At(at) => json!(since_1970(at)),
        TimerDue::Never => Value::Null,
    };
    let all: BTreeMap<&str, Value> = timers.iter().map(|timer| (timer.event.as_str(), due(timer.due))).collect();
    // A map of strings and JSON values is always valid JSON.
    (!all.is_empty()).then(|| serde_json::to_string(&all).unwrap_or_default())
}

fn since_1970(at: SystemTime) -> i64 {
    let at = time(at);
    at.duration_since(SystemTime::UNIX_EPOCH).map_or_else(|before| -micros(before.duration()), micros)
}

/// The JSON merge patch of `a.timers`, with the time of each event; null if there are no timers.
pub(super) const PATCH: &str = "CASE WHEN a.timers IS NOT NULL THEN (SELECT jsonb_object_agg(t.key, CASE jsonb_typeof(t.value)
        WHEN 'array' THEN to_jsonb((extract(epoch FROM a.now) * 1000000)::bigint + (t.value ->> 0)::bigint) ELSE t.value END)
     FROM jsonb_each(a.timers::jsonb) t) END";

/// The running timers, as JSON: `before` with `patch` applied. Both can be null. Null if no timer runs.
pub(super) fn running(before: &str, patch: &str) -> String {
    let none = "jsonb_build_object()";
    format!(
        "nullif(jsonb_strip_nulls(coalesce(({before})::jsonb, {none}) || coalesce(({patch})::jsonb, {none})), {none})"
    )
}

/// The values of the columns `timers` and `timer_at`.
pub(super) fn columns(running: &str) -> [String; 2] {
    let earliest = format!(
        "(SELECT min(timestamptz 'epoch' + t.value::bigint / 1000000 * interval '1 second'
                     + t.value::bigint % 1000000 * interval '1 microsecond')
          FROM jsonb_each_text({running}) t)"
    );
    [format!("({running})::text"), earliest]
}

/// The values of the columns `timers` and `timer_at` after `a.patch`. Without a patch they keep the values of `before`, so that no JSON is
/// processed.
pub(super) fn changed(before: [&str; 2]) -> [String; 2] {
    let [timers, timer_at] = before;
    let [all, earliest] = columns(&running(timers, "a.patch"));
    let unless_patched =
        |before: &str, patched: &str| format!("CASE WHEN a.patch IS NULL THEN {before} ELSE {patched} END");
    [unless_patched(timers, &all), unless_patched(timer_at, &earliest)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn delays_are_told_from_times() {
        let timer = |event: &str, due| Timer { event: event.to_owned(), due };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(7);
        let timers = [
            timer("a", TimerDue::After(Duration::from_secs(5))),
            timer("b", TimerDue::At(at)),
            timer("c", TimerDue::At(before)),
            timer("d", TimerDue::Never),
        ];
        assert_eq!(sent(&timers).unwrap(), r#"{"a":[5000000],"b":7000000,"c":-7000000,"d":null}"#);
        assert_eq!(sent(&[]), None);
    }
}
