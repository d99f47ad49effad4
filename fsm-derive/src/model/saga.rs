//! The saga of a machine: its steps, what undoes them, and what was completed before each state.

use proc_macro2::Span;

use super::{Kind, Machine, State, Transition};
use crate::{each::indices, parse::Uncertain};

/// The option `saga(undone = State)`.
pub(crate) struct Saga {
    /// The span of `saga`.
    pub(crate) span: Span,
    /// The end state of a saga that was undone.
    pub(crate) undone: usize,
    /// Whether all names could be resolved.
    pub(crate) known: bool,
    /// What was completed before each state.
    pub(crate) before: Vec<Before>,
}

/// A `work` state with `undo = …`.
pub(crate) struct Step {
    /// The span of `undo`.
    pub(crate) span: Span,
    /// The state that undoes it. `None`: there is nothing to undo.
    pub(crate) undo: Option<usize>,
    pub(crate) uncertain: Option<Uncertain>,
}

/// The steps with a compensation that were completed before a state is entered, in order.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Before {
    /// No way leads to the state.
    Unreached,
    Same(Vec<usize>),
    Differs(Differs),
}

/// Two ways on which different steps were completed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Differs {
    /// The state in which the ways meet.
    pub(crate) at: usize,
    pub(crate) ways: [Way; 2],
}

/// The state before the meeting, `None` for the beginning, and the completed steps.
pub(crate) type Way = (Option<usize>, Vec<usize>);

/// Where `undo` leads.
pub(crate) enum Back {
    To(usize),
    /// Which step was completed last is not known.
    Unknown,
}

impl State {
    /// The state that undoes this step.
    pub(crate) fn compensation(&self) -> Option<usize> {
        self.step.as_ref().and_then(|step| step.undo)
    }

    /// Whether the runtime fires the event: for a timer, for `exhausted`, or for what the state waits for.
    pub(crate) fn runtime_fires(&self, event: usize) -> bool {
        let exhausted = self.exhausted.as_ref().is_some_and(|fires| fires.event == event);
        exhausted || self.timer(event).is_some() || self.waits.iter().any(|wait| wait.fires.event == event)
    }
}

impl Machine {
    /// Whether the transition completes what its source state does: it leaves it, and not for the way back.
    fn goes_on(&self, transition: &Transition) -> bool {
        transition.undo.is_none()
            && !transition.internal
            && transition.history.is_none()
            && self.states[transition.from].undoes.is_none()
    }

    /// What was completed before each state.
    pub(super) fn completed(&self) -> Vec<Before> {
        let mut before = vec![Before::Unreached; self.states.len()];
        let mut origin = vec![None; self.states.len()];
        let mut ahead = indices(self.states.len(), &|state| self.states[state].initial);
        for state in &ahead {
            before[*state] = Before::Same(Vec::new());
        }
        while let Some(from) = ahead.pop() {
            let mut after = before[from].clone();
            if let (Before::Same(steps), Some(_)) = (&mut after, self.states[from].compensation()) {
                steps.push(from);
            }
            let mut next = Vec::new();
            for transition in self.from(from) {
                if self.goes_on(transition) {
                    next.extend(&transition.to);
                }
            }
            for to in next {
                if to == from {
                    continue;
                }
                let now = match (&before[to], &after) {
                    (Before::Same(one), Before::Same(other)) if one == other => continue,
                    (Before::Same(one), Before::Same(other)) => {
                        let ways = [(origin[to], one.clone()), (Some(from), other.clone())];
                        Before::Differs(Differs { at: to, ways })
                    }
                    (Before::Differs(_), _) => continue,
                    (Before::Unreached | Before::Same(_), after) => after.clone(),
                };
                if matches!(before[to], Before::Unreached) {
                    origin[to] = Some(from);
                }
                before[to] = now;
                ahead.push(to);
            }
        }
        before
    }

    /// Where a transition with the target `undo` leads.
    pub(super) fn way_back(&self, transition: &Transition, saga: &Saga) -> Back {
        let state = &self.states[transition.from];
        if let Some(own) = state.compensation().filter(|_| self.is_undone_too(transition)) {
            return Back::To(own);
        }
        match &saga.before[state.undoes.unwrap_or(transition.from)] {
            Before::Unreached => Back::To(saga.undone),
            Before::Same(steps) => {
                Back::To(steps.last().and_then(|last| self.states[*last].compensation()).unwrap_or(saga.undone))
            }
            Before::Differs(_) => Back::Unknown,
        }
    }

    /// Whether the step that the transition leaves is undone, too, because its outcome is unknown.
    pub(crate) fn is_undone_too(&self, transition: &Transition) -> bool {
        let state = &self.states[transition.from];
        let asked = state.step.as_ref().and_then(|step| step.uncertain).is_some_and(|uncertain| uncertain.undo);
        asked && (transition.is_for_callers() || state.runtime_fires(transition.event))
    }

    /// Whether a transition is on the way back: to a state that undoes a step, or to the end of what was undone.
    pub(crate) fn leads_back(&self, transition: &Transition) -> bool {
        let Some(saga) = &self.saga else { return false };
        let back = |state: &usize| *state == saga.undone || self.states[*state].undoes.is_some();
        !transition.internal && transition.history.is_none() && transition.to.iter().all(back)
    }

    /// The `work` states that undo nothing.
    pub(crate) fn forward_work(&self) -> impl Iterator<Item = &State> {
        self.states.iter().filter(|state| state.kind == Kind::Work && state.undoes.is_none())
    }
}
