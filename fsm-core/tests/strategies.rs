//! The strategy for legal sequences of events: it generates only legal ones, and all of them.

use std::collections::BTreeSet;

use fsm_core::{
    StateMachine,
    testing::{Path, Step, paths, steps_from},
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};

/// A valve that can break permanently.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Shut | Open, derive(Clone, Debug, PartialEq))]
#[on(burst => Broken)]
enum Valve {
    #[on(turn => Open)]
    Shut,
    #[on(turn => Shut)]
    Open,
    #[state(end)]
    Broken,
}

fn event(step: Step<Valve>, _: &Valve) -> valve::Event {
    match step.event {
        valve::EventKind::Burst => valve::event::Burst.into(),
        valve::EventKind::Turn => valve::event::Turn.into(),
    }
}

fn initial(path: &Path<Valve>) -> Valve {
    if path.start == valve::State::Shut { Valve::Shut } else { Valve::Open }
}

proptest! {
    #[test]
    fn paths_are_legal_and_not_too_long(path in paths::<Valve>(6)) {
        prop_assert!(path.steps.len() <= 6);
        prop_assert_eq!(path.follow(initial(&path), event)?.state(), path.end());
    }
}

#[test]
fn every_step_and_every_start_is_generated() {
    let mut runner = TestRunner::deterministic();
    let (mut starts, mut steps) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..500 {
        let path = paths::<Valve>(6).new_tree(&mut runner).expect("no value is rejected").current();
        starts.insert(path.start);
        steps.extend(path.steps.iter().map(ToString::to_string));
    }
    let declared = valve::State::ALL.iter().flat_map(|state| steps_from::<Valve>(*state));
    assert_eq!(steps, declared.map(|step| step.to_string()).collect());
    assert_eq!(starts, BTreeSet::from([valve::State::Shut, valve::State::Open]));
}

#[test]
fn a_failing_path_shrinks_to_the_shortest() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let failure = TestRunner::new(config).run(&paths::<Valve>(12), |path| {
        prop_assert!(!path.visits(valve::State::Broken));
        Ok(())
    });
    let text = failure.expect_err("some path reaches `Broken`").to_string();
    assert!(text.contains("minimal failing input: Shut --burst--> Broken"), "{text}");
}
