use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Reserving, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
enum Trip {
    #[state(work, undo = Releasing)]
    #[on(reserved => Charging)]
    #[on(fail => Cancelled)]
    Reserving,
    #[state(work, undo = Refunding)]
    #[on(charged => Ticketing)]
    #[on(fail => Cancelled)]
    Charging,
    #[state(work, undo = none)]
    #[on(ticketed => Booked)]
    #[on(fail => Releasing)]
    #[on(refuse => undo)]
    Ticketing,
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
