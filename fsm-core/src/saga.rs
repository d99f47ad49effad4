//! The saga of a machine as `const` data: its steps, what undoes them, and the compensation sequence.

use crate::graph::{Graph, TransitionInfo};

/// The saga of a machine, `#[fsm(saga(undone = State))]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SagaInfo {
    /// The end state of a saga that was undone.
    pub undone: &'static str,
    /// The steps, in the order of the declaration.
    pub steps: &'static [StepInfo],
}

/// A step of a saga, `#[state(work, undo = State)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepInfo {
    /// The state that does it.
    pub state: &'static str,
    /// The state that undoes it. `None` if there is nothing to undo, `undo = none`.
    pub undo: Option<&'static str>,
    /// Whether the step itself is undone if its outcome is unknown, `uncertain = undo`.
    pub uncertain: bool,
}

impl SagaInfo {
    /// A saga of `steps` that ends in `undone` if it was undone.
    #[must_use]
    pub const fn new(undone: &'static str, steps: &'static [StepInfo]) -> Self {
        Self { undone, steps }
    }

    /// The step of the state `name`.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&'static StepInfo> {
        self.steps.iter().find(|step| step.state == name)
    }

    /// The step that the state `name` undoes.
    #[must_use]
    pub fn undoes(&self, name: &str) -> Option<&'static StepInfo> {
        self.steps.iter().find(|step| step.undo == Some(name))
    }

    /// The states that undo a step, in the order of the steps.
    pub fn compensations(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.steps.iter().filter_map(|step| step.undo)
    }

    /// Whether a transition is part of a compensation sequence: its target undoes a step, or is the end state of an undone saga.
    #[must_use]
    pub fn leads_back(&self, transition: &TransitionInfo) -> bool {
        let back = |to: &&str| *to == self.undone || self.undoes(to).is_some();
        !transition.internal
            && transition.history.is_none()
            && !transition.to.is_empty()
            && transition.to.iter().all(back)
    }
}

impl StepInfo {
    /// A step with nothing to undo.
    #[must_use]
    pub const fn new(state: &'static str) -> Self {
        Self { state, undo: None, uncertain: false }
    }

    /// Sets the state that undoes it.
    #[must_use]
    pub const fn with_undo(mut self, state: &'static str) -> Self {
        self.undo = Some(state);
        self
    }

    /// Sets whether the step itself is undone if its outcome is unknown.
    #[must_use]
    pub const fn with_uncertain(mut self, uncertain: bool) -> Self {
        self.uncertain = uncertain;
        self
    }
}

impl Graph {
    /// Whether a transition is part of a compensation sequence of a saga.
    pub(crate) fn leads_back(&self, transition: &TransitionInfo) -> bool {
        self.saga.is_some_and(|saga| saga.leads_back(transition))
    }

    /// Whether the state `name` undoes a step of a saga.
    pub(crate) fn is_compensation(&self, name: &str) -> bool {
        self.saga.is_some_and(|saga| saga.undoes(name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{StateInfo, StateKind};
    use alloc::{string::ToString as _, vec::Vec};

    const SAGA: SagaInfo = SagaInfo::new(
        "Cancelled",
        &[StepInfo::new("Reserving").with_undo("Releasing").with_uncertain(true), StepInfo::new("Mailing")],
    );
    const GRAPH: Graph = Graph::new("Trip")
        .with_states(&[
            StateInfo::new("Reserving").with_kind(StateKind::Work).with_initial(true),
            StateInfo::new("Mailing").with_kind(StateKind::Work),
            StateInfo::new("Releasing").with_kind(StateKind::Work),
            StateInfo::new("Cancelled").with_kind(StateKind::End),
        ])
        .with_transitions(&[
            TransitionInfo::new("Reserving", "reserved", &["Mailing"]),
            TransitionInfo::new("Mailing", "fail", &["Releasing"]),
            TransitionInfo::new("Releasing", "released", &["Cancelled"]),
        ])
        .with_saga(&SAGA);

    #[test]
    fn the_way_back_is_what_leads_to_undoing() {
        let back: Vec<_> = GRAPH.transitions.iter().map(|transition| SAGA.leads_back(transition)).collect();
        assert_eq!(back, [false, true, true]);
        assert_eq!(SAGA.step("Reserving").and_then(|step| step.undo), Some("Releasing"));
        assert_eq!(SAGA.undoes("Releasing").map(|step| step.state), Some("Reserving"));
        assert_eq!(SAGA.compensations().collect::<Vec<_>>(), ["Releasing"]);
    }

    #[test]
    fn every_picture_shows_the_way_back() {
        let mermaid = GRAPH.mermaid().to_string();
        assert!(mermaid.contains("    Mailing --> Releasing : fail (undo)\n"), "{mermaid}");
        assert!(
            mermaid.contains("    class Releasing undo\n") && mermaid.contains("    class Reserving,Mailing work\n"),
            "{mermaid}"
        );
        let several = crate::Graphs::new([&GRAPH]).mermaid().to_string();
        assert!(several.contains("    class Trip_Releasing undo\n"), "{several}");
        assert!(several.contains("    Trip_Mailing -- \"fail (undo)\" --> Trip_Releasing\n"), "{several}");
        let several = crate::Graphs::new([&GRAPH]).dot().to_string();
        let back = r#""Trip/Mailing" -> "Trip/Releasing" [label="fail", style=dashed];"#;
        let undoes = r#""Trip/Releasing" [label="Releasing", style="rounded,dotted"];"#;
        assert!(several.contains(back) && several.contains(undoes), "{several}");
        let dot = GRAPH.dot().to_string();
        assert!(dot.contains("    \"Mailing\" -> \"Releasing\" [label=\"fail\", style=dashed];\n"), "{dot}");
        assert!(dot.contains("    \"Releasing\" [style=\"rounded,dotted\"];\n"), "{dot}");
        let table = GRAPH.table().to_string();
        assert!(table.contains("| `Mailing` | `fail` | `Releasing` | by work, undo |\n"), "{table}");
        let xstate = GRAPH.xstate_json().to_string();
        assert!(xstate.contains(r#""Releasing":{"tags":["work","undo"]"#), "{xstate}");
        let scxml = GRAPH.scxml().to_string();
        assert!(scxml.contains(r#"<state id="Releasing" fsm:work="true" fsm:undoes="Reserving">"#), "{scxml}");
        assert!(scxml.contains(r#"<transition event="fail" target="Releasing" fsm:undo="true"/>"#), "{scxml}");
        let json = GRAPH.json().to_string();
        let saga = r#","saga":{"undone":"Cancelled","steps":[{"state":"Reserving","undo":"Releasing","uncertain":true},{"state":"Mailing","undo":null,"uncertain":false}]}}"#;
        assert!(json.ends_with(saga), "{json}");
    }
}
