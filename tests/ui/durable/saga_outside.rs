use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Reserving, durable, derive(Serialize, Deserialize))]
enum ByTarget {
    #[state(work)]
    #[on(reserved => Booked)]
    #[on(fail => undo)]
    Reserving,
    #[state(end)]
    Booked,
}

#[derive(StateMachine)]
#[fsm(initial = Reserving, durable, derive(Serialize, Deserialize))]
enum ByOption {
    #[state(work, undo = Releasing)]
    #[on(reserved => Booked)]
    Reserving,
    #[state(work)]
    #[on(released => Booked)]
    Releasing,
    #[state(end)]
    Booked,
}

fn main() {}
