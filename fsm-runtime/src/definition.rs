//! Owns the graph as JSON: the form in which a store keeps it for tools that never saw the code.

use fsm_core::{FieldInfo, Graph, Kind};
use serde_json::{Value, json};

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
                "kind": match state.kind {
                    Kind::Rest => "rest",
                    Kind::Work => "work",
                    Kind::End => "end",
                },
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
