//! The strategy for legal sequences of events: what it makes is legal, and all that is legal is made.

use std::collections::BTreeSet;

use fsm_core::{
    StateMachine,
    testing::{Path, Step, steps_from, ways},
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};

/// A valve that can break for good.
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

fn event(leg: Step<Valve>, _: &Valve) -> valve::Event {
    match leg.event {
        valve::EventKind::Burst => valve::event::Burst.into(),
        valve::EventKind::Turn => valve::event::Turn.into(),
    }
}

fn born(way: &Path<Valve>) -> Valve {
    if way.start == valve::State::Shut { Valve::Shut } else { Valve::Open }
}

proptest! {
    #[test]
    fn each_way_is_legal_and_no_longer_than_asked(way in ways::<Valve>(6)) {
        prop_assert!(way.steps.len() <= 6);
        prop_assert_eq!(way.follow(born(&way), event)?.state(), way.end());
    }
}

#[test]
fn every_leg_and_every_start_comes_up() {
    let mut runner = TestRunner::deterministic();
    let (mut starts, mut legs) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..500 {
        let way = ways::<Valve>(6).new_tree(&mut runner).expect("nothing is filtered").current();
        starts.insert(way.start);
        legs.extend(way.steps.iter().map(ToString::to_string));
    }
    let declared = valve::State::ALL.iter().flat_map(|state| steps_from::<Valve>(*state));
    assert_eq!(legs, declared.map(|leg| leg.to_string()).collect());
    assert_eq!(starts, BTreeSet::from([valve::State::Shut, valve::State::Open]));
}

#[test]
fn a_failing_way_shrinks_to_the_shortest() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let failure = TestRunner::new(config).run(&ways::<Valve>(12), |way| {
        prop_assert!(!way.visits(valve::State::Broken));
        Ok(())
    });
    let text = failure.expect_err("some way breaks it").to_string();
    assert!(text.contains("minimal failing input: Shut --burst--> Broken"), "{text}");
}
