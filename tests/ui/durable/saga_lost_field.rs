use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Reserving, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
enum Trip {
    #[state(work, undo = Releasing)]
    #[on(reserved { seat: String } => Charging)]
    #[on(fail => undo)]
    Reserving { traveller: String },
    #[state(work, undo = Refunding, uncertain = undo)]
    #[on(charged { receipt: String } => Ticketing)]
    #[on(fail => undo)]
    Charging { traveller: String, seat: String },
    #[state(work, undo = none)]
    #[on(ticketed => Booked)]
    #[on(fail => undo)]
    Ticketing { traveller: String, receipt: String },
    #[state(work)]
    #[on(refunded => undo)]
    Refunding { traveller: String, receipt: String },
    #[state(work)]
    #[on(released => undo)]
    Releasing { traveller: String, seat: String, agent: String },
    #[state(end)]
    Booked,
    #[state(end)]
    Cancelled,
}

fn main() {}
