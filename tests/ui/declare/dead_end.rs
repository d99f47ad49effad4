use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running)]
    #[on(prepare => Preparing)]
    Idle,
    Running,
    #[state(work)]
    Preparing,
}

fn main() {}
