//! Resolves the steps of a saga and what undoes them, and then the target `undo`.

use super::{Resolver, requires_work};
use crate::{
    model::{Kind, Saga, Step, plain, saga::Back},
    parse::{self, StateOptions},
};

impl Resolver<'_> {
    pub(super) fn saga(&mut self, saga: Option<parse::Saga>) {
        let Some(parse::Saga { span, undone }) = saga else { return };
        if let Some(state) = self.state(&undone) {
            self.machine.saga = Some(Saga { span, undone: state, known: false, before: Vec::new() });
            if self.machine.states[state].kind != Kind::End {
                let name = plain(&undone);
                let message = format!(
                    "`{name}` is the `undone` state of the saga: mark it as an end state, `#[state(end)]`, or name another state"
                );
                self.errors.at(&undone, message);
            }
        }
    }

    /// Resolves `undo` and `uncertain` of a state.
    pub(super) fn step(&mut self, state: usize, options: &mut StateOptions) {
        let (undo, uncertain) = (options.undo.take(), options.uncertain.take());
        let Some(undo) = undo else {
            if let Some(uncertain) = uncertain {
                let message = "`uncertain` requires a step of a saga: add `undo = State`, or remove `uncertain`";
                self.errors.at_span(uncertain.span, message);
            }
            return;
        };
        let name = plain(&self.machine.states[state].ident);
        if self.machine.states[state].kind != Kind::Work {
            self.errors.at_span(undo.span, requires_work("undo", &name));
        }
        if let (Some(uncertain), None) = (uncertain, &undo.by) {
            let message =
                format!("`{name}` has nothing to undo, `undo = none`: name what undoes it, or remove `uncertain`");
            self.errors.at_span(uncertain.span, message);
        }
        if self.machine.saga.is_none() && self.machine.complete {
            self.errors.at_span(undo.span, requires_saga("undo"));
            self.machine.complete = false;
        }
        let by = undo.by.as_ref().and_then(|by| Some((by, self.state(by)?)));
        if let Some((ident, by)) = by {
            let undoes = self.machine.states[by].undoes;
            let other = plain(ident);
            let message = if by == state {
                Some(format!("`{name}` cannot undo itself: name a state that undoes it, or write `undo = none`"))
            } else if self.machine.saga.as_ref().is_some_and(|saga| saga.undone == by) {
                Some(format!(
                    "`{other}` is the `undone` state of the saga: name a `work` state that undoes `{name}`, or write `undo = none`"
                ))
            } else if self.machine.states[by].kind != Kind::Work {
                Some(format!("`{other}` undoes `{name}`, so it needs a worker: mark it as `#[state(work)]`"))
            } else {
                undoes.map(|step| {
                    let step = plain(&self.machine.states[step].ident);
                    format!(
                        "`{other}` already undoes `{step}`, and a state can undo only one step: declare another state for `{name}`"
                    )
                })
            };
            if let Some(message) = message {
                self.errors.at(ident, message);
                self.machine.complete = false;
            } else {
                self.machine.states[by].undoes = Some(state);
            }
        }
        let undo_by = by.map(|(_, by)| by).filter(|by| self.machine.states[*by].undoes == Some(state));
        self.machine.states[state].step = Some(Step { span: undo.span, undo: undo_by, uncertain });
    }

    /// Resolves each target `undo`. What cannot be resolved is reported by the checks.
    pub(super) fn ways_back(&mut self) {
        let Some(mut saga) = self.machine.saga.take() else { return };
        (saga.known, saga.before) = (self.machine.complete, self.machine.completed());
        for place in 0..self.machine.transitions.len() {
            let transition = &self.machine.transitions[place];
            if transition.undo.is_none() {
                continue;
            }
            if let Back::To(state) = self.machine.way_back(transition, &saga) {
                self.machine.transitions[place].to = vec![state];
            } else {
                self.machine.transitions[place].complete = false;
                self.machine.complete = false;
            }
        }
        self.machine.saga = Some(saga);
    }
}

/// The message for what only a saga has.
pub(super) fn requires_saga(what: &str) -> String {
    format!(
        "`{what}` requires a saga: add `saga(undone = State)` to `#[fsm(…)]`, with the end state of what was undone, or remove `{what}`"
    )
}
