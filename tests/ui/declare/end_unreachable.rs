use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(finish => Done)]
    #[on(spin => Left)]
    Idle,
    #[on(go => Right)]
    Left,
    #[on(go => Left)]
    Right,
    #[state(end)]
    Done,
}

fn main() {}
