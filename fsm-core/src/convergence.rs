//! The next step toward a desired state: what the runtime may do by itself from a given state.

use alloc::vec::Vec;

use crate::graph::{Graph, StateKind, TransitionInfo};

/// What happens next toward a desired state, as [`Graph::next_step`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextStep {
    /// The machine is in the desired state.
    Arrived,
    /// Fire this transition: it is `auto`, has no payload, and one target or a history as its target.
    Fire(&'static TransitionInfo),
    /// Wait for the worker of the current state.
    Work,
    /// Wait for a timer of the current state, which fires this transition.
    Timer(&'static TransitionInfo),
    /// The desired state cannot be reached without outside help.
    Blocked(Blocker),
}

/// Why a desired state cannot be reached without outside help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocker {
    /// No path of `auto` transitions, work and timers leads there.
    NoPath,
    /// Every path contains this transition, whose event has a payload that only a caller can supply.
    Payload(&'static TransitionInfo),
    /// Every path contains this transition, whose target is chosen by a `with` function.
    Branch(&'static TransitionInfo),
}

impl Graph {
    /// The next step that brings a machine from state `from` closer to state `to` without outside help.
    ///
    /// It lies on a shortest path. Among paths of equal length, one that waits for work or for a timer is preferred. A worker
    /// is assumed to be able to fire each event of its state, toward any of its targets; guards are assumed to pass. An
    /// `auto` transition out of a `work` state is fired if that path is shorter. An `auto` transition that is also its state's
    /// timer is fired, not waited for. The distance of a history transition is that of its farthest target that can
    /// still reach the desired state.
    ///
    /// Each fired transition reduces [`steps_left`](Self::steps_left), so repeated calls cannot loop.
    #[must_use]
    #[inline]
    pub fn next_step(&self, from: &str, to: &str) -> NextStep {
        let distances = self.distances(to, |transition| self.is_fireable(transition));
        match self.step_closer(from, &distances) {
            Some(step) => step,
            None => NextStep::Blocked(self.blocker(from, to)),
        }
    }

    /// The number of steps that [`next_step`](Self::next_step) takes from `from` to `to`; `None` if it is blocked.
    #[must_use]
    #[inline]
    pub fn steps_left(&self, from: &str, to: &str) -> Option<usize> {
        self.distance(from, &self.distances(to, |transition| self.is_fireable(transition)))
    }

    #[inline]
    fn step_closer(&self, from: &str, distances: &[Option<usize>]) -> Option<NextStep> {
        let here = self.distance(from, distances)?;
        if here == 0 {
            return Some(NextStep::Arrived);
        }
        let closer = |transition: &&'static TransitionInfo| {
            transition.to.iter().any(|to| self.distance(to, distances).is_some_and(|steps| steps < here))
        };
        let state = self.state(from)?;
        let is_timer =
            |transition: &&TransitionInfo| state.timer(transition.event).is_some() && !self.is_fireable(transition);
        if let Some(transition) = self.transitions_from(from).filter(closer).find(is_timer) {
            return Some(NextStep::Timer(transition));
        }
        if self.transitions_from(from).filter(closer).any(|transition| self.is_work(transition)) {
            return Some(NextStep::Work);
        }
        self.transitions_from(from).filter(closer).find(|transition| self.is_fireable(transition)).map(NextStep::Fire)
    }

    /// The first `auto` transition on a path to `to` that cannot be fired without help.
    #[inline]
    fn blocker(&self, from: &str, to: &str) -> Blocker {
        let distances = self.distances(to, |transition| transition.auto);
        let mut here = from;
        loop {
            let Some(left) = self.distance(here, &distances).filter(|left| *left > 0) else {
                return Blocker::NoPath;
            };
            let closer = |name: &&str| self.distance(name, &distances).is_some_and(|steps| steps < left);
            let blocked = self.transitions_from(here).find(|transition| {
                transition.auto && !self.is_fireable(transition) && transition.to.iter().any(closer)
            });
            if let Some(blocked) = blocked {
                let branches = blocked.to.len() > 1 && blocked.history.is_none();
                return if branches { Blocker::Branch(blocked) } else { Blocker::Payload(blocked) };
            }
            let open = |transition: &&TransitionInfo| transition.auto || self.is_awaited(transition);
            let Some(next) = self.transitions_from(here).filter(open).flat_map(|it| it.to).find(|to| closer(to)) else {
                return Blocker::NoPath;
            };
            here = next;
        }
    }

    /// Whether the runtime can fire it: it is `auto`, and its payload and target are known.
    #[inline]
    fn is_fireable(&self, transition: &TransitionInfo) -> bool {
        let without_payload = self.event(transition.event).is_some_and(|event| event.fields.is_empty());
        let one_target = transition.to.len() == 1 || transition.history.is_some();
        transition.auto && one_target && without_payload
    }

    /// Whether a worker or a timer fires it.
    #[inline]
    fn is_awaited(&self, transition: &TransitionInfo) -> bool {
        let timed = self.state(transition.from).is_some_and(|state| state.timer(transition.event).is_some());
        timed || self.is_work(transition)
    }

    /// Whether a worker fires it. An `auto` transition is not left to the worker.
    #[inline]
    fn is_work(&self, transition: &TransitionInfo) -> bool {
        !transition.auto && self.state(transition.from).is_some_and(|state| state.kind == StateKind::Work)
    }

    #[inline]
    fn distance(&self, state: &str, distances: &[Option<usize>]) -> Option<usize> {
        self.states.iter().position(|info| info.name == state).and_then(|place| distances[place])
    }

    /// For each state its distance from `to`, over awaited transitions and those that `fired` accepts.
    #[inline]
    fn distances(&self, to: &str, fired: impl Fn(&TransitionInfo) -> bool) -> Vec<Option<usize>> {
        let mut distances: Vec<_> = self.states.iter().map(|state| (state.name == to).then_some(0)).collect();
        // Breadth first from the target: round n finds the states at distance n + 1.
        for round in 0..self.states.len() {
            for (place, state) in self.states.iter().enumerate().filter(|(_, state)| state.kind != StateKind::End) {
                let found = distances[place].is_none()
                    && self.transitions_from(state.name).any(|transition| {
                        (fired(transition) || self.is_awaited(transition))
                            && !leads_back(transition)
                            && transition.to.iter().any(|to| self.distance(to, &distances) == Some(round))
                    });
                if found {
                    distances[place] = Some(round + 1);
                }
            }
        }
        // Which state of a history is next depends on the instance, so it counts as the farthest. No path leads through a history: it
        // would only return to where it was.
        (self.states.iter().enumerate())
            .map(|(place, state)| {
                let open = |transition: &&TransitionInfo| fired(transition) || self.is_awaited(transition);
                let backs = self.transitions_from(state.name).filter(|transition| leads_back(transition)).filter(open);
                let farthest =
                    |back: &TransitionInfo| back.to.iter().filter_map(|to| self.distance(to, &distances)).max();
                let steps = backs.filter_map(|back| Some(farthest(back)? + 1));
                distances[place].into_iter().chain(steps).min()
            })
            .collect()
    }
}

/// Whether the transition leads to a history that can be several states.
#[inline]
fn leads_back(transition: &TransitionInfo) -> bool {
    transition.history.is_some() && transition.to.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{EventInfo, FieldInfo, HistoryInfo, StateInfo, TimerInfo};
    use alloc::boxed::Box;
    use core::time::Duration;
    use proptest::prelude::*;

    const NAMES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];
    const EVENTS: [&str; 4] = ["go", "do", "say", "tick"];

    const TIMERS: &[TimerInfo] = &[TimerInfo::new(Duration::from_secs(1), "tick")];

    const fn state(name: &'static str, kind: StateKind) -> StateInfo {
        StateInfo::new(name).with_kind(kind)
    }

    const fn on(from: &'static str, event: &'static str, to: &'static [&'static str], auto: bool) -> TransitionInfo {
        TransitionInfo::new(from, event, to).with_auto(auto)
    }

    const fn graph(states: &'static [StateInfo], transitions: &'static [TransitionInfo]) -> Graph {
        const ALL: &[EventInfo] = &[
            EventInfo::new("go"),
            EventInfo::new("do"),
            EventInfo::new("say").with_fields(&[FieldInfo::new("what", "String")]),
            EventInfo::new("tick"),
        ];
        Graph::new("M").with_states(states).with_events(ALL).with_transitions(transitions)
    }

    #[test]
    fn auto_transitions_fire_and_work_and_timers_are_awaited() {
        const MACHINE: Graph = graph(
            &[
                state("A", StateKind::Rest),
                state("B", StateKind::Work),
                state("C", StateKind::Rest).with_timers(TIMERS),
                state("D", StateKind::End),
            ],
            &[
                on("A", "go", &["B"], true),
                on("B", "say", &["C", "A"], false),
                on("B", "go", &["A"], true),
                on("C", "tick", &["D"], false),
            ],
        );
        assert_eq!(MACHINE.next_step("A", "D"), NextStep::Fire(&MACHINE.transitions[0]));
        assert_eq!(MACHINE.next_step("B", "D"), NextStep::Work);
        assert_eq!(MACHINE.next_step("B", "A"), NextStep::Work, "of equal length: the work is not interrupted");
        assert_eq!(MACHINE.next_step("C", "D"), NextStep::Timer(&MACHINE.transitions[3]));
        assert_eq!(MACHINE.next_step("D", "D"), NextStep::Arrived);
        assert_eq!(MACHINE.next_step("D", "A"), NextStep::Blocked(Blocker::NoPath));
        assert_eq!(MACHINE.steps_left("A", "D"), Some(3));
        assert_eq!((MACHINE.steps_left("D", "A"), MACHINE.steps_left("?", "A")), (None, None));
    }

    #[test]
    fn work_is_interrupted_if_that_path_is_shorter() {
        const MACHINE: Graph = graph(
            &[state("A", StateKind::Work), state("B", StateKind::Rest), state("C", StateKind::End)],
            &[on("A", "go", &["B"], false), on("B", "go", &["C"], true), on("A", "do", &["C"], true)],
        );
        assert_eq!(MACHINE.next_step("A", "C"), NextStep::Fire(&MACHINE.transitions[2]));
        assert_eq!(MACHINE.next_step("A", "B"), NextStep::Work);
    }

    #[test]
    fn an_auto_timer_is_fired_instead_of_awaited() {
        const MACHINE: Graph = graph(
            &[
                state("A", StateKind::Rest).with_timers(TIMERS),
                state("B", StateKind::Rest),
                state("C", StateKind::Rest).with_timers(TIMERS),
                state("D", StateKind::Work).with_timers(TIMERS),
                state("E", StateKind::End),
            ],
            &[
                on("A", "tick", &["B"], true),
                on("B", "go", &["C"], true),
                on("C", "tick", &["D"], false),
                on("D", "tick", &["E"], true),
            ],
        );
        assert_eq!(MACHINE.next_step("A", "D"), NextStep::Fire(&MACHINE.transitions[0]));
        assert_eq!(MACHINE.next_step("C", "D"), NextStep::Timer(&MACHINE.transitions[2]));
        assert_eq!(MACHINE.next_step("D", "E"), NextStep::Fire(&MACHINE.transitions[3]));
    }

    #[test]
    fn a_blocked_step_names_its_blocker() {
        const MACHINE: Graph = graph(
            &[
                state("A", StateKind::Rest),
                state("B", StateKind::Rest),
                state("C", StateKind::Rest),
                state("D", StateKind::Rest),
            ],
            &[
                on("A", "go", &["B"], true),
                on("B", "say", &["C"], true),
                on("C", "do", &["D", "A"], true),
                on("D", "go", &["A"], false),
            ],
        );
        assert_eq!(MACHINE.next_step("A", "C"), NextStep::Blocked(Blocker::Payload(&MACHINE.transitions[1])));
        assert_eq!(MACHINE.next_step("C", "D"), NextStep::Blocked(Blocker::Branch(&MACHINE.transitions[2])));
        assert_eq!(MACHINE.next_step("D", "A"), NextStep::Blocked(Blocker::NoPath));
        assert_eq!(MACHINE.next_step("A", "nowhere"), NextStep::Blocked(Blocker::NoPath));
    }

    #[test]
    fn a_history_leads_on_from_what_was_left() {
        const MACHINE: Graph = graph(
            &[
                state("A", StateKind::Rest).with_group("G"),
                state("B", StateKind::Rest).with_group("G"),
                state("C", StateKind::Rest).with_group("G"),
                state("D", StateKind::Rest),
                state("E", StateKind::End),
            ],
            &[
                on("A", "go", &["B"], true),
                on("B", "go", &["E"], true),
                on("A", "do", &["D"], true),
                on("B", "do", &["D"], true),
                on("C", "do", &["D"], true),
                on("D", "go", &["A", "B", "C"], true).with_history(HistoryInfo::new("G")),
            ],
        );
        assert_eq!(MACHINE.next_step("D", "E"), NextStep::Fire(&MACHINE.transitions[5]));
        assert_eq!(MACHINE.steps_left("D", "E"), Some(3), "as far as the farthest from which a path leads on");
        assert_eq!(MACHINE.next_step("A", "E"), NextStep::Fire(&MACHINE.transitions[0]), "not through the history");
        assert_eq!(MACHINE.next_step("C", "E"), NextStep::Blocked(Blocker::NoPath), "the history only leads back");
        assert_eq!(MACHINE.next_step("C", "D"), NextStep::Fire(&MACHINE.transitions[4]));
    }

    fn any_graph() -> impl Strategy<Value = Graph> {
        let kind = prop_oneof![3 => Just(StateKind::Rest), 2 => Just(StateKind::Work), 1 => Just(StateKind::End)];
        let states = proptest::collection::vec((kind, any::<bool>()), NAMES.len());
        let to = proptest::sample::subsequence(&NAMES[..], 1..=2);
        let transition = (0..NAMES.len(), proptest::sample::select(&EVENTS[..]), to, any::<bool>());
        (states, proptest::collection::vec(transition, 0..16)).prop_map(|(states, transitions)| {
            let states = states.into_iter().zip(NAMES).map(|((kind, timed), name)| StateInfo {
                timers: if timed { TIMERS } else { &[] },
                ..state(name, kind)
            });
            let mut list: Vec<TransitionInfo> = Vec::new();
            for (from, event, to, auto) in transitions {
                if !list.iter().any(|it| it.from == NAMES[from] && it.event == event) {
                    list.push(on(NAMES[from], event, Box::leak(to.into_boxed_slice()), auto));
                }
            }
            let states: Vec<_> = states.collect();
            graph(Box::leak(states.into_boxed_slice()), Box::leak(list.into_boxed_slice()))
        })
    }

    proptest! {
        #[test]
        fn fired_transitions_are_auto_and_lead_closer(machine in any_graph(), from in 0..6_usize, to in 0..6_usize) {
            let (mut here, goal) = (NAMES[from], NAMES[to]);
            let mut fired = 0;
            while let NextStep::Fire(transition) = machine.next_step(here, goal) {
                prop_assert!(transition.auto && transition.from == here);
                prop_assert_eq!(transition.to.len(), 1);
                prop_assert!(machine.event(transition.event).is_some_and(|event| event.fields.is_empty()));
                let (before, after) = (machine.steps_left(here, goal), machine.steps_left(transition.to[0], goal));
                prop_assert!(after.is_some() && after < before, "{:?} -> {:?}", before, after);
                here = transition.to[0];
                fired += 1;
                prop_assert!(fired < NAMES.len(), "a loop");
            }
        }

        #[test]
        fn awaited_steps_can_happen_and_blocked_has_no_distance(machine in any_graph(), from in 0..6_usize, to in 0..6_usize) {
            let (here, goal) = (NAMES[from], NAMES[to]);
            let left = machine.steps_left(here, goal);
            match machine.next_step(here, goal) {
                NextStep::Arrived => prop_assert_eq!(here, goal),
                NextStep::Work => prop_assert_eq!(machine.state(here).map(|state| state.kind), Some(StateKind::Work)),
                NextStep::Timer(timer) => {
                    let armed = machine.state(here).and_then(|state| state.timer(timer.event));
                    prop_assert!(armed.is_some());
                }
                NextStep::Fire(_) => {}
                NextStep::Blocked(blocker) => {
                    prop_assert_eq!(left, None);
                    if let Blocker::Payload(it) | Blocker::Branch(it) = blocker {
                        prop_assert!(it.auto && (it.to.len() > 1 || it.event == "say"));
                    }
                }
            }
            prop_assert_eq!(matches!(machine.next_step(here, goal), NextStep::Blocked(_)), left.is_none());
        }
    }
}
