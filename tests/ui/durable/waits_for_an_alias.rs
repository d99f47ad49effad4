use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Payment {
    #[on(capture => Captured)]
    Open,
    #[state(end)]
    Captured,
}

type Money = Payment;

#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum OtherName {
    #[state(waits(payment: Money in Captured => paid))]
    #[on(paid => Paid)]
    Waiting { payment: String },
    #[state(end)]
    Paid,
}

fn main() {}
