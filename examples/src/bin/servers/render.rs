//! Owns what people read: a line for each change, and a line for each server.

use crate::machine::server::{AnyRecord, event};
use fsm_runtime::{
    ClaimedInstance,
    store::{HistoryEntry, HistoryKind, Lease, Row},
};
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime};

/// An id as it is printed: one with a newline breaks no table.
fn shown(id: &str) -> String {
    id.escape_debug().to_string()
}

/// A change of a server: when, which, what, and by whom.
pub(crate) fn entry(entry: &HistoryEntry) -> String {
    let HistoryEntry { version, at, cause, .. } = entry;
    let (time, id) = (humantime::format_rfc3339_millis(*at), shown(&entry.key.id));
    let event = entry.event.as_deref().unwrap_or("created");
    let what = match (&entry.kind, &entry.from) {
        (HistoryKind::Note, _) => format!("{event}: {}", entry.payload.as_deref().unwrap_or_default()),
        (_, None) => format!("{event} --> {}", entry.to),
        (_, Some(from)) => format!("{from} --{event}--> {}", entry.to),
    };
    let by = if cause == "caller" { String::new() } else { format!(" ({cause})") };
    let detail = detail(entry).map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{time}  {id:<8} v{version:<3} {what}{by}{detail}")
}

/// What an event brought along.
fn detail(entry: &HistoryEntry) -> Option<String> {
    let payload = entry.payload.as_deref()?;
    match entry.event.as_deref()? {
        "ready" => read(payload).map(|event::Ready { pid, port, .. }| place(port, pid)),
        "fail" => read(payload).map(|event::Fail { reason, failures }| format!("failure {failures}: {reason}")),
        "give_up" => read(payload).map(|event::GiveUp { reason }| reason),
        _ => None,
    }
}

/// An entry of an older layout is shown without its details.
fn read<E: DeserializeOwned>(payload: &str) -> Option<E> {
    serde_json::from_str(payload).ok()
}

/// A server as it stands.
pub(crate) fn server(record: &AnyRecord, row: &Row) -> String {
    let detail = match record {
        AnyRecord::Running(running) => place(running.port, running.pid),
        AnyRecord::Failed(failed) => format!("failure {}: {}", failed.failures, failed.reason),
        AnyRecord::GivenUp(given_up) => given_up.reason.clone(),
        _ => String::new(),
    };
    let since = SystemTime::now().duration_since(row.updated).unwrap_or_default();
    let since = humantime::format_duration(Duration::from_secs(since.as_secs())).to_string();
    let parked = row.parked.as_ref().map(|why| format!("  parked: {why}")).unwrap_or_default();
    let line = format!(
        "{:<16} {:<10} v{:<6} {since:<16} {detail}{parked}",
        shown(record.id()),
        record.state(),
        record.version()
    );
    line.trim_end().to_owned()
}

/// The head of the list of servers.
pub(crate) fn head() -> String {
    format!("{:<16} {:<10} {:<7} {:<16} ", "SERVER", "STATE", "VERSION", "SINCE").trim_end().to_owned()
}

/// A process that works on the store, or did.
pub(crate) fn process(lease: &Lease) -> String {
    let (since, what) = if lease.live { (lease.since, "works since") } else { (lease.until, "gone since") };
    format!("{}: {what} {}", lease.holder, humantime::format_rfc3339_seconds(since))
}

/// The head of the list of work.
pub(crate) fn work_head() -> String {
    format!("{:<16} {:<10} {:<7} {:<7} WORK", "SERVER", "STATE", "VERSION", "ATTEMPT")
}

/// The work on a server: whose it is, or since when it is nobody's.
pub(crate) fn work(held: &ClaimedInstance) -> String {
    let row = &held.row;
    let since = held.by.as_ref().filter(|_| held.is_orphaned()).map(|lease| lease.until);
    let since = since.map(|at| format!(" since {}", humantime::format_rfc3339_seconds(at))).unwrap_or_default();
    format!("{:<16} {:<10} v{:<6} {:<7} {held}{since}", shown(&row.key.id), row.state, row.version, row.attempt)
}

fn place(port: u16, pid: u32) -> String {
    format!("http://127.0.0.1:{port}/ pid {pid}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsm_runtime::store::Key;
    use std::time::UNIX_EPOCH;

    fn change(kind: HistoryKind, from: Option<&str>, event: Option<&str>, to: &str, payload: &str) -> String {
        let (key, cause) = (Key::new("Server", "docs"), if event.is_some() { "worker" } else { "caller" });
        let incarnation = uuid::Uuid::nil();
        let mut change = HistoryEntry::new(1, key, incarnation, kind, to.to_owned(), cause.to_owned(), UNIX_EPOCH);
        change.version = 3;
        change.from = from.map(str::to_owned);
        change.event = event.map(str::to_owned);
        change.payload = Some(payload.to_owned());
        entry(&change)
    }

    #[test]
    fn a_change_shows_its_payload() {
        let moved = |event, to, payload| change(HistoryKind::Transition, Some("Starting"), Some(event), to, payload);
        assert_eq!(
            moved("ready", "Running", r#"{"pid":7,"port":80,"since":{"secs_since_epoch":0,"nanos_since_epoch":0}}"#),
            "1970-01-01T00:00:00.000Z  docs     v3   Starting --ready--> Running (worker): http://127.0.0.1:80/ pid 7"
        );
        let failed = moved("fail", "Failed", r#"{"reason":"no folder","failures":2}"#);
        assert!(failed.ends_with("Starting --fail--> Failed (worker): failure 2: no folder"), "{failed}");
        let given_up = moved("give_up", "GivenUp", r#"{"reason":"no folder"}"#);
        assert!(given_up.ends_with("Starting --give_up--> GivenUp (worker): no folder"), "{given_up}");
        let other = moved("ready", "Running", r#"{"of another layout":1}"#);
        assert!(other.ends_with("Starting --ready--> Running (worker)"), "{other}");
    }

    #[test]
    fn creations_and_notes_are_shown_differently() {
        let born = change(HistoryKind::Transition, None, None, "Requested", "null");
        assert!(born.ends_with("v3   created --> Requested"), "{born}");
        let note = change(HistoryKind::Note, None, Some("parked"), "Stopping", "10 attempts failed");
        assert!(note.ends_with("v3   parked: 10 attempts failed (worker)"), "{note}");
    }
}
