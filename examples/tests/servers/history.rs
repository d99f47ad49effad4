//! Invariants of every history in a store, read from its tables.

use crate::fixture::Fixture;
use std::collections::{BTreeMap, HashSet};

/// One entry of the history table.
struct Change {
    id: String,
    kind: String,
    version: u64,
    fence: u64,
    from: Option<String>,
    event: Option<String>,
    to: String,
    data: Option<String>,
}

/// Checks the history of each server: its versions are 1, 2, 3…, each transition is declared and starts in the state in which
/// the previous one ended, fences never decrease, and the row equals the last entry. Notes are skipped. Returns the states
/// of each server in order.
pub(crate) fn check(fixture: &Fixture) -> BTreeMap<String, Vec<String>> {
    let store = fixture.store();
    let graph: String = store
        .query_row("SELECT graph FROM fsm_machines WHERE name = 'Server'", [], |row| row.get(0))
        .expect("the graph in the store");
    let declared = edges(&graph);
    let mut query = store
        .prepare(
            "SELECT id, kind, version, fence, from_state, event, to_state, data FROM fsm_history \
             WHERE kind <> 'note' ORDER BY sequence",
        )
        .expect("the history");
    let changes = query.query_map([], |row| {
        Ok(Change {
            id: row.get(0)?,
            kind: row.get(1)?,
            version: row.get(2)?,
            fence: row.get(3)?,
            from: row.get(4)?,
            event: row.get(5)?,
            to: row.get(6)?,
            data: row.get(7)?,
        })
    });
    let mut chains: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for change in changes.expect("the history").map(|change| change.expect("an entry")) {
        assert_eq!(change.kind, "transition", "{}: {:?}", change.id, change.event);
        chains.entry(change.id.clone()).or_default().push(change);
    }
    for (id, chain) in &chains {
        for (i, change) in chain.iter().enumerate() {
            assert_eq!(change.version, i as u64 + 1, "{id}: a version is missing or duplicated");
            let Some(before) = i.checked_sub(1).map(|before| &chain[before]) else {
                assert_eq!((change.from.as_deref(), change.to.as_str()), (None, "Requested"), "{id}: its creation");
                continue;
            };
            let (from, event) = (change.from.clone().expect("a state"), change.event.clone().expect("an event"));
            assert_eq!(from, before.to, "{id} v{}: it starts where the previous one ended", change.version);
            assert!(change.fence >= before.fence, "{id} v{}: an older fence", change.version);
            let edge = (from, event, change.to.clone());
            assert!(declared.contains(&edge), "{id} v{}: {edge:?} is not declared", change.version);
        }
        let last = chain.last().expect("an entry");
        let row: (String, u64, Option<String>) = store
            .query_row("SELECT state, version, data FROM fsm_instances WHERE id = ?", [id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .expect("the row");
        assert_eq!(row, (last.to.clone(), last.version, last.data.clone()), "{id}: the row equals the last entry");
    }
    chains.into_iter().map(|(id, chain)| (id, chain.into_iter().map(|change| change.to).collect())).collect()
}

/// The declared transitions, from the graph that the store holds.
fn edges(graph: &str) -> HashSet<(String, String, String)> {
    let graph: serde_json::Value = serde_json::from_str(graph).expect("the graph is JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a name").to_owned();
    let list = |value: &serde_json::Value| value.as_array().expect("a list").clone();
    let mut edges = HashSet::new();
    for edge in list(&graph["transitions"]) {
        edges.extend(list(&edge["to"]).iter().map(|to| (text(&edge["from"]), text(&edge["event"]), text(to))));
    }
    assert!(edges.len() > 10, "the graph has its transitions");
    edges
}
