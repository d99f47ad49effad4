//! Duplicate derives, payload fields, fields and states.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Open, derive(Clone, Debug, Clone))]
enum Derives {
    #[on(close => Open)]
    Open,
}

#[derive(StateMachine)]
#[fsm(initial = Open)]
enum Payload {
    #[on(close { by: String, at: u64, by: String } => Closed)]
    Open,
    #[state(end)]
    Closed { by: String },
}

#[derive(StateMachine)]
#[fsm(initial = Open)]
enum Fields {
    #[on(close => Closed)]
    Open { by: String, by: String },
    #[state(end)]
    Closed { by: String },
}

#[derive(StateMachine)]
#[fsm(initial = Open)]
enum Variants {
    #[on(close => Closed)]
    Open,
    #[state(end)]
    Closed,
    Closed,
}

fn main() {}
