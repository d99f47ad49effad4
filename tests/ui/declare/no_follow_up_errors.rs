//! An attribute that could not be read causes no further errors.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial => Idle)]
enum First {
    #[on(start => Running)]
    Idle,
    #[on(stop = Idle)]
    Running,
}

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Second {
    #[on(start => Running | Idle, wiht = choose)]
    Idle,
    #[state(edn)]
    Running,
}

fn main() {}
