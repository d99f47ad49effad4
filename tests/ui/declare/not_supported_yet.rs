use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle, context = u8)]
enum Job {
    #[on(start => Running)]
    Idle,
    #[state(work, progress = u8)]
    #[on(stop => Idle)]
    Running,
}

fn main() {}
