//! A machine in a crate without `std`: generated code does not use it.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(clippy::needless_pass_by_value, reason = "a `with` takes the event, though it only reads it")]

use fsm_core::StateMachine;

/// A lamp.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Off, derive(Clone, Debug, PartialEq))]
pub enum Lamp {
    /// Dark.
    #[on(flip { brightness: u8 } => On, guard = bright)]
    Off,
    /// Lit.
    #[on(flip => Off | On, with = dim)]
    #[after("1h", flip { brightness: 0 })]
    On {
        /// In percent.
        brightness: u8,
    },
}

fn bright(_: &lamp::Off, event: &lamp::event::Flip) -> Result<(), &'static str> {
    if event.brightness == 0 { Err("it would stay dark") } else { Ok(()) }
}

fn dim(_: lamp::On, event: lamp::event::Flip) -> lamp::choice::OnFlip {
    match event.brightness {
        0 => lamp::Off.into(),
        brightness => lamp::On { brightness }.into(),
    }
}

#[test]
fn a_machine_works_without_std() {
    let on = lamp::Machine::new(lamp::Off).flip(50).expect("50 is bright");
    assert_eq!(on.brightness, 50);
    let refused = lamp::Machine::new(lamp::Off).flip(0).expect_err("0 is dark");
    assert_eq!(refused.reason.as_str(), "it would stay dark");
    let lamp = Lamp::from(on);
    let timer = lamp::Any::from(lamp.clone()).timers().remove(0);
    assert_eq!(timer.after, core::time::Duration::from_hours(1));
    let off = lamp.apply(timer.event).ok();
    assert_eq!(off, Some(Lamp::Off));
}
