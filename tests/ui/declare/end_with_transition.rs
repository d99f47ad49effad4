use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Done)]
    Idle,
    #[state(end)]
    #[on(again => Idle)]
    Done,
}

fn main() {}
