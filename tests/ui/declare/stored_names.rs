use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running)]
    Idle,
    #[state(name = "Idle", was = "Gone")]
    #[on(stop => Stopped)]
    Running,
    #[state(was = "Gone", was = "")]
    #[on(start => Running)]
    Stopped,
}

fn main() {}
