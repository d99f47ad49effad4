use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
#[on(reset => Idle)]
#[on(stop => Idle)]
enum Job {
    #[on(start => Running)]
    #[on(start => Idle)]
    Idle,
    #[on(stop => Idle)]
    Running,
}

fn main() {}
