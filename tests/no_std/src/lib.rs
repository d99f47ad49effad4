//! Every generated shape in a crate without `std`, under the strictest lints, which generated code must pass.
//!
//! `cargo check -p no-std --target thumbv7em-none-eabihf` proves that it does not use `std`, which that target lacks.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, unused, clippy::all, clippy::pedantic, rustdoc::all)]
#![allow(clippy::needless_pass_by_value, reason = "a `with` takes the event, though it only reads it")]

use core::time::Duration;

use fsm_core::StateMachine;

/// How long a reading counts.
pub const FRESH: Duration = Duration::from_secs(10);

/// A sensor: generics of every kind, every variant shape, guards, branches, timers, superstates.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(
    initial = Off | Resting,
    version = 3,
    derive(Clone, Copy, Debug, PartialEq),
    group(Running, on(pause => Resting)),
    require(reaches(Off, Broken), never(Broken, Off))
)]
#[on(r#break { code: u8 } => Broken, except(Off))]
#[non_exhaustive]
pub enum Sensor<'a, T, const N: usize>
where
    T: Copy + Default,
{
    /// No current.
    #[on(power { name: &'a str } => Idle)]
    Off,
    /// Current, and no work.
    #[state(in = Running, was = "Ready")]
    #[on(measure => Measured | Idle, guard = named, with = measure)]
    #[cfg_attr(not(target_os = "none"), on(nudge => Idle))]
    Idle {
        /// What it is called.
        name: &'a str,
    },
    /// A reading.
    #[state(in = Running)]
    #[on(forget => Resting)]
    #[after(FRESH, forget)]
    Measured(#[doc = "The values."] [T; N]),
    /// Between two.
    #[on(power => Idle, auto)]
    #[after("1h", r#break { code: match FRESH.as_secs() { 0 => 1, seconds if seconds > 9 => 2, _ => 3 } })]
    #[state(name = "RESTING")]
    Resting {},
    /// For good.
    #[state(end, remove)]
    Broken {
        /// Why.
        code: u8,
    },
}

/// A sensor needs a name.
///
/// # Errors
/// When it has none.
pub fn named(idle: &sensor::Idle<'_>, _: &sensor::event::Measure) -> Result<(), &'static str> {
    if idle.name.is_empty() { Err("it has no name") } else { Ok(()) }
}

/// A reading needs a value.
#[must_use]
pub fn measure<T: Copy + Default, const N: usize>(
    idle: sensor::Idle<'_>,
    _: sensor::event::Measure,
) -> sensor::choice::IdleMeasure<sensor::Measured<T, N>, sensor::Idle<'_>> {
    if N == 0 {
        sensor::choice::IdleMeasure::Idle(idle)
    } else {
        sensor::choice::IdleMeasure::Measured(sensor::Measured([T::default(); N]))
    }
}

/// A switch, whose `apply` is a table.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[fsm(initial = Off, module = relay, derive(Clone, Copy, Debug, PartialEq, Eq, Hash))]
pub enum Switch {
    /// Open.
    #[on(flip => On)]
    Off,
    /// Closed.
    #[on(flip => Off)]
    On,
}

/// Uses what is generated: typed, by value, and the graph.
#[must_use]
pub fn run() -> usize {
    let idle = sensor::Machine::<_, u8, 4>::new(sensor::Off).power("s-1");
    let accepted = idle.state().accepts().len();
    let sensor: Sensor<'_, u8, 4> = idle.into();
    let why = sensor.why_not(sensor::EventKind::Forget).is_some();
    let flipped = Switch::Off.apply(relay::event::Flip).is_ok_and(|switch| switch == Switch::On);
    accepted + usize::from(why) + usize::from(flipped) + Switch::GRAPH.states.len()
}
