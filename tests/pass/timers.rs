//! Timers: a literal or a constant, a payload made by the user's own code.

use fsm_core::StateMachine;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);

fn why() -> String {
    "too slow".into()
}

/// A request.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Open, derive(Clone, Debug, PartialEq), version = 3)]
pub enum Request {
    /// Waits for an answer.
    #[on(answer => Done)]
    #[on(expire { reason: String, code: Option<u8> } => Failed)]
    #[after(PATIENCE, expire { reason: why(), code: Some(u8::MAX) })]
    Open,
    /// Failed for now.
    #[on(retry => Open)]
    #[after("1h 30m", retry)]
    #[state(name = "FAILED-NOW", was = "Broken", was = "Dead")]
    Failed {
        /// Why.
        reason: String,
    },
    /// Answered.
    #[state(end)]
    Done,
}

#[test]
fn timers_are_in_the_graph_and_make_their_event() {
    let graph = Request::GRAPH;
    assert_eq!(graph.version, 3);
    assert_eq!(graph.state("Open").unwrap().timer.unwrap().after, PATIENCE);
    let failed = graph.state_was("Dead").unwrap();
    assert_eq!((failed.name, failed.timer.unwrap().event), ("FAILED-NOW", "retry"));
    let event = Request::Open.timer_event().unwrap();
    assert_eq!(event.kind(), request::EventKind::Expire);
    let failed = Request::Open.apply(event).unwrap();
    assert_eq!(failed, Request::Failed { reason: "too slow".into() });
    assert_eq!(failed.timer_event(), Some(request::event::Retry.into()));
    assert_eq!(Request::Done.timer_event(), None);
}
