use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[state(checkpoint = u8)]
    #[on(start => Running)]
    Idle,
    #[state(work, checkpoint = u8)]
    #[on(stop => Idle)]
    #[on(wait => Waiting)]
    Running,
    #[state(work, checkpoint)]
    #[on(stop => Idle)]
    Waiting,
}

fn main() {}
