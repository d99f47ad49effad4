use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Payment {
    #[on(capture => Captured)]
    Open,
    #[state(end)]
    Captured,
}


#[derive(StateMachine)]
#[fsm(initial = On, derive(Serialize, Deserialize))]
enum Switch {
    #[on(flip => Off)]
    On,
    #[state(end)]
    Off,
}

#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum UnknownState {
    #[state(waits(payment: Payment in Capturd => paid))]
    #[on(paid => Paid)]
    Waiting { payment: String },
    #[state(end)]
    Paid,
}

#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum NotAnId {
    #[state(waits(payment: Payment in Captured => paid))]
    #[on(paid => Paid)]
    Waiting { payment: u64 },
    #[state(end)]
    Paid,
}

#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum SeveralIds {
    #[state(waits(payments: Payment in Captured => paid))]
    #[on(paid => Paid)]
    Waiting { payments: Vec<String> },
    #[state(end)]
    Paid,
}

#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum OneId {
    #[state(waits(all(payment): Payment in Captured => paid))]
    #[on(paid => Paid)]
    Waiting { payment: String },
    #[state(end)]
    Paid,
}

#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum NotDurable {
    #[state(waits(switch: Switch in Off => paid))]
    #[on(paid => Paid)]
    Waiting { switch: String },
    #[state(end)]
    Paid,
}

fn main() {}
