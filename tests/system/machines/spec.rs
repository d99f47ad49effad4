//! A machine as its file in `tests/machines` describes it.

use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

#[derive(Deserialize)]
pub(crate) struct Spec {
    pub(crate) name: String,
    initial: String,
    #[serde(default)]
    other_initials: Vec<String>,
    pub(crate) finals: BTreeSet<String>,
    #[serde(default)]
    pub(crate) work: BTreeSet<String>,
    pub(crate) states: BTreeSet<String>,
    transitions: Vec<Transition>,
    pub(crate) expect: Counts,
}

#[derive(Deserialize)]
struct Transition {
    from: String,
    event: String,
    to: String,
    guard: Option<String>,
}

/// Properties of the graph, also computed from the generated graph.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    pub(crate) events: usize,
    pub(crate) illegal_pairs: usize,
    /// Reachable from the first initial state only.
    pub(crate) unreachable_from_initial: BTreeSet<String>,
    pub(crate) unreachable_from_any_initial: BTreeSet<String>,
    pub(crate) no_outgoing: BTreeSet<String>,
    /// `None` for a machine without ends.
    pub(crate) cannot_reach_final: Option<BTreeSet<String>>,
    pub(crate) self_loops: usize,
    pub(crate) branching_pairs: BTreeSet<String>,
    /// Declared more than once, so that the file is ambiguous.
    pub(crate) ambiguous_pairs: BTreeSet<String>,
}

/// One arrow of the drawing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) event: String,
    pub(crate) to: String,
    /// Whether a guard can refuse the declared event.
    pub(crate) guarded: bool,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guarded = if self.guarded { " [guarded]" } else { "" };
        write!(f, "{} --{}{guarded}--> {}", self.from, self.event, self.to)
    }
}

impl Spec {
    pub(crate) fn parse(json: &str) -> Self {
        serde_json::from_str(json).expect("the files in `tests/machines` have this shape")
    }

    /// The state that `expect` takes as the only initial one.
    pub(crate) fn first(&self) -> &str {
        &self.initial
    }

    pub(crate) fn initial(&self) -> BTreeSet<String> {
        self.other_initials.iter().chain([&self.initial]).cloned().collect()
    }

    pub(crate) fn events(&self) -> BTreeSet<String> {
        self.transitions.iter().map(|edge| edge.event.clone()).collect()
    }

    pub(crate) fn edges(&self) -> BTreeSet<Edge> {
        let targets = self.targets();
        let edge = |transition: &Transition| Edge {
            from: transition.from.clone(),
            event: transition.event.clone(),
            to: transition.to.clone(),
            guarded: targets[&(&*transition.from, &*transition.event)].len() == 1 && transition.can_refuse(),
        };
        self.transitions.iter().map(edge).collect()
    }

    /// The targets of each legal pair of state and event.
    pub(crate) fn targets(&self) -> BTreeMap<(&str, &str), BTreeSet<&str>> {
        let mut targets: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for Transition { from, event, to, .. } in &self.transitions {
            targets.entry((&**from, &**event)).or_default().insert(&**to);
        }
        targets
    }
}

impl Transition {
    /// A condition that names its own state (`canceled?` in `canceled`) always holds.
    fn can_refuse(&self) -> bool {
        let condition = self.guard.as_deref().map(|guard| guard.trim_end_matches('?'));
        condition.is_some_and(|condition| condition != self.from)
    }
}
