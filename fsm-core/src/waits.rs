//! What a state waits for, as `const` data and as text.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use crate::graph::{Graph, StateInfo, TransitionInfo};

/// One line of `#[state(waits(…))]`: the state waits for instances of another machine, and `event` is fired once they are where they
/// are awaited.
///
/// [`Display`](fmt::Display) writes it as the declaration does, without the event: `all(jobs): Job in Passed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitInfo {
    /// The field that has the id of the awaited instance, or their ids.
    pub field: &'static str,
    /// The machine of the awaited instances.
    pub machine: &'static str,
    /// The states that count.
    pub states: &'static [&'static str],
    /// Whether an instance that does not exist counts.
    pub missing: bool,
    /// How many of the awaited instances must count.
    pub quantity: WaitQuantity,
    /// The event that is fired.
    pub event: &'static str,
}

/// How many of the instances that a state waits for must be in one of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitQuantity {
    /// The field has one id.
    One,
    /// All of the field's ids, `all(field)`.
    All,
    /// At least one of the field's ids, `any(field)`.
    Any,
    /// At least so many of the field's ids, `at_least(n, field)`.
    AtLeast(u32),
}

impl WaitInfo {
    /// A wait for the instance whose id is in `field`, until it is in one of `states`.
    #[must_use]
    pub const fn new(
        field: &'static str,
        machine: &'static str,
        states: &'static [&'static str],
        event: &'static str,
    ) -> Self {
        Self { field, machine, states, missing: false, quantity: WaitQuantity::One, event }
    }

    /// Sets whether an instance that does not exist counts.
    #[must_use]
    pub const fn with_missing(mut self, missing: bool) -> Self {
        self.missing = missing;
        self
    }

    /// Sets how many of the instances must count.
    #[must_use]
    pub const fn with_quantity(mut self, quantity: WaitQuantity) -> Self {
        self.quantity = quantity;
        self
    }
}

impl fmt::Display for WaitInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, machine, states, missing, quantity, .. } = self;
        match quantity {
            WaitQuantity::One => f.write_str(field)?,
            WaitQuantity::All => write!(f, "all({field})")?,
            WaitQuantity::Any => write!(f, "any({field})")?,
            WaitQuantity::AtLeast(count) => write!(f, "at_least({count}, {field})")?,
        }
        let mut states: Vec<&str> = states.to_vec();
        states.extend(missing.then_some("missing"));
        write!(f, ": {machine} in {}", states.join(" | "))
    }
}

impl Graph {
    /// Whether a state of the machine waits for instances of another one, or of its own.
    #[must_use]
    pub fn has_waits(&self) -> bool {
        self.states.iter().any(|state| !state.waits.is_empty())
    }

    /// What fires this transition, apart from callers: the waits of its state that have its event.
    pub(crate) fn waits_of<'t>(
        &self,
        transition: &'t TransitionInfo,
    ) -> impl Iterator<Item = &'static WaitInfo> + use<'t> {
        let waits = self.state(transition.from).map_or(&[][..], |state: &StateInfo| state.waits);
        waits.iter().filter(|wait| wait.event == transition.event)
    }

    /// What the waits that fire this transition wait for: `payment: Payment in Captured`. `None` for a transition that no wait fires.
    pub(crate) fn wait_text(&self, transition: &TransitionInfo) -> Option<String> {
        let waits: Vec<_> = self.waits_of(transition).map(|wait| format!("{wait}")).collect();
        if waits.is_empty() { None } else { Some(waits.join(", or ")) }
    }

    /// The end of an arrow's label: ` (when payment: Payment in Captured)`. Empty for a transition that no wait fires.
    pub(crate) fn wait_label(&self, transition: &TransitionInfo) -> String {
        self.wait_text(transition).map_or_else(String::new, |waits| format!(" (when {waits})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn a_wait_reads_as_it_is_declared() {
        let wait = WaitInfo::new("jobs", "Job", &["Passed", "Skipped"], "passed");
        assert_eq!(wait.to_string(), "jobs: Job in Passed | Skipped");
        let of = |quantity| wait.with_quantity(quantity).with_missing(true).to_string();
        assert_eq!(of(WaitQuantity::All), "all(jobs): Job in Passed | Skipped | missing");
        assert_eq!(of(WaitQuantity::Any), "any(jobs): Job in Passed | Skipped | missing");
        assert_eq!(of(WaitQuantity::AtLeast(2)), "at_least(2, jobs): Job in Passed | Skipped | missing");
        let gone = WaitInfo::new("job", "Job", &[], "lost").with_missing(true);
        assert_eq!(gone.to_string(), "job: Job in missing");
    }
}
