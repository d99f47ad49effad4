use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Reserving, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
#[on(withdraw => Withdrawn, except(Charging))]
enum Trip {
    #[state(work, undo = Releasing)]
    #[on(reserved => Charging)]
    #[on(fail => undo)]
    Reserving,
    #[state(work, undo = Refunding)]
    #[on(charged => Ticketing)]
    #[on(fail => undo)]
    Charging,
    #[state(work, undo = Voiding)]
    #[on(ticketed => Checking)]
    #[on(fail => undo)]
    Ticketing,
    #[on(passed => Booked)]
    #[on(fail => undo)]
    Checking,
    #[state(work)]
    #[after("1h", voided)]
    #[on(voided => undo)]
    #[on(give_up => Cancelled)]
    #[on(look => _)]
    Voiding,
    #[state(work, exhausted = give_up)]
    #[on(refunded => undo, auto)]
    #[on(give_up => undo)]
    Refunding,
    #[state(work)]
    #[on(look => Self)]
    Releasing,
    #[state(end)]
    Booked,
    #[state(end)]
    Withdrawn,
    #[state(end)]
    Cancelled,
}

fn main() {}
