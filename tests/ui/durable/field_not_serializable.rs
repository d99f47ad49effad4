//! Fields whose types do not have serde's traits: an error at the type for each trait that is missing, however often the type is used.
use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

pub struct Address(String);

#[derive(Serialize)]
pub struct Receipt(String);

#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
pub enum Parcel {
    #[on(send { receipt: Receipt } => Sent)]
    #[on(redirect { to: Address } => Open)]
    Open { to: Address, weight: Option<u32> },
    #[state(end)]
    Sent { to: Address, receipt: Receipt },
}

fn main() {}
