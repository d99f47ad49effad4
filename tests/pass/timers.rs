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

/// All sorts of expressions, with commas of their own.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = On, derive(Clone, Debug, PartialEq))]
pub enum Blinker {
    /// Lit.
    #[on(flip { by: Option<u8>, times: [u8; 2], note: String, sizes: Vec<(u8, u8)>, last: u8 } => Off)]
    #[after(if cfg!(test) { PATIENCE } else { Duration::from_secs(1) }, flip {
        by: Some(3).map(|count: u8| count + 1),
        times: [1, 2],
        note: match why().len() { 0 => String::new(), more => format!("{more}, {}", 2 << 1) },
        sizes: std::iter::zip::<[u8; 2], [u8; 2]>([1, 2], [3, 4]).collect::<Vec<(u8, u8)>>(),
        last: { let mut last = 0; for next in 0..3 { last = next; } last },
    })]
    On,
    /// Dark.
    #[on(flip => Off)]
    Off,
}

#[test]
fn a_payload_is_made_by_any_expression() {
    let event = blinker::event::Flip {
        by: Some(4),
        times: [1, 2],
        note: "8, 4".to_owned(),
        sizes: vec![(1, 3), (2, 4)],
        last: 2,
    };
    assert_eq!(Blinker::On.timer_event(), Some(event.into()));
    assert_eq!(Blinker::GRAPH.states[0].timer.map(|timer| timer.after), Some(PATIENCE));
}

#[test]
fn timers_are_in_the_graph_and_fire_their_event() {
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
