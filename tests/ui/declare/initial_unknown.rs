use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idel | Running | Running)]
enum Job {
    #[on(start => Running)]
    Idle,
    #[on(stop => Idle)]
    Running,
}

fn main() {}
