use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle, group(Ended, on(revive => Idle)))]
#[on(stop => Done, except(Idle, Running))]
enum Job {
    #[on(start => Running)]
    Idle,
    #[on(finish => Done)]
    Running,
    #[state(end, in = Ended)]
    Done,
}

fn main() {}
