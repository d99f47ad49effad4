use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
#[on(stop => Done, except(Done, Idel, Idle, Idle))]
enum Job {
    #[on(start => Running, except(Idle))]
    Idle,
    Running,
    #[state(end)]
    Done,
}

fn main() {}
