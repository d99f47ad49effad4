use fsm_core::StateMachine;
use std::time::{Duration, SystemTime};

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running)]
    #[after(|idle| idle.patience, start)]
    Idle { patience: u64 },
    #[on(stop => Idle, with = |_, _| job::Idle { patience: 1 })]
    #[after(|running, limits| running.patience, stop)]
    Running { patience: Duration },
}

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Until {
    #[on(start => Idle)]
    #[after(|idle| idle.until, start)]
    Idle { until: SystemTime },
}

fn main() {}
