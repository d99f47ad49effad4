use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Reserving, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
enum Trip {
    #[state(work, undo = Releasing)]
    #[on(reserved => Charging)]
    #[on(fail => undo)]
    Reserving,
    #[state(work, undo = Refunding)]
    #[on(charged => Booked)]
    #[on(fail => undo)]
    Charging,
    #[state(work)]
    #[on(refunded => undo)]
    Refunding,
    #[state(work)]
    #[on(released => undo)]
    Releasing,
    #[state(end)]
    Booked,
    #[state(end)]
    Cancelled,
}

fn main() {}
