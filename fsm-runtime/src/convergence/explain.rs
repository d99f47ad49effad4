//! Why no event can be fired toward a desired state, in words: for the history and for `Blocked`.

use std::fmt::Display;

pub(crate) fn no_path(from: impl Display, to: impl Display) -> String {
    format!("no path of `auto` transitions, work and timers leads from `{from}` to `{to}`")
}

pub(crate) fn needs_payload(event: impl Display, state: impl Display) -> String {
    format!("`{event}` in `{state}` has a payload, which only a caller can supply")
}

pub(crate) fn branches(event: impl Display, state: impl Display) -> String {
    format!("`{event}` in `{state}` has several targets, and its `with` function chooses among them")
}
