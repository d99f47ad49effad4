//! The file of a snapshot: the graph and the sample rows, as pretty-printed JSON for readable diffs.

use fsm_core::Name as _;
use serde_json::{Map, Value, json};

use super::SnapshotError;
use crate::records::Durable;

/// The content of the file.
#[derive(Clone, PartialEq, serde::Deserialize, serde::Serialize)]
pub(super) struct File {
    /// The output of `Graph::json` without docs, which do not affect rows.
    pub(super) graph: Value,
    /// Ordered by state.
    pub(super) rows: Vec<Row>,
}

/// A sample row.
#[derive(Clone, PartialEq, serde::Deserialize, serde::Serialize)]
pub(super) struct Row {
    pub(super) state: String,
    pub(super) data: Value,
    /// The context; `null` if the machine has none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) context: Value,
    /// The schema version of the row, if it is not that of the graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u32>,
}

impl File {
    /// The file for the declaration and the current samples.
    pub(super) fn declared<M: Durable>(samples: Vec<M::Value>) -> Result<Self, SnapshotError> {
        let mut rows = Vec::new();
        for sample in samples {
            let (sample, context) = M::split(sample);
            let state = sample.state();
            let encode = |error| SnapshotError::Encode { what: format!("a sample in `{state}`"), error };
            let (_, data) = sample.encode().map_err(encode)?;
            let context = M::encode_context(&context).map_err(encode)?;
            let value = |text: &str| serde_json::from_str(text).map(plain).map_err(|error| encode(error.into()));
            let (data, context) = (value(&data)?, value(context.as_deref().unwrap_or("null"))?);
            rows.push((state, Row { state: state.to_string(), data, context, version: None }));
        }
        rows.sort_by_key(|(state, _)| *state);
        let missing = M::State::ALL.iter().filter(|state| rows.iter().all(|(sampled, _)| sampled != *state));
        let states: Vec<_> = missing.map(|state| state.as_str()).collect();
        if !states.is_empty() {
            return Err(SnapshotError::NoSample { machine: M::GRAPH.machine, states });
        }
        let encode = |error: serde_json::Error| SnapshotError::Encode { what: "the graph".into(), error: error.into() };
        let graph = serde_json::from_str(&M::GRAPH.json().to_string()).map_err(encode)?;
        Ok(Self { graph: plain(without_docs(graph)), rows: rows.into_iter().map(|(_, row)| row).collect() })
    }

    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let file: Self = serde_json::from_str(text)?;
        let rows = file.rows.into_iter().map(|row| Row { data: plain(row.data), context: plain(row.context), ..row });
        Ok(Self { graph: plain(file.graph), rows: rows.collect() })
    }

    /// The name and the version of the machine.
    pub(super) fn of(&self) -> (Option<&str>, Option<u32>) {
        let version = self.graph["version"].as_u64().and_then(|version| u32::try_from(version).ok());
        (self.graph["machine"].as_str(), version)
    }

    pub(super) fn text(&self) -> String {
        let file = json!({ "graph": self.graph, "rows": self.rows });
        format!("{file:#}\n")
    }
}

/// Sorts the keys, because `serde_json` can be built to keep their order.
fn plain(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(key, value)| (key, plain(value))).collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(fields.into_iter().collect())
        }
        value => value,
    }
}

fn without_docs(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without_docs).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(key, _)| key != "doc");
            Value::Object(fields.map(|(key, value)| (key, without_docs(value))).collect::<Map<_, _>>())
        }
        value => value,
    }
}
