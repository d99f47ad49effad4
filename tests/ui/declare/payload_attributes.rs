use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job<State> {
    #[on(start { #[cfg(unix)] at: u32 } => Running)]
    #[on(skip { pub at: u32 } => Running)]
    Idle,
    #[on(stop => Idle)]
    Running { state: State },
}

fn main() {}
