//! The course to a wished-for state: what the system may do by itself from where a machine stands.

use alloc::vec::Vec;

use crate::graph::{Graph, Kind, TransitionInfo};

/// What comes next on the way to a wished-for state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// It is there.
    Arrived,
    /// This transition, which is `auto`, has no payload and one target.
    Fire(&'static TransitionInfo),
    /// The worker of its state is to move it on.
    Work,
    /// The timer of its state is to move it on, with this transition.
    Timer(&'static TransitionInfo),
    /// Somebody else has to do something.
    Blocked(Blocker),
}

/// What stands in the way to a wished-for state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocker {
    /// No way of `auto` transitions, work and timers leads there.
    NoWay,
    /// The only ways pass this transition, whose event has a payload that only its caller knows.
    Payload(&'static TransitionInfo),
    /// The only ways pass this transition, of which a `with` decides where it leads.
    Branch(&'static TransitionInfo),
}

impl Graph {
    /// What brings a machine in state `from` nearer to state `to`, with nobody's help but that of its workers and timers.
    ///
    /// A shortest way is taken, and of several ways of one length that on which there is work or a timer to wait for. In a
    /// `work` state each of its events is taken to be one that the worker may fire, to any of its targets; guards are taken to
    /// agree. An `auto` transition out of a `work` state is fired where it is the shorter way; one that is its state's timer too is
    /// not waited for.
    ///
    /// Each step that is fired is one step nearer, so that there is no circle of them.
    #[must_use]
    pub fn course(&self, from: &str, to: &str) -> NextStep {
        let free = self.steps_to(to, |transition| self.is_free(transition));
        if let Some(step) = self.next_step(from, &free, |transition| self.is_free(transition)) {
            return step;
        }
        // Whatever could be fired if somebody knew how: the first thing on the way there that nobody knows.
        let auto = self.steps_to(to, |transition| transition.auto);
        let mut here = from;
        loop {
            let Some(left) = self.left(here, &auto).filter(|left| *left > 0) else {
                return NextStep::Blocked(Blocker::NoPath);
            };
            let nearer = |name: &&str| self.left(name, &auto).is_some_and(|steps| steps < left);
            let blocked = self
                .transitions_from(here)
                .find(|transition| transition.auto && !self.is_free(transition) && transition.to.iter().any(nearer));
            if let Some(blocked) = blocked {
                let branches = blocked.to.len() > 1;
                let obstacle = if branches { Blocker::Branch(blocked) } else { Blocker::Payload(blocked) };
                return NextStep::Blocked(obstacle);
            }
            let open = |transition: &&TransitionInfo| transition.auto || self.is_waited_for(transition);
            let Some(next) = self.transitions_from(here).filter(open).flat_map(|it| it.to).find(|to| nearer(to)) else {
                return NextStep::Blocked(Blocker::NoPath);
            };
            here = next;
        }
    }

    /// How many steps of [`course`](Self::course) lead from `from` to `to`; `None` where it is blocked.
    #[must_use]
    pub fn steps_left(&self, from: &str, to: &str) -> Option<usize> {
        self.left(from, &self.steps_to(to, |transition| self.is_free(transition)))
    }

    fn next_step(
        &self,
        from: &str,
        left: &[Option<usize>],
        free: impl Fn(&TransitionInfo) -> bool,
    ) -> Option<NextStep> {
        let here = self.left(from, left)?;
        if here == 0 {
            return Some(NextStep::Arrived);
        }
        let nearer = |transition: &&'static TransitionInfo| {
            transition.to.iter().any(|to| self.left(to, left).is_some_and(|steps| steps < here))
        };
        let state = self.state(from)?;
        let timer = state.timer.map(|timer| timer.event);
        if let Some(timer) = self.transitions_from(from).filter(nearer).find(|it| timer == Some(it.event) && !free(it))
        {
            return Some(NextStep::Timer(timer));
        }
        if self.transitions_from(from).filter(nearer).any(|transition| self.is_worked_for(transition)) {
            return Some(NextStep::Work);
        }
        self.transitions_from(from).filter(nearer).find(|transition| free(transition)).map(NextStep::Fire)
    }

    /// The system can fire it: it may, it knows the payload, and it knows where it leads.
    fn is_free(&self, transition: &TransitionInfo) -> bool {
        let without_payload = self.event(transition.event).is_some_and(|event| event.fields.is_empty());
        transition.auto && transition.to.len() == 1 && without_payload
    }

    /// A worker or a timer fires it. What the system itself may fire, it does not wait for.
    fn is_waited_for(&self, transition: &TransitionInfo) -> bool {
        let timer = self.state(transition.from).and_then(|state| state.timer);
        timer.is_some_and(|timer| timer.event == transition.event) || self.is_worked_for(transition)
    }

    /// A worker fires it.
    fn is_worked_for(&self, transition: &TransitionInfo) -> bool {
        !transition.auto && self.state(transition.from).is_some_and(|state| state.kind == Kind::Work)
    }

    fn left(&self, state: &str, left: &[Option<usize>]) -> Option<usize> {
        self.states.iter().position(|info| info.name == state).and_then(|place| left[place])
    }

    /// For each state how many steps it is from `to`, by what is waited for and what `fired` says yes to.
    fn steps_to(&self, to: &str, fired: impl Fn(&TransitionInfo) -> bool) -> Vec<Option<usize>> {
        let mut left: Vec<_> = self.states.iter().map(|state| (state.name == to).then_some(0)).collect();
        // Breadth first from the end: what is found in round n is n steps away.
        for round in 0..self.states.len() {
            for (place, state) in self.states.iter().enumerate().filter(|(_, state)| state.kind != Kind::End) {
                let leads_on = left[place].is_none()
                    && self.transitions_from(state.name).any(|transition| {
                        (fired(transition) || self.is_waited_for(transition))
                            && transition.to.iter().any(|to| self.left(to, &left) == Some(round))
                    });
                if leads_on {
                    left[place] = Some(round + 1);
                }
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{EventInfo, FieldInfo, StateInfo, TimerInfo};
    use alloc::boxed::Box;
    use core::time::Duration;
    use proptest::prelude::*;

    const NAMES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];
    const EVENTS: [&str; 4] = ["go", "do", "say", "tick"];

    const fn state(name: &'static str, kind: Kind) -> StateInfo {
        StateInfo {
            name,
            doc: "",
            kind,
            initial: false,
            remove: false,
            was: &[],
            group: None,
            fields: &[],
            timer: None,
            exhausted: None,
        }
    }

    const fn on(from: &'static str, event: &'static str, to: &'static [&'static str], auto: bool) -> TransitionInfo {
        TransitionInfo { from, event, to, guarded: false, auto, doc: "" }
    }

    const fn graph(states: &'static [StateInfo], transitions: &'static [TransitionInfo]) -> Graph {
        const PAYLOAD: &[FieldInfo] = &[FieldInfo { name: "what", ty: "String" }];
        const ALL: &[EventInfo] = &[
            EventInfo { name: "go", fields: &[] },
            EventInfo { name: "do", fields: &[] },
            EventInfo { name: "say", fields: PAYLOAD },
            EventInfo { name: "tick", fields: &[] },
        ];
        Graph { machine: "M", doc: "", version: 1, context: None, states, events: ALL, transitions, groups: &[] }
    }

    #[test]
    fn it_fires_what_it_may_and_waits_for_work_and_timers() {
        const TIMER: Option<TimerInfo> = Some(TimerInfo { after: Duration::from_secs(1), event: "tick" });
        const MACHINE: Graph = graph(
            &[
                state("A", Kind::Rest),
                state("B", Kind::Work),
                StateInfo { timer: TIMER, ..state("C", Kind::Rest) },
                state("D", Kind::End),
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
        assert_eq!(MACHINE.next_step("B", "A"), NextStep::Work, "the same length: the work goes on");
        assert_eq!(MACHINE.next_step("C", "D"), NextStep::Timer(&MACHINE.transitions[3]));
        assert_eq!(MACHINE.next_step("D", "D"), NextStep::Arrived);
        assert_eq!(MACHINE.next_step("D", "A"), NextStep::Blocked(Blocker::NoPath));
        assert_eq!(MACHINE.steps_left("A", "D"), Some(3));
        assert_eq!((MACHINE.steps_left("D", "A"), MACHINE.steps_left("?", "A")), (None, None));
    }

    #[test]
    fn work_is_broken_off_where_that_is_shorter() {
        const MACHINE: Graph = graph(
            &[state("A", Kind::Work), state("B", Kind::Rest), state("C", Kind::End)],
            &[on("A", "go", &["B"], false), on("B", "go", &["C"], true), on("A", "do", &["C"], true)],
        );
        assert_eq!(MACHINE.next_step("A", "C"), NextStep::Fire(&MACHINE.transitions[2]));
        assert_eq!(MACHINE.next_step("A", "B"), NextStep::Work);
    }

    #[test]
    fn a_timer_that_may_be_fired_is_fired_and_is_no_work() {
        const TIMER: Option<TimerInfo> = Some(TimerInfo { after: Duration::from_secs(1), event: "tick" });
        const MACHINE: Graph = graph(
            &[
                StateInfo { timer: TIMER, ..state("A", Kind::Rest) },
                state("B", Kind::Rest),
                StateInfo { timer: TIMER, ..state("C", Kind::Rest) },
                StateInfo { timer: TIMER, ..state("D", Kind::Work) },
                state("E", Kind::End),
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
    fn it_says_what_stands_in_the_way() {
        const MACHINE: Graph = graph(
            &[state("A", Kind::Rest), state("B", Kind::Rest), state("C", Kind::Rest), state("D", Kind::Rest)],
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

    fn any_graph() -> impl Strategy<Value = Graph> {
        let kind = prop_oneof![3 => Just(Kind::Rest), 2 => Just(Kind::Work), 1 => Just(Kind::End)];
        let states = proptest::collection::vec((kind, any::<bool>()), NAMES.len());
        let to = proptest::sample::subsequence(&NAMES[..], 1..=2);
        let transition = (0..NAMES.len(), proptest::sample::select(&EVENTS[..]), to, any::<bool>());
        (states, proptest::collection::vec(transition, 0..16)).prop_map(|(states, transitions)| {
            let timer = Some(TimerInfo { after: Duration::from_secs(1), event: "tick" });
            let states = states
                .into_iter()
                .zip(NAMES)
                .map(|((kind, timed), name)| StateInfo { timer: timer.filter(|_| timed), ..state(name, kind) });
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
        fn what_is_fired_is_auto_and_one_step_nearer(machine in any_graph(), from in 0..6_usize, to in 0..6_usize) {
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
                prop_assert!(fired < NAMES.len(), "a circle");
            }
        }

        #[test]
        fn what_is_waited_for_can_come_and_a_block_is_no_way(machine in any_graph(), from in 0..6_usize, to in 0..6_usize) {
            let (here, goal) = (NAMES[from], NAMES[to]);
            let left = machine.steps_left(here, goal);
            match machine.next_step(here, goal) {
                NextStep::Arrived => prop_assert_eq!(here, goal),
                NextStep::Work => prop_assert_eq!(machine.state(here).map(|state| state.kind), Some(Kind::Work)),
                NextStep::Timer(timer) => {
                    let armed = machine.state(here).and_then(|state| state.timer).map(|timer| timer.event);
                    prop_assert_eq!(armed, Some(timer.event));
                }
                NextStep::Fire(_) => {}
                NextStep::Blocked(obstacle) => {
                    prop_assert_eq!(left, None);
                    if let Blocker::Payload(it) | Blocker::Branch(it) = obstacle {
                        prop_assert!(it.auto && (it.to.len() > 1 || it.event == "say"));
                    }
                }
            }
            prop_assert_eq!(matches!(machine.next_step(here, goal), NextStep::Blocked(_)), left.is_none());
        }
    }
}
