use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Reserving, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
#[on(cancel => undo)]
enum Trip {
    #[state(work, undo = Releasing)]
    #[on(reserved => Charging)]
    #[on(fail => undo)]
    Reserving,
    #[state(work, undo = Refunding)]
    #[after("1h", late)]
    #[on(charged => Ticketing)]
    #[on(late => undo)]
    #[on(cancel => Booked)]
    Charging,
    #[state(work, undo = none, uncertain = undo)]
    #[on(ticketed => Booked)]
    Ticketing,
    #[state(work, uncertain = skip)]
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
