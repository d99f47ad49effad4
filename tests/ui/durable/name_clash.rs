use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Record, durable, context = u8, derive(Serialize, Deserialize))]
enum Job {
    #[on(with_key => Task)]
    #[on(requeue_after => Task)]
    Record,
    #[on(into_parts => Workers)]
    Task,
    #[on(cancelled => AnyRecord)]
    Workers,
    AnyRecord,
}

fn main() {}
