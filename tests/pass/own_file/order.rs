//! An order and its states. `pub use order::*` makes the generated items part of this module.

use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

pub use order::*;

/// An order.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Open, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
pub enum Order {
    /// Not paid yet.
    #[on(pay { cents: u64 } => Paying, guard = is_enough)]
    Open { total: u64 },
    /// The bank is asked.
    #[state(work)]
    #[on(paid => Paid)]
    Paying,
    /// Done.
    #[state(end)]
    Paid,
}

fn is_enough(open: &Open, pay: &event::Pay) -> Result<(), &'static str> {
    if pay.cents < open.total { Err("too little") } else { Ok(()) }
}

/// Stands for the bank.
pub struct Bank;

impl Workers for Bank {
    async fn paying(&self, task: Task<Paying>) -> Outcome<Paying> {
        task.paid()
    }
}
