//! Two machines with the same names of states and events, one in a nested module.

use fsm_core::StateMachine;

/// One.
#[derive(StateMachine, Debug)]
#[fsm(initial = Idle, derive(Debug))]
pub enum First {
    /// Waits.
    #[on(start => Busy)]
    Idle,
    /// Works.
    #[on(stop => Idle)]
    Busy,
}

/// Two.
#[derive(StateMachine, Debug)]
#[fsm(initial = Idle, derive(Debug), module = other)]
pub enum Second {
    /// Waits.
    #[on(start => Busy)]
    Idle,
    /// Works.
    #[on(stop => Idle)]
    Busy,
}

mod within {
    /// Three, by paths alone.
    #[derive(::fsm_core::StateMachine, Debug)]
    #[fsm(initial = Idle, crate = ::fsm_core)]
    #[non_exhaustive]
    pub(super) enum First {
        /// Waits.
        #[on(start => Busy)]
        Idle,
        /// Works.
        #[on(stop { n: std::num::NonZeroU8 } => Idle)]
        Busy,
    }
}

#[test]
fn nested_machines_are_independent() {
    assert_eq!(first::Machine::new(first::Idle).start().stop().state(), first::State::Idle);
    assert_eq!(other::Machine::new(other::Idle).start().stop().state(), other::State::Idle);
    assert_eq!(within::first::Machine::new(within::first::Idle).start().state(), within::first::State::Busy);
    assert_ne!(First::GRAPH.fingerprint(), Second::GRAPH.fingerprint());
}
