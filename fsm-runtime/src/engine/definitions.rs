//! Owns the definitions that a store keeps for tools that never saw the code: the graph as JSON, and when it is stored.

use super::Engine;
use crate::store::{Definition, Group, StoreError};
use fsm_core::{FieldInfo, Graph};
use serde_json::{Value, json};
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Which machines' graphs this process has stored, and which it will when it first writes a row of theirs.
#[derive(Default)]
pub(crate) struct Definitions {
    /// Each with whether it is stored.
    graphs: Mutex<Vec<(&'static Graph, bool)>>,
    /// Whether one is not stored yet: what every commit looks at.
    waiting: AtomicBool,
}

impl Definitions {
    fn lock(&self) -> MutexGuard<'_, Vec<(&'static Graph, bool)>> {
        self.graphs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows of this machine may be written.
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

    /// Stores what a controller works by.
    pub(crate) async fn by_controller(&self, engine: &Engine, graphs: &[&'static Graph]) -> Result<(), StoreError> {
        let definitions = graphs.iter().map(|graph| definition(graph, true)).collect();
        engine.store.define(definitions, engine.clock.now()).await?;
        self.stored(graphs);
        Ok(())
    }

    /// Stores the graphs of the machines whose rows `groups` are about to write, where that has not been done.
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
            engine.store.define(definitions, engine.clock.now()).await?;
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
        graph: json(graph),
        controller,
    }
}

pub(crate) fn json(graph: &Graph) -> String {
    let fields = |fields: &[FieldInfo]| -> Vec<Value> {
        fields.iter().map(|field| json!({ "name": field.name, "type": field.ty })).collect()
    };
    let states: Vec<Value> = graph
        .states
        .iter()
        .map(|state| {
            json!({
                "name": state.name,
                "doc": state.doc,
                "kind": state.kind.as_str(),
                "initial": state.initial,
                "fields": fields(state.fields),
                "timer": state.timer.map(|timer| json!({
                    "after_seconds": timer.after.as_secs_f64(),
                    "event": timer.event,
                })),
            })
        })
        .collect();
    let events: Vec<Value> =
        graph.events.iter().map(|event| json!({ "name": event.name, "fields": fields(event.fields) })).collect();
    let transitions: Vec<Value> = graph
        .transitions
        .iter()
        .map(|t| json!({ "from": t.from, "event": t.event, "to": t.to, "guarded": t.guarded }))
        .collect();
    json!({
        "machine": graph.machine,
        "doc": graph.doc,
        "version": graph.version,
        "states": states,
        "events": events,
        "transitions": transitions,
    })
    .to_string()
}
