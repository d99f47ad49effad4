use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum Order {
    #[state(waits(
        paymemt: Payment in Captured => paid,
        payment: Payment in Captured => pade,
        payment: Payment in Captured | Captured => paid,
        payment: Payment in missing | missing => paid,
        payment: Payment in Refused => refuse,
        payment: Payment in Refused => refuse { why: String::new() },
    ))]
    #[on(paid => Paid)]
    #[on(refuse { reason: String } => Refused)]
    Waiting { payment: String },
    #[state(waits(payment: Payment in Captured => paid))]
    #[on(paid => Paid)]
    Empty,
    #[state(end, waits(payment: Payment in Settled => settle))]
    Paid,
    #[on(retry => Empty)]
    Refused { reason: String },
}

fn main() {}
