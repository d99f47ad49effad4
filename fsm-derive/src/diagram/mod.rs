//! The state diagram for rustdoc: an inline SVG without scripts or external resources.
//!
//! It uses the colors of the page. States and events link to their types.

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

/// The diagram as SVG. Returns `None` if there are too many states or arrows.
pub(crate) fn diagram(machine: &Machine) -> Option<String> {
    if machine.states.len() > MAX_STATES {
        return None;
    }
    let graph = graph::graph(machine);
    (graph.arrows.len() <= MAX_ARROWS).then(|| svg::write(&graph))
}
