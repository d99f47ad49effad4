//! Unusual names: with underscores, in other scripts, keywords, and names of the libraries.

use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// A type called like something generated, so that fields of it are named by an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event(u8);

/// Where the name of a state ends and that of an event begins cannot be seen from both together.
#[allow(non_camel_case_types, reason = "that is the case")]
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = A | A_b, crate = ::fsm_core, derive(Clone, Debug, PartialEq))]
pub enum Parts {
    /// With `b_c`.
    #[on(b_c => End, guard = one)]
    #[on(b_d => End, with = two)]
    A {
        /// A field.
        b_c: Event,
    },
    /// With `c`.
    #[on(c => End, guard = three)]
    #[on(d => End, with = four)]
    A_b {
        /// The same without `b_`.
        c: Event,
    },
    /// Over.
    #[state(end)]
    End,
}

fn one(state: &parts::A, _: &parts::event::BC) -> Result<(), &'static str> {
    if state.b_c.0 == 1 { Ok(()) } else { Err("one") }
}

fn two(_: parts::A, _: parts::event::BD) -> parts::End {
    parts::End
}

fn three(state: &parts::A_b, _: &parts::event::C) -> Result<(), &'static str> {
    if state.c.0 == 3 { Ok(()) } else { Err("three") }
}

fn four(_: parts::A_b, _: parts::event::D) -> parts::End {
    parts::End
}

#[test]
fn names_with_underscores_are_kept_apart() {
    let refused = parts::Machine::new(parts::A { b_c: Event(0) }).b_c().expect_err("the guard refuses");
    assert_eq!((refused.reason.as_str(), refused.machine.b_d().state()), ("one", parts::State::End));
    let refused = parts::Machine::new(parts::A_b { c: Event(0) }).c().expect_err("the guard refuses");
    assert_eq!((refused.reason.as_str(), refused.machine.d().state()), ("three", parts::State::End));
}

/// Not in English.
#[derive(StateMachine, Debug)]
#[fsm(initial = Überfällig, crate = ::fsm_core, derive(Debug))]
pub enum Ärger {
    /// Begins in capitals that have no ASCII.
    #[on(prüfen { größe: u8 } => Größer, guard = darf)]
    #[on(ßtart => Größer, with = mit)]
    Überfällig,
    /// Goes on in a script without capitals.
    #[on(終える => 終わり)]
    Größer {
        /// How much.
        größe: u8,
    },
    /// Over.
    #[state(end)]
    終わり,
}

fn darf(_: &ärger::Überfällig, event: &ärger::event::Prüfen) -> Result<(), &'static str> {
    if event.größe > 2 { Ok(()) } else { Err("zu klein") }
}

fn mit(_: ärger::Überfällig, _: ärger::event::SStart) -> ärger::Größer {
    ärger::Größer { größe: 1 }
}

#[test]
fn names_need_not_be_english() {
    let ärger = ärger::Machine::new(ärger::Überfällig);
    let refused = ärger.prüfen(2).expect_err("it is too small");
    let größer = refused.machine.ßtart();
    assert_eq!(größer.größe, 1);
    assert_eq!(größer.終える().state().as_str(), "終わり");
    assert_eq!("prüfen".parse(), Ok(ärger::EventKind::Prüfen));
}

/// Names that Rust has taken: the module is `r#type`, the workers' methods are `r#match`, `crate_` and `super_`.
#[derive(StateMachine, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[fsm(initial = Match, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
enum Type {
    #[state(work, exhausted = r#type { r#fn: 1 })]
    #[on(r#type { r#fn: u8 } => Crate)]
    #[after("1m", r#type { r#fn: 2 })]
    Match,
    #[state(work)]
    #[on(r#yield => Super)]
    Crate { r#fn: u8 },
    #[state(work)]
    #[on(r#match => Match)]
    Super,
}

struct Hands;

impl r#type::Workers for Hands {
    async fn r#match(&self, task: r#type::Task<r#type::Match>) -> Outcome<r#type::Match> {
        task.r#type(7)
    }
    async fn crate_(&self, task: r#type::Task<r#type::Crate>) -> Outcome<r#type::Crate> {
        task.r#yield()
    }
    async fn super_(&self, task: r#type::Task<r#type::Super>) -> Outcome<r#type::Super> {
        task.r#match()
    }
}

#[test]
fn keywords_are_raw_or_have_an_underscore() {
    let _ = |builder: fsm_runtime::Builder| builder.machine::<Type, _>(Hands);
    let moved = r#type::Machine::new(r#type::Match).r#type(3);
    assert_eq!((moved.r#fn, moved.state().as_str()), (3, "Crate"));
    assert_eq!(r#type::Event::from(r#type::event::Yield).kind().as_str(), "yield");
    let timers = r#type::Any::from(Type::Match).timers();
    assert_eq!(timers[0].event, r#type::Event::Type(r#type::event::Type { r#fn: 2 }));
}

/// Events called like types of the generated module, or like methods that its code or Rust's own might mean.
#[derive(StateMachine, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[fsm(initial = Error, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
#[on(event => Error)]
#[on(any => Context)]
#[on(machine => Err)]
#[on(seal => Target)]
#[on(event_kind => Born)]
#[on(record => Meta)]
#[on(task => Option)]
#[on(workers => Some)]
#[on(error => Ok)]
#[on(option => Box)]
#[on(result => String)]
#[on(clone => Clone)]
#[on(drop => Drop)]
#[on(fmt => Default)]
#[on(eq => Send)]
#[on(deref => Output)]
#[on(into => Into)]
#[on(from => From)]
#[on(poll => Vec)]
#[on(to_string => Result)]
#[on(apply => Next)]
#[on(accepts => Outcome)]
#[on(wrap => Item)]
enum Like {
    Error,
    #[state(work)]
    Context,
    Err,
    Target,
    Born,
    Meta,
    #[state(work)]
    Option,
    Some,
    Ok,
    Box,
    String,
    Clone,
    Drop,
    Default,
    Send,
    Output,
    Into,
    From,
    Vec,
    Result,
    Next,
    Outcome,
    Item,
}

struct Both;

impl like::Workers for Both {
    async fn context(&self, task: like::Task<like::Context>) -> Outcome<like::Context> {
        task.clone()
    }
    async fn option(&self, task: like::Task<like::Option>) -> Outcome<like::Option> {
        task.drop()
    }
}

#[test]
fn names_may_be_those_of_the_prelude() {
    let _ = |builder: fsm_runtime::Builder| builder.machine::<Like, _>(Both);
    let machine = like::Machine::new(like::Error).event().clone().drop().into().fmt().to_string();
    assert_eq!(machine.state(), like::State::Result);
    let event = like::Event::from(like::event::Event);
    assert_eq!(event.kind(), like::EventKind::Event);
    assert_eq!(Like::Some.apply(event).ok(), Some(Like::Error));
}
