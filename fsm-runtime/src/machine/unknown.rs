//! Rows that this code does not know: detection, and one report for each kind.

use crate::{
    log::Escaped,
    store::{Key, Row},
    sync::Mutex,
};
use fsm_core::Graph;
use std::collections::HashSet;

/// Whether code with this graph can read a row in `state` under schema version `schema`.
pub(crate) fn knows(graph: &Graph, state: &str, schema: u32) -> bool {
    schema <= graph.version && graph.state_was(state).is_some()
}

/// The rows that this code cannot read; each state and schema version is reported once.
pub(crate) struct Unknown {
    tolerant: bool,
    reported: Mutex<HashSet<(String, String, u32)>>,
}

impl Unknown {
    pub(crate) fn new(tolerant: bool) -> Self {
        Self { tolerant, reported: Mutex::default() }
    }

    /// Whether a runtime starts although there are rows that this code cannot read.
    pub(crate) fn is_tolerated(&self) -> bool {
        self.tolerant
    }

    pub(crate) fn report_row(&self, row: &Row, graph: &Graph) {
        self.report(&row.key, &row.state, row.schema, graph);
    }

    pub(crate) fn report(&self, example: &Key, state: &str, schema: u32, graph: &Graph) {
        let (machine, known) = (&*example.machine, graph.version);
        let new = self.reported.lock().insert((machine.to_owned(), state.to_owned(), schema));
        if new {
            tracing::warn!(
                %machine, %state, schema, known_schema = known, id = %Escaped(&example.id),
                "rows that this code does not know are left unchanged; `Runtime::unknown_rows` counts them"
            );
        }
    }
}
