use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start { at: u32 } => Running)]
    Idle,
    #[on(start { at: u64 } => Running)]
    #[on(stop => Idle)]
    Running,
}

fn main() {}
