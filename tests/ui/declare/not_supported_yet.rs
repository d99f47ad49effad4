use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle, context = u8, require(never(A, B)), group(Active))]
enum Job {
    #[on(start => Running, auto)]
    Idle,
    #[state(work, progress = u8, exhausted = stop)]
    #[state(in = Active, remove)]
    #[on(stop => Idle)]
    Running,
}

fn main() {}
