//! A policy applies only to `work` states.

use fsm_runtime::{Builder, Policy, prelude::*};
use serde::{Deserialize, Serialize};

/// A bread.
#[derive(StateMachine)]
#[fsm(initial = Baking, durable, derive(Serialize, Deserialize))]
enum Bread {
    /// In the oven.
    #[state(work)]
    #[on(baked => Cooling)]
    Baking,
    /// On the board.
    #[on(eat => Eaten)]
    Cooling,
    /// Gone.
    #[state(end)]
    Eaten,
}

fn configure(builder: Builder) -> Builder {
    builder.policy::<bread::Baking>(Policy::new().max_attempts(3)).policy::<bread::Cooling>(Policy::new().max_attempts(3))
}

fn main() {}
