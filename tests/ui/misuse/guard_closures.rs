//! Closures as guards that return a `bool` without a reason, or take the state alone; `would_accept` on a value of the enum.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running, guard = |idle, _| idle.n > 3)]
    #[on(skip => Running, guard = |idle| idle.n > 3 else "it is too small")]
    Idle { n: u8 },
    #[on(stop { n: u8 } => Idle)]
    Running,
}

fn main() {
    let _ = Job::Running.would_accept(&job::event::Stop { n: 1 });
}
