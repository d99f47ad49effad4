//! Which instances wait for which. Pure.

use super::decide::Wait;
use crate::store::{Key, Row};
use fsm_core::Graph;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// The instances of this process that wait, by the keys that they wait for. Empty where no registered machine waits.
#[derive(Default)]
pub(in crate::controller) struct WaitIndex {
    waiting: HashMap<Key, Waiting>,
    waiters: HashMap<Key, HashSet<Key>>,
}

/// One version of an instance in a state that waits. An internal transition can change what it waits for.
struct Waiting {
    incarnation: Uuid,
    version: u64,
    awaited: Vec<Key>,
}

/// A row that waits, as it was read, and what it waits for.
pub(in crate::controller) struct Watched {
    pub(in crate::controller) row: Box<Row>,
    pub(in crate::controller) waits: Vec<Wait>,
}

impl WaitIndex {
    /// Records that the instance of `row` waits for these instances, and for no others.
    pub(in crate::controller) fn watch(&mut self, row: &Row, waits: &[Wait]) {
        let mut awaited: Vec<Key> = waits.iter().flat_map(|wait| &wait.keys).cloned().collect();
        awaited.sort_unstable();
        awaited.dedup();
        if self.waiting.get(&row.key).is_none_or(|known| known.awaited != awaited) {
            self.forget(&row.key);
            for key in &awaited {
                self.waiters.entry(key.clone()).or_default().insert(row.key.clone());
            }
        }
        self.waiting.insert(row.key.clone(), Waiting { incarnation: row.incarnation, version: row.version, awaited });
    }

    /// Records that the instance does not wait.
    pub(in crate::controller) fn forget(&mut self, key: &Key) {
        let Some(Waiting { awaited, .. }) = self.waiting.remove(key) else { return };
        for other in awaited {
            if let Some(waiters) = self.waiters.get_mut(&other) {
                waiters.remove(key);
                if waiters.is_empty() {
                    self.waiters.remove(&other);
                }
            }
        }
    }

    /// The instances that wait for `key`.
    pub(in crate::controller) fn waiters(&self, key: &Key) -> impl Iterator<Item = &Key> {
        self.waiters.get(key).into_iter().flatten()
    }

    /// Whether `row`, as a change has just left it, waits and was not looked at since.
    pub(in crate::controller) fn is_new(&mut self, graph: &Graph, row: &Row) -> bool {
        if graph.state_was(&row.state).is_none_or(|state| state.waits.is_empty()) {
            self.forget(&row.key);
            return false;
        }
        let known = self.waiting.get(&row.key);
        known.is_none_or(|known| (known.incarnation, known.version) != (row.incarnation, row.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsm_core::{StateInfo, WaitInfo};

    const WAIT: WaitInfo = WaitInfo::new("payment", "Payment", &["Captured"], "paid");
    static GRAPH: Graph =
        Graph::new("Order").with_states(&[StateInfo::new("Waiting").with_waits(&[WAIT]), StateInfo::new("Paid")]);

    fn key(id: &str) -> Key {
        Key::new("Payment", id)
    }

    fn row(id: &str, state: &str, version: u64) -> Row {
        Row { key: Key::new("Order", id), ..Row::example("Order", state, version) }
    }

    fn wait(ids: &[&str]) -> [Wait; 1] {
        [Wait { info: &WAIT, keys: ids.iter().copied().map(key).collect() }]
    }

    fn waiters(index: &WaitIndex, id: &str) -> Vec<String> {
        let mut waiters: Vec<String> = index.waiters(&key(id)).map(|key| key.id.to_string()).collect();
        waiters.sort();
        waiters
    }

    #[test]
    fn a_change_wakes_those_that_wait_for_it() {
        let mut index = WaitIndex::default();
        let (a, b) = (row("a", "Waiting", 2), row("b", "Waiting", 2));
        index.watch(&a, &wait(&["p", "q", "p"]));
        index.watch(&b, &wait(&["p"]));
        assert_eq!((waiters(&index, "p"), waiters(&index, "q")), (vec!["a".into(), "b".into()], vec!["a".into()]));
        index.watch(&a, &wait(&["q"]));
        assert_eq!((waiters(&index, "p"), waiters(&index, "q")), (vec!["b".into()], vec!["a".into()]));
        index.forget(&a.key);
        index.forget(&b.key);
        assert!(index.waiting.is_empty() && index.waiters.is_empty(), "nothing stays behind");
    }

    #[test]
    fn a_change_that_was_not_looked_at_is_new() {
        let mut index = WaitIndex::default();
        let first = row("a", "Waiting", 2);
        assert!(index.is_new(&GRAPH, &first));
        index.watch(&first, &wait(&["p"]));
        assert!(!index.is_new(&GRAPH, &first));
        assert!(index.is_new(&GRAPH, &row("a", "Waiting", 4)), "it may wait for others now");
        assert!(!index.is_new(&GRAPH, &row("a", "Paid", 5)));
        assert_eq!(waiters(&index, "p"), [""; 0], "it waits no more");
    }
}
