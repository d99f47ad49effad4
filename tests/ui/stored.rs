//! The durable machine of the `durable` cases.
#![allow(dead_code, unused_imports)]
pub use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Ordered, durable, derive(Serialize, Deserialize))]
pub enum Job {
    #[on(start { at: u64 } => Baking)]
    Ordered { id: u32 },
    #[state(work)]
    #[on(stop => Ordered)]
    #[on(cool => Cooling)]
    Baking { id: u32, at: u64 },
    #[state(work)]
    #[on(baked => Baked)]
    Cooling,
    #[state(end)]
    Baked,
}
