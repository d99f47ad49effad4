//! The state diagram for rustdoc: an inline SVG without scripts or external resources.
//!
//! It uses the colors of the page. States and events link to their types. The layout takes time, so the generated module's docs have a call
//! of the macro `__diagram` with the declaration, which only rustdoc expands.

mod arrows;
mod graph;
mod layout;
#[cfg(test)]
pub(crate) mod reading;
mod svg;

use crate::model::Machine;

/// A larger diagram would not be readable.
const MAX_STATES: usize = 60;
/// A larger diagram would not be readable, and its layout would slow down each build.
const MAX_ARROWS: usize = 200;

/// Whether the machine is not too large for a diagram, by its states.
pub(crate) fn has_diagram(machine: &Machine) -> bool {
    machine.states.len() <= MAX_STATES
}

/// The diagram as SVG. Returns `None` if there are too many states or arrows.
pub(crate) fn diagram(machine: &Machine) -> Option<String> {
    if !has_diagram(machine) {
        return None;
    }
    let graph = graph::graph(machine);
    (graph.arrows.len() <= MAX_ARROWS).then(|| svg::write(&graph))
}
