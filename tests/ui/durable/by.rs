//! `by = worker`: its values, where it cannot be, and what would open an event to callers.
use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Charging, durable, derive(Serialize, Deserialize))]
enum Values {
    #[state(work)]
    #[on(paid => Paid, by = workers)]
    #[on(refused => Paid, by = "worker")]
    #[on(lapsed => Paid, by = timer)]
    #[on(cancel => Paid, by = callers)]
    #[on(correct => Paid, by = operator)]
    #[on(lost => Paid, by)]
    #[on(found => Paid, by = worker, by = worker)]
    Charging,
    #[state(end)]
    Paid,
}

#[derive(StateMachine)]
#[fsm(initial = Open)]
#[on(close => Closed, by = worker)]
enum InMemory {
    #[on(open => Open)]
    Open,
    #[state(end)]
    Closed,
}

#[derive(StateMachine)]
#[fsm(initial = Open | Waiting | Charging, durable, derive(Serialize, Deserialize))]
#[on(fail => Failed, by = worker)]
enum NothingFires {
    #[on(paid | refused => Paid, by = worker)]
    Open,
    #[on(lapse => Paid, by = worker)]
    #[after("1h", lapse)]
    Waiting,
    #[state(work)]
    #[on(charged => Paid, by = worker)]
    Charging,
    #[state(end)]
    Paid,
    #[state(end)]
    Failed,
}

// What a wait fires needs no worker.
#[derive(StateMachine)]
#[fsm(initial = Awaiting, durable, derive(Serialize, Deserialize))]
enum Waits {
    #[state(waits(payment: Desired in Paid => paid))]
    #[on(paid | refused => Over, by = worker)]
    #[on(misspelled => Misspelled)]
    Awaiting { payment: String },
    // One error for one mistake.
    #[state(waits(paymemt: Desired in Paid => paid))]
    #[on(paid => Over, by = worker)]
    Misspelled { payment: String },
    #[state(end)]
    Over,
}

#[derive(StateMachine)]
#[fsm(initial = Charging, durable, derive(Serialize, Deserialize))]
enum Desired {
    #[state(work)]
    #[on(paid => Paid, by = worker, auto)]
    Charging,
    #[state(end)]
    Paid,
}

#[derive(StateMachine)]
#[fsm(
    initial = Charging | Packing | Sending,
    durable,
    derive(Serialize, Deserialize),
    group(Busy, on(fail => Failed, by = worker))
)]
enum Overrides {
    #[state(work, in = Busy)]
    #[on(fail => Lost)]
    Charging,
    // Further restrictions are allowed.
    #[state(work, in = Busy)]
    #[on(fail => Lost, by = worker)]
    Packing,
    #[state(work, in = Busy)]
    #[on(sent => Lost)]
    Sending,
    #[state(end)]
    Failed,
    #[state(end)]
    Lost,
}

fn main() {}
