use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = A, durable, saga, derive(Serialize, Deserialize))]
enum Parentheses {
    #[state(end)]
    A,
}

#[derive(StateMachine)]
#[fsm(initial = A, durable, saga(), derive(Serialize, Deserialize))]
enum Undone {
    #[state(end)]
    A,
}

#[derive(StateMachine)]
#[fsm(initial = A, durable, saga(end = A), derive(Serialize, Deserialize))]
enum Option {
    #[state(end)]
    A,
}

#[derive(StateMachine)]
#[fsm(initial = A, durable, saga(undone = A, undone = A), derive(Serialize, Deserialize))]
enum More {
    #[state(end)]
    A,
}

#[derive(StateMachine)]
#[fsm(initial = A, durable, saga(undone = B), derive(Serialize, Deserialize))]
enum Values {
    #[state(work, undo = none, uncertain = maybe)]
    #[on(done => undo | B)]
    #[on(fail => B | undo)]
    A,
    #[state(end)]
    B,
}

#[derive(StateMachine)]
#[fsm(initial = A, durable, saga(undone = C), derive(Serialize, Deserialize))]
enum Unknown {
    #[state(work, compensation = none)]
    #[on(done => undo)]
    A,
    #[state(end)]
    B,
}

fn main() {}
