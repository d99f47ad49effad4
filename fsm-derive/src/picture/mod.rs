//! The picture of a machine for rustdoc: an SVG that needs no script, no network and no colours of its own.
//!
//! It stands in the documentation as it is, takes the page's colours, and its states and events lead to their types.

mod arrows;
mod layout;
mod sketch;
mod svg;

use crate::model::Machine;

/// More states than this make no picture that a page could show.
const STATES: usize = 60;
/// Nor do more arrows; and to lay out a thicket takes its time, each time that the declaration is compiled.
const ARROWS: usize = 200;

/// The picture; `None` where there are too many states or arrows for one.
pub(crate) fn picture(machine: &Machine) -> Option<String> {
    if machine.states.len() > STATES {
        return None;
    }
    let sketch = sketch::sketch(machine);
    (sketch.arrows.len() <= ARROWS).then(|| svg::write(&sketch))
}
