//! The picture of a machine for rustdoc: an SVG that needs no script, no network and no colours of its own.
//!
//! It stands in the documentation as it is, takes the page's colours, and its states and events lead to their types.

mod arrows;
mod layout;
mod sketch;
mod svg;

use crate::model::Machine;

/// More states than this make no picture that a page could show.
const READABLE: usize = 60;

/// The picture; `None` where there are too many states for one.
pub(crate) fn picture(machine: &Machine) -> Option<String> {
    (machine.states.len() <= READABLE).then(|| svg::write(&sketch::sketch(machine)))
}
