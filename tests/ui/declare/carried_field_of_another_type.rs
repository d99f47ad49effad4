use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start { by: &'static str } => Running)]
    Idle { id: u32 },
    #[on(stop => Idle)]
    Running { id: u64, by: String },
}

fn main() {}
