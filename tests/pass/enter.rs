//! `#[state(enter = path)]`: run whenever the state is entered, and only then.

use fsm_core::{Graph, StateMachine};

/// What all states share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    entered: u32,
}

/// A call that counts its visits.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Idle, context = Totals, derive(Clone, Debug, PartialEq))]
pub enum Call {
    #[state(enter = idle)]
    #[on(dial { number: String } => Ringing)]
    Idle { visits: u32 },
    #[state(enter = ringing)]
    #[on(redial => Self)]
    #[on(note { number: String } => _)]
    #[on(answer { loud: bool } => Talking | Idle, guard = is_known, with = answer)]
    Ringing { number: String, visits: u32 },
    #[on(hang_up => Idle)]
    Talking { visits: u32 },
}

fn idle(idle: &mut call::Idle, totals: &mut Totals) {
    idle.visits += 1;
    totals.entered += 1;
}

fn ringing(ringing: &mut call::Ringing, totals: &mut Totals) {
    ringing.visits += 10;
    totals.entered += 1;
}

fn is_known(ringing: &call::Ringing, _: &call::event::Answer, _: &Totals) -> Result<(), &'static str> {
    if ringing.number.is_empty() { Err("the number is unknown") } else { Ok(()) }
}

fn answer(ringing: call::Ringing, event: call::event::Answer, _: &mut Totals) -> call::choice::RingingAnswer {
    let visits = ringing.visits;
    if event.loud { call::Idle { visits }.into() } else { call::Talking { visits }.into() }
}

/// A closure, without a context.
#[derive(StateMachine)]
#[fsm(initial = Off)]
pub enum Fan {
    #[on(push => On)]
    Off { rounds: u8 },
    #[state(enter = |fan| fan.rounds += 1)]
    #[on(push => Off)]
    On { rounds: u8 },
}

#[test]
fn enter_can_be_a_closure() {
    let on = fan::Machine::new(fan::Off { rounds: 1 }).push();
    assert_eq!(on.rounds, 2);
    assert_eq!(Fan::GRAPH.states[1].enter, Some("closure"));
}

/// A machine without data but in one state, and without a context.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Off, derive(Clone, Debug, PartialEq))]
pub enum Lamp {
    #[on(push => On, with = on)]
    Off,
    #[state(enter = shine)]
    #[on(push => Off)]
    On(u8),
}

fn on(_: lamp::Off, _: lamp::event::Push) -> lamp::On {
    lamp::On(0)
}

fn shine(on: &mut lamp::On) {
    on.0 = 100;
}

#[test]
fn enter_runs_on_creation_and_on_each_entry() {
    let idle = call::Machine::new(call::Idle { visits: 0 }, Totals::default());
    assert_eq!((idle.visits, idle.context().entered), (1, 1));
    let ringing = idle.dial("1".into());
    assert_eq!((ringing.visits, ringing.context().entered), (11, 2));
    let noted = ringing.note("2".into());
    assert_eq!((noted.number.as_str(), noted.visits, noted.context().entered), ("2", 11, 2));
    let again = noted.redial();
    assert_eq!((again.visits, again.context().entered), (21, 3));
    let Ok(call::choice::RingingAnswer::Idle(idle)) = again.answer(true) else { panic!("it is answered") };
    assert_eq!((idle.visits, idle.context().entered), (22, 4));
}

#[test]
fn apply_agrees_with_the_typed_machine() {
    const GRAPH: &Graph = Call::GRAPH;
    assert!(GRAPH.transition("Ringing", "note").is_some_and(|note| note.internal));
    let mut totals = Totals::default();
    let ringing = Call::Idle { visits: 1 }.apply(call::event::Dial { number: "1".into() }, &mut totals);
    let ringing = ringing.expect("it is accepted");
    assert_eq!((&ringing, totals.entered), (&Call::Ringing { number: "1".into(), visits: 11 }, 1));
    let noted = ringing.apply(call::event::Note { number: "2".into() }, &mut totals).expect("it is accepted");
    assert_eq!((&noted, totals.entered), (&Call::Ringing { number: "2".into(), visits: 11 }, 1));
    let talking = noted.clone().apply(call::event::Answer { loud: false }, &mut totals).expect("it is accepted");
    assert_eq!((&talking, totals.entered), (&Call::Talking { visits: 11 }, 1));
    // Loading runs nothing.
    let any = call::Any::from((noted, totals));
    assert_eq!(any.context().entered, 1);
}

#[test]
fn pictures_show_what_runs_on_entry() {
    assert_eq!(Lamp::GRAPH.states.iter().map(|state| state.enter).collect::<Vec<_>>(), [None, Some("shine")]);
    for (text, part) in [
        (Lamp::GRAPH.mermaid().to_string(), "    On : enter / shine\n"),
        (Lamp::GRAPH.dot().to_string(), r#""On" [label="On\nenter / shine", style="rounded"];"#),
        (Lamp::GRAPH.json().to_string(), r#""exhausted":null,"enter":"shine","waits":[]}"#),
        (Lamp::GRAPH.xstate_json().to_string(), r#""On":{"entry":["shine"],"on":"#),
        (Lamp::GRAPH.scxml().to_string(), r#"<state id="On" fsm:enter="shine">"#),
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn enter_without_a_context() {
    assert_eq!(lamp::Machine::new(lamp::Off).push().0, 100);
    assert_eq!(Lamp::Off.apply(lamp::event::Push).ok(), Some(Lamp::On(100)));
    assert_eq!(Lamp::On(3).apply(lamp::event::Push).ok(), Some(Lamp::Off));
}
