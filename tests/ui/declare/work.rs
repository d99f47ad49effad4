use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running)]
    #[state(exhausted = start, remove)]
    Idle,
    #[state(work, exhausted = fali { why: error.to_string() })]
    #[on(fail { why: String } => Failed)]
    Running,
    #[on(retry => Running)]
    #[state(work, exhausted = retry)]
    Failed { why: String },
}

fn main() {}
