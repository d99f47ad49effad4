use fsm_core::StateMachine;

#[derive(StateMachine)]
enum Job {
    #[on(start => Running)]
    Idle,
    #[on(stop => Idle)]
    Running,
}

fn main() {}
