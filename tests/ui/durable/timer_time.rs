use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(StateMachine)]
#[fsm(initial = Offered, durable, derive(Serialize, Deserialize))]
enum Offer {
    #[on(lapse => Lapsed)]
    #[at(|offer| offer.patience, lapse)]
    Offered { patience: Duration },
    #[state(end)]
    Lapsed,
}

fn main() {}
