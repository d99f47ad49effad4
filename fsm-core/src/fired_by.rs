//! Who can fire a transition.

use crate::graph::Graph;

/// Who can fire a transition of a durable machine, `#[on(…, by = worker)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FiredBy {
    /// Callers, the worker of the state, and the runtime.
    Anyone,
    /// Only the worker of the state and the runtime: a timer of the state, what it waits for, or its `exhausted`.
    Worker,
}

impl FiredBy {
    /// `"anyone"` or `"worker"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Worker => "worker",
        }
    }

    /// Whether callers can fire it.
    #[must_use]
    pub const fn includes_callers(self) -> bool {
        matches!(self, Self::Anyone)
    }
}

impl Graph {
    /// The events that callers can fire in the state `name`: those of its transitions without `by = worker`.
    pub fn callers_events<'n>(&self, name: &'n str) -> impl Iterator<Item = &'static str> + use<'n> {
        self.transitions_from(name)
            .filter(|transition| transition.by.includes_callers())
            .map(|transition| transition.event)
    }

    /// Whether callers can fire the event `name` in some state. Also `true` if no state declares it.
    #[must_use]
    pub fn callers_can_fire(&self, name: &str) -> bool {
        let mut declared = self.transitions.iter().filter(|transition| transition.event == name).peekable();
        declared.peek().is_none() || declared.any(|transition| transition.by.includes_callers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::TransitionInfo;
    use alloc::vec::Vec;

    const GRAPH: Graph = Graph::new("M").with_transitions(&[
        TransitionInfo::new("A", "paid", &["B"]).with_by(FiredBy::Worker),
        TransitionInfo::new("A", "fail", &["B"]).with_by(FiredBy::Worker),
        TransitionInfo::new("A", "cancel", &["B"]),
        TransitionInfo::new("B", "fail", &["A"]),
    ]);

    #[test]
    fn callers_fire_what_some_state_lets_them_fire() {
        assert_eq!(GRAPH.callers_events("A").collect::<Vec<_>>(), ["cancel"]);
        assert_eq!(GRAPH.callers_events("B").collect::<Vec<_>>(), ["fail"]);
        let can = ["paid", "fail", "cancel", "unknown"].map(|event| GRAPH.callers_can_fire(event));
        assert_eq!(can, [false, true, true, true]);
    }
}
