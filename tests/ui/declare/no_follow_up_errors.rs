//! What could not be read causes no errors about what would follow from it.
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
