//! A field whose type does not have serde's traits is one error, at the field.
use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

pub struct Address(String);

#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
pub enum Parcel {
    #[on(send => Sent)]
    Open { to: Address },
    #[state(end)]
    Sent,
}

fn main() {}
