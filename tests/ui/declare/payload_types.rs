//! A payload has no defaults, and its lifetimes are those of the enum.
use std::borrow::Cow;

use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Off, context = Vec<&str>)]
enum Lamp {
    #[on(dim { percent: u8 = 3 } => Off)]
    #[on(name { name: &str } => Off)]
    #[on(label { text: Option<Cow<'_, str>> } => Off)]
    Off,
}

fn main() {
    let _ = lamp::Machine::new(lamp::Off, Vec::new()).dim(4);
}
