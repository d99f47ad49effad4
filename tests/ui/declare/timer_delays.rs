use fsm_core::StateMachine;
use std::time::{Duration, SystemTime};

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Seconds {
    #[on(start => Idle)]
    #[after(|idle| idle.patience, start)]
    Idle { patience: u64 },
}

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Limited {
    #[on(start => Idle)]
    #[after(|idle, limits| idle.patience, start)]
    Idle { patience: Duration },
}

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Until {
    #[on(start => Idle)]
    #[after(|idle| idle.until, start)]
    Idle { until: SystemTime },
}

const ZERO: Duration = Duration::ZERO;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Zero {
    #[on(start => Idle)]
    #[after(ZERO, start)]
    Idle,
}

fn main() {
    let _ = Zero::GRAPH;
}
