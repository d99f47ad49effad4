use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running)]
    Idle,
    #[state(work, progress = u8)]
    #[on(stop => Idle)]
    Running,
}

fn main() {}
