use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub struct Position(u64);

#[derive(StateMachine)]
#[fsm(initial = Copying, durable, derive(Serialize, Deserialize))]
pub enum Job {
    #[state(work, checkpoint = Position)]
    #[on(copied => Copied)]
    Copying,
    #[state(end)]
    Copied,
}

fn main() {}
