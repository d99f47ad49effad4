//! Levels of lints on the enum hold for what is generated from it.
#![deny(clippy::nursery, non_snake_case)]

use fsm_core::StateMachine;

#[derive(StateMachine, Debug, PartialEq)]
#[fsm(initial = Cold, derive(Debug, PartialEq))]
#[allow(clippy::derive_partial_eq_without_eq, reason = "`degrees` is a float")]
#[expect(non_snake_case, reason = "the name of the unit")]
#[cfg_attr(all(), allow(clippy::missing_const_for_fn))]
pub enum Oven {
    #[on(heat { degrees_C: f64 } => Hot)]
    Cold,
    #[on(cool => Cold)]
    Hot { degrees_C: f64 },
}

#[test]
fn lints_are_allowed_as_on_the_enum() {
    let hot = oven::Machine::new(oven::Cold).heat(180.0);
    assert!(hot.degrees_C > 179.0);
}
