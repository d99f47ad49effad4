//! Timers: a literal or a constant, a payload made by the user's own code.

use fsm_core::{StateMachine, Timer, TimerDelay, TimerInfo};
use std::time::{Duration, SystemTime};

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
    assert_eq!(blinker::Any::from(Blinker::On).timers(), [Timer::new(event.into(), PATIENCE)]);
    assert_eq!(Blinker::GRAPH.states[0].timers, [TimerInfo::new(PATIENCE, "flip")]);
}

#[test]
fn timers_are_in_the_graph_and_fire_their_event() {
    let graph = Request::GRAPH;
    assert_eq!(graph.version, 3);
    assert_eq!(graph.state("Open").unwrap().timers, [TimerInfo::new(PATIENCE, "expire")]);
    let failed = graph.state_was("Dead").unwrap();
    assert_eq!((failed.name, failed.timers[0].event), ("FAILED-NOW", "retry"));
    let event = request::Any::from(Request::Open).timers().remove(0).event;
    assert_eq!(event.kind(), request::EventKind::Expire);
    let failed = Request::Open.apply(event).unwrap();
    assert_eq!(failed, Request::Failed { reason: "too slow".into() });
    let timers = request::Any::from(failed).timers();
    assert_eq!(timers, [Timer::new(request::event::Retry.into(), Duration::from_mins(90))]);
    assert_eq!(request::Any::from(Request::Done).timers(), []);
}

/// A session of a protocol, with delays from its data and from the context.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Open, derive(Clone, Debug, PartialEq), context = Limits)]
pub enum Session {
    /// In use.
    #[on(touch => _, rewind = idle)]
    #[on(idle | end => Closed)]
    #[on(ping { note: String } => _, rewind = [idle, ping])]
    #[after(|session, _| session.patience, idle)]
    #[after(|_, limits| limits.longest, end)]
    #[after(|session: &session::Open, _: &Limits| -> Duration { session.patience / 3 }, ping { note: why() })]
    Open {
        /// How long it may be unused.
        patience: Duration,
    },
    /// Closed.
    #[state(end)]
    Closed,
}

/// The limits of all sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The longest session; `None` for no limit.
    pub longest: Option<Duration>,
}

#[test]
fn delays_are_computed_from_data_and_context() {
    let open = |longest| session::Machine::new(session::Open { patience: PATIENCE }, Limits { longest });
    let idle = Timer::new(session::event::Idle.into(), PATIENCE);
    let ping = Timer::new(session::event::Ping { note: why() }.into(), PATIENCE / 3);
    assert_eq!(session::Any::from(open(None)).timers(), [idle.clone(), ping.clone()], "no timer without a limit");
    let end = Timer::new(session::event::End.into(), Duration::MAX);
    assert_eq!(session::Any::from(open(Some(Duration::MAX))).timers(), [idle, end, ping]);
}

#[test]
fn the_graph_has_the_delays_and_the_rewound_timers() {
    let open = Session::GRAPH.state("Open").unwrap();
    let delays: Vec<_> = open.timers.iter().map(|timer| (timer.event, timer.delay.to_string())).collect();
    let expected = [("idle", "after session.patience"), ("end", "after limits.longest"), ("ping", "after closure")];
    assert_eq!(delays, expected.map(|(event, delay)| (event, delay.to_owned())));
    assert_eq!(open.timer("idle").unwrap().delay, TimerDelay::Computed("session.patience"));
    assert_eq!(open.timer("touch"), None);
    assert_eq!(Session::GRAPH.transition("Open", "touch").unwrap().rewinds, ["idle"]);
    assert_eq!(Session::GRAPH.transition("Open", "ping").unwrap().rewinds, ["idle", "ping"]);
    let mermaid = Session::GRAPH.mermaid().to_string();
    for arrow in [
        "Open --> Closed : idle (after session.patience)",
        "Open --> Open : touch (stays) (rewinds idle)",
        "Open --> Open : ping (stays) (after closure) (rewinds idle, ping)",
    ] {
        assert!(mermaid.contains(arrow), "{arrow} in {mermaid}");
    }
    assert!(Session::GRAPH.table().to_string().contains("| `Open` | `touch` | stays | rewinds `idle` |"));
    let scxml = Session::GRAPH.scxml().to_string();
    assert!(scxml.contains(r#"event="idle" target="Closed" fsm:after="session.patience""#), "{scxml}");
    assert!(Session::GRAPH.xstate_json().to_string().contains(r#""after":{"idle":{"target""#));
}

/// A coupon, with a deadline.
#[derive(StateMachine)]
#[fsm(initial = Valid, durable, derive(serde::Serialize, serde::Deserialize))]
pub enum Coupon {
    /// Can be used.
    #[on(use_up | lapse => Ended)]
    #[at(|coupon| coupon.until, lapse)]
    Valid {
        /// When it ends.
        until: SystemTime,
    },
    /// Used, or too old.
    #[state(end)]
    Ended,
}

#[test]
fn the_time_left_of_a_deadline_is_never_negative() {
    let until = SystemTime::UNIX_EPOCH + PATIENCE;
    let coupon = || coupon::Any::from(coupon::Machine::new(coupon::Valid { until }));
    let clock = fsm_runtime::clock::ManualClock::new(SystemTime::UNIX_EPOCH);
    clock.clock().scope(|| assert_eq!(coupon().timers()[0].after, PATIENCE));
    clock.advance(2 * PATIENCE);
    clock.clock().scope(|| assert_eq!(coupon().timers()[0].after, Duration::ZERO));
    assert_eq!(Coupon::GRAPH.states[0].timers, [TimerInfo::at("coupon.until", "lapse")]);
}
