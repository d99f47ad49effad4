use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum Malformed {
    #[state(waits)]
    #[on(paid => Done)]
    Waiting { payment: String },
    #[state(waits())]
    #[on(paid => Done)]
    NoWait { payment: String },
    #[state(waits(= Captured))]
    #[on(paid => Done)]
    NoField { payment: String },
    #[state(waits(payment => paid))]
    #[on(paid => Done)]
    FieldOnly { payment: String },
    #[state(waits(payment: => paid))]
    #[on(paid => Done)]
    NoMachine { payment: String },
    #[state(waits(payment: pay::Payment => paid))]
    #[on(paid => Done)]
    NoStates { payment: String },
    #[state(waits(payment: Payment::Captured => paid))]
    #[on(paid => Done)]
    Variant { payment: String },
    #[state(waits(payment: Payment in => paid))]
    #[on(paid => Done)]
    NoState { payment: String },
    #[state(waits(payment: Payment in Captured | missing))]
    #[on(paid => Done)]
    NoEvent { payment: String },
    #[state(waits(some(payment): Payment in Captured => paid))]
    #[on(paid => Done)]
    Several { payment: String },
    #[state(waits(all(): Payment in Captured => paid))]
    #[on(paid => Done)]
    Every { payment: String },
    #[state(waits(any(payment, other): Payment in Captured => paid))]
    #[on(paid => Done)]
    OneOf { payment: String },
    #[state(waits(at_least(payment): Payment in Captured => paid))]
    #[on(paid => Done)]
    AtLeast { payment: String },
    #[state(waits(at_least(0, payment): Payment in Captured => paid))]
    #[on(paid => Done)]
    AtLeastNone { payment: String },
    #[state(waits_for(payment: Payment in Captured => paid))]
    #[on(paid => Done)]
    Dialect { payment: String },
    #[state(end)]
    Done,
}

fn main() {}
