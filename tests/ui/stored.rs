//! The durable machine that the cases misuse.
#![allow(dead_code, unused_imports)]
pub use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Idle, durable, derive(Serialize, Deserialize))]
pub enum Job {
    #[on(start { at: u64 } => Running)]
    Idle { id: u32 },
    #[state(work)]
    #[on(stop => Idle)]
    #[on(clean => Cleaning)]
    Running { id: u32, at: u64 },
    #[state(work)]
    #[on(done => Done)]
    Cleaning,
    #[state(end)]
    Done,
}
