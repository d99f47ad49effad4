use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running)]
    #[on(pair => Pair)]
    Idle { id: u32 },
    #[on(start => Running)]
    Running { id: u32, since: Vec<u64> },
    #[on(stop => Idle, with = unpair)]
    Pair(u32, u32),
}

fn unpair(pair: job::Pair, _: job::event::Stop) -> job::Idle {
    job::Idle { id: pair.0 }
}

fn main() {}
