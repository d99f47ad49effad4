use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Choosing, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
enum Trip {
    #[on(by_rail => ReservingSeat)]
    #[on(by_car => RentingCar)]
    Choosing,
    #[state(work, undo = ReleasingSeat)]
    #[on(reserved => Charging)]
    ReservingSeat,
    #[state(work, undo = ReturningCar)]
    #[on(rented => Charging)]
    RentingCar,
    #[state(work, undo = none)]
    #[on(charged => Booked)]
    #[on(fail => undo)]
    Charging,
    #[state(work)]
    #[on(released => undo)]
    ReleasingSeat,
    #[state(work)]
    #[on(returned => undo)]
    ReturningCar,
    #[state(end)]
    Booked,
    #[state(end)]
    Cancelled,
}

#[derive(StateMachine)]
#[fsm(initial = Charging, durable, saga(undone = Ended), derive(Serialize, Deserialize))]
enum Subscription {
    #[state(work, undo = Refunding)]
    #[on(charged => Running)]
    #[on(fail => undo)]
    Charging,
    #[after("30d", renew)]
    #[on(renew => Charging)]
    #[on(cancel => undo)]
    Running,
    #[state(work)]
    #[on(refunded => undo)]
    Refunding,
    #[state(end)]
    Ended,
}

fn main() {}
