//! Machines in statics and constants, and functions for machines in any state.

use fsm_core::{StateMachine, StateOf, Target};
use std::{fmt::Debug, sync::Mutex};

/// A lamp.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Off, derive(Clone, Copy, Debug, PartialEq))]
pub enum Lamp {
    /// Dark.
    #[on(flip => On, guard = |_, _| true else "the bulb is broken")]
    Off {
        /// How often it was lit.
        times: u32,
    },
    /// Lit.
    #[on(flip => Off)]
    On {
        /// How often it was lit.
        times: u32,
    },
}

static LAMP: Mutex<Option<lamp::Machine<lamp::Off>>> = Mutex::new(Some(lamp::Machine::new(lamp::Off { times: 0 })));

#[test]
fn a_machine_without_context_is_made_in_a_static() {
    let off = LAMP.lock().unwrap().take().unwrap();
    assert_eq!(off.flip().unwrap().times, 0);
}

/// A box of anything, which has to be dropped.
#[derive(StateMachine)]
#[fsm(initial = Full, module = parcel)]
enum Parcel<T> {
    /// It holds something.
    #[on(empty => Empty)]
    Full { content: T },
    /// It holds nothing.
    #[state(end)]
    Empty,
}

#[test]
fn a_generic_machine_is_made_in_a_constant() {
    const FULL: parcel::Machine<parcel::Full<String>, String> =
        parcel::Machine::new(parcel::Full { content: String::new() });
    assert_eq!(FULL.empty().state(), parcel::State::Empty);
}

/// With `enter` in a state that is not initial.
#[derive(StateMachine)]
#[fsm(initial = Idle, module = engine)]
enum Engine {
    /// Off.
    #[on(start { starts: u32 } => Running)]
    Idle,
    /// On.
    #[state(enter = |running| running.starts += 1)]
    #[on(start => Self)]
    #[on(stop => Idle)]
    Running {
        /// How often it was started.
        starts: u32,
    },
}

static ENGINE: Mutex<Option<engine::Machine<engine::Idle>>> = Mutex::new(Some(engine::Machine::new(engine::Idle)));

#[test]
fn only_the_enter_of_an_initial_state_is_run_by_new() {
    let idle = ENGINE.lock().unwrap().take().unwrap();
    assert_eq!(idle.start(0).starts, 1);
}

/// The state and the value of a machine, whatever its state is.
fn described<S: StateOf<Lamp> + Debug>(machine: lamp::Machine<S>) -> (lamp::State, Lamp, String) {
    let (state, data) = (machine.state(), format!("{:?}", machine.data()));
    (state, machine.into(), data)
}

fn back<S: StateOf<Lamp>>(lamp: Lamp) -> Option<S> {
    <S as Target<Lamp>>::from_enum(lamp).ok()
}

#[test]
fn a_function_takes_a_machine_in_every_state() {
    let off = lamp::Machine::new(lamp::Off { times: 3 });
    assert_eq!(described(off.clone()), (lamp::State::Off, Lamp::Off { times: 3 }, "Off { times: 3 }".to_owned()));
    let (state, value, _) = described(off.flip().unwrap());
    assert_eq!((state, back::<lamp::Off>(value), back(value)), (lamp::State::On, None, Some(lamp::On { times: 3 })));
}
