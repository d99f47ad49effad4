use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running | Failed)]
    Idle,
    #[on(stop => Idle)]
    Running,
    #[on(stop => Idle | Idle)]
    Failed,
}

fn main() {}
