use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum UnknownMachine {
    #[state(waits(payment: Payment in Captured => paid))]
    #[on(paid => Paid)]
    Waiting { payment: String },
    #[state(end)]
    Paid,
}

fn main() {}
