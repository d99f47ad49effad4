//! The graphs that a store keeps as JSON, for tools that do not have the code.

use super::Engine;
use crate::{
    store::{Definition, Group, StoreError},
    sync::Mutex,
};
use fsm_core::Graph;
use std::sync::{
    MutexGuard,
    atomic::{AtomicBool, Ordering},
};

/// The graphs of this process's machines, and whether each is stored. A graph is stored before the first row of its machine.
#[derive(Default)]
pub(crate) struct Definitions {
    /// Each with whether it is stored.
    graphs: Mutex<Vec<(&'static Graph, bool)>>,
    /// Whether one is not stored yet. Every commit reads it.
    waiting: AtomicBool,
}

impl Definitions {
    fn lock(&self) -> MutexGuard<'_, Vec<(&'static Graph, bool)>> {
        self.graphs.lock()
    }

    /// Adds a machine whose rows may be written.
    pub(crate) fn knows_of(&self, graph: &'static Graph) {
        let mut graphs = self.lock();
        if graphs.iter().all(|(known, _)| known.machine != graph.machine) {
            graphs.push((graph, false));
            self.waiting.store(true, Ordering::Release);
        }
    }

    fn stored(&self, stored: &[&'static Graph]) {
        let mut graphs = self.lock();
        graphs.retain(|(known, _)| stored.iter().all(|graph| graph.machine != known.machine));
        graphs.extend(stored.iter().map(|graph| (*graph, true)));
        self.waiting.store(graphs.iter().any(|(_, stored)| !stored), Ordering::Release);
    }

    /// Stores the graphs of the machines that a controller works on.
    pub(crate) async fn by_controller(&self, engine: &Engine, graphs: &[&'static Graph]) -> Result<(), StoreError> {
        let definitions = graphs.iter().map(|graph| definition(graph, true)).collect();
        engine.store.define(definitions, engine.now()).await?;
        self.stored(graphs);
        Ok(())
    }

    /// Stores the graphs of the machines in `groups` that are not stored yet.
    pub(crate) async fn before(&self, groups: &[Group], engine: &Engine) -> Result<(), StoreError> {
        if !self.waiting.load(Ordering::Acquire) {
            return Ok(());
        }
        let written = |graph: &Graph| {
            groups.iter().flat_map(|group| &group.changes).any(|change| *change.key().machine == *graph.machine)
        };
        let graphs: Vec<&'static Graph> =
            self.lock().iter().filter(|(graph, stored)| !stored && written(graph)).map(|(graph, _)| *graph).collect();
        if !graphs.is_empty() {
            let definitions = graphs.iter().map(|graph| definition(graph, false)).collect();
            engine.store.define(definitions, engine.now()).await?;
            self.stored(&graphs);
        }
        Ok(())
    }
}

fn definition(graph: &'static Graph, controller: bool) -> Definition {
    Definition {
        machine: graph.machine.to_owned(),
        version: graph.version,
        fingerprint: graph.fingerprint(),
        graph: graph.json().to_string(),
        controller,
    }
}
