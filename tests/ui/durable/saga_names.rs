use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = First, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
enum Trip {
    #[state(work, undo = Undoing)]
    #[on(done => Second)]
    First,
    #[state(work, undo = Undoing)]
    #[on(done => Third)]
    Second,
    #[state(work, undo = Third)]
    #[on(done => Fourth)]
    Third,
    #[state(work, undo = Undo)]
    #[on(done => Fifth)]
    Fourth,
    #[state(work, undo = Cancelled)]
    #[on(done => Sixth)]
    Fifth,
    #[state(work, undo = Seventh)]
    #[on(done => Seventh)]
    Sixth,
    #[state(undo = none)]
    #[on(done => Booked)]
    #[on(fail => undo)]
    Seventh,
    #[state(work)]
    #[on(undone => undo)]
    Undoing,
    #[state(end)]
    Booked,
    #[state(end)]
    Cancelled,
}

#[derive(StateMachine)]
#[fsm(initial = Reserving, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
enum NotAnEnd {
    #[state(work, undo = none)]
    #[on(reserved => Booked)]
    #[on(fail => undo)]
    Reserving,
    #[on(look => Booked)]
    Cancelled,
    #[state(end)]
    Booked,
}

#[derive(StateMachine)]
#[fsm(initial = Reserving | Releasing, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
enum Nested {
    #[state(work, undo = Releasing)]
    #[on(reserved => Charging)]
    Reserving,
    #[state(work, undo = none)]
    #[on(charged => Booked)]
    #[on(fail => undo)]
    Charging,
    #[state(work, undo = Reclaiming)]
    #[on(released => undo)]
    Releasing,
    #[state(work)]
    #[on(reclaimed => undo)]
    Reclaiming,
    #[state(end)]
    Booked,
    #[state(end)]
    Cancelled,
}

fn main() {}
