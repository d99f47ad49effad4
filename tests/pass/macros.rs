//! Machines declared by a macro: their tokens come from two scopes.

use fsm_core::assert_transitions;
use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

macro_rules! whole {
    ($($declaration:tt)+) => {
        #[derive(StateMachine, Debug, PartialEq)]
        $($declaration)+
    };
}

whole! {
    #[fsm(initial = Idle, derive(Clone, Debug, PartialEq))]
    #[on(stop => Stopped)]
    enum Belt {
        #[on(load { kilos: u32 } => Loaded, guard = not_too_heavy)]
        Idle,
        #[on(unload => Idle | Loaded, with = unload)]
        #[after("1m", stop)]
        Loaded { kilos: u32 },
        #[state(end)]
        Stopped,
    }
}

fn not_too_heavy(_: &belt::Idle, load: &belt::event::Load) -> Result<(), &'static str> {
    if load.kilos < 100 { Ok(()) } else { Err("too heavy") }
}

fn unload(loaded: belt::Loaded, _: belt::event::Unload) -> belt::choice::LoadedUnload {
    match loaded.kilos.checked_sub(10) {
        None | Some(0) => belt::Idle.into(),
        Some(kilos) => belt::Loaded { kilos }.into(),
    }
}

/// The names come from the caller, the shape from the macro.
macro_rules! pair {
    ($machine:ident: $first:ident --$there:ident--> $second:ident --$back:ident--> ($field:ident: $ty:ty)) => {
        #[derive(StateMachine, Debug, PartialEq)]
        #[fsm(initial = $first, durable, derive(Serialize, Deserialize))]
        enum $machine {
            #[on($there => $second)]
            $first { $field: $ty },
            #[state(work)]
            #[on($back => $first)]
            $second { $field: $ty },
        }
    };
}

pair!(Tide: Low --rise--> High --fall--> (metres: u8));

struct Moon;

impl tide::Workers for Moon {
    async fn high(&self, task: tide::Task<tide::High>) -> Outcome<tide::High> {
        task.fall()
    }
}

#[test]
fn a_machine_declared_by_a_macro_works() {
    assert_transitions! {
        (Belt::Idle, belt::event::Load { kilos: 5 }) => Belt::Loaded { kilos: 5 },
        (Belt::Idle, belt::event::Load { kilos: 500 }) => refused "too heavy",
        (Belt::Loaded { kilos: 25 }, belt::event::Unload) => Belt::Loaded { kilos: 15 },
        (Belt::Loaded { kilos: 5 }, belt::event::Unload) => Belt::Idle,
        (Belt::Loaded { kilos: 5 }, belt::event::Stop) => Belt::Stopped,
    }
    let loaded = belt::Machine::new(belt::Idle).load(5).expect("it is light");
    assert_eq!(loaded.stop().state(), belt::State::Stopped);
    assert_eq!(tide::Machine::new(tide::Low { metres: 2 }).rise().fall().metres, 2);
    let _ = |runtime: &Runtime| runtime.machines::<Tide>();
    let _ = Moon;
}
