//! The event of `exhausted` has to leave the state; otherwise the attempts would begin again without end.
use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Fetching, durable, derive(Serialize, Deserialize))]
enum Fetch {
    #[state(work, exhausted = note { text: error.to_string() })]
    #[on(note { text: String } => _)]
    #[on(fetched => Done)]
    Fetching { text: String },
    #[state(end)]
    Done,
}

#[derive(StateMachine)]
#[fsm(initial = Running, durable, derive(Serialize, Deserialize))]
#[on(count => _)]
enum Inherited {
    #[state(work, exhausted = count)]
    #[on(end => Ended)]
    Running,
    #[state(end)]
    Ended,
}

fn main() {}
