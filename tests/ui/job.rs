//! The machine of the `misuse` cases.
#![allow(dead_code)]
use fsm_core::StateMachine;

#[derive(StateMachine, Debug)]
#[fsm(initial = Ordered, derive(Debug))]
pub enum Job {
    #[on(start { at: u64 } => Baking)]
    Ordered { id: u32 },
    #[on(stop => Ordered)]
    #[on(check => Ordered | Baked, with = check)]
    Baking { id: u32, at: u64 },
    #[state(end)]
    Baked,
}

fn check(running: job::Baking, _: job::event::Check) -> job::choice::BakingCheck {
    if running.at == 0 { job::Baked.into() } else { job::Ordered { id: running.id }.into() }
}
