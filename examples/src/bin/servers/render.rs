//! Formats history entries, servers and processes as lines of text.

use crate::machine::server::{AnyRecord, event};
use fsm_runtime::{
    ClaimedInstance, Node,
    store::{HistoryEntry, HistoryKind, Row},
};
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime};

/// Escapes an id, so that control characters do not break a line.
fn escape(id: &str) -> String {
    id.escape_debug().to_string()
}

/// A history entry: its time, server, version, transition and cause.
pub(crate) fn entry(entry: &HistoryEntry) -> String {
    let HistoryEntry { version, at, cause, .. } = entry;
    let (time, id) = (humantime::format_rfc3339_millis(*at), escape(&entry.key.id));
    let event = entry.event.as_deref().unwrap_or("created");
    let change = match (&entry.kind, &entry.from) {
        (HistoryKind::Note, _) => format!("{event}: {}", entry.payload.as_deref().unwrap_or_default()),
        (_, None) => format!("{event} --> {}", entry.to),
        (_, Some(from)) => format!("{from} --{event}--> {}", entry.to),
    };
    let by = if cause == "caller" { String::new() } else { format!(" ({cause})") };
    let detail = detail(entry).map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{time}  {id:<8} v{version:<3} {change}{by}{detail}")
}

/// The payload of an event, as text.
fn detail(entry: &HistoryEntry) -> Option<String> {
    let payload = entry.payload.as_deref()?;
    match entry.event.as_deref()? {
        "ready" => read(payload).map(|event::Ready { pid, port, .. }| address(port, pid)),
        "fail" => read(payload).map(|event::Fail { reason, failures }| format!("failure {failures}: {reason}")),
        "give_up" => read(payload).map(|event::GiveUp { reason }| reason),
        _ => None,
    }
}

/// Returns `None` for a payload of an older layout.
fn read<E: DeserializeOwned>(payload: &str) -> Option<E> {
    serde_json::from_str(payload).ok()
}

/// The current state of a server.
pub(crate) fn server(record: &AnyRecord, row: &Row) -> String {
    let detail = match record {
        AnyRecord::Running(running) => address(running.port, running.pid),
        AnyRecord::Failed(failed) => format!("failure {}: {}", failed.failures, failed.reason),
        AnyRecord::GivenUp(given_up) => given_up.reason.clone(),
        _ => String::new(),
    };
    let since = SystemTime::now().duration_since(row.updated).unwrap_or_default();
    let since = humantime::format_duration(Duration::from_secs(since.as_secs())).to_string();
    let parked = row.parked.as_ref().map(|why| format!("  parked: {why}")).unwrap_or_default();
    let line = format!(
        "{:<16} {:<10} v{:<6} {since:<16} {detail}{parked}",
        escape(record.id()),
        record.state(),
        record.version()
    );
    line.trim_end().to_owned()
}

/// The header of the list of servers.
pub(crate) fn head() -> String {
    format!("{:<16} {:<10} {:<7} {:<16} ", "SERVER", "STATE", "VERSION", "SINCE").trim_end().to_owned()
}

/// A process that works, or worked, on the store.
pub(crate) fn node(node: &Node) -> String {
    let (since, status) = if node.live { (node.since, "running since") } else { (node.until, "ended at") };
    format!("{}: {status} {}", node.holder, humantime::format_rfc3339_seconds(since))
}

/// The header of the list of claims.
pub(crate) fn work_head() -> String {
    format!("{:<16} {:<10} {:<7} {:<7} WORK", "SERVER", "STATE", "VERSION", "ATTEMPT")
}

/// The claim on a server: its process, or the time since which it is orphaned.
pub(crate) fn work(held: &ClaimedInstance) -> String {
    let row = &held.row;
    let since = held.by.as_ref().filter(|_| held.is_orphaned()).map(|lease| lease.until);
    let since = since.map(|at| format!(" since {}", humantime::format_rfc3339_seconds(at))).unwrap_or_default();
    format!("{:<16} {:<10} v{:<6} {:<7} {held}{since}", escape(&row.key.id), row.state, row.version, row.attempt)
}

fn address(port: u16, pid: u32) -> String {
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
        let created = change(HistoryKind::Transition, None, None, "Requested", "null");
        assert!(created.ends_with("v3   created --> Requested"), "{created}");
        let note = change(HistoryKind::Note, None, Some("parked"), "Stopping", "10 attempts failed");
        assert!(note.ends_with("v3   parked: 10 attempts failed (worker)"), "{note}");
    }
}
