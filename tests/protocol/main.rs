//! The protocol by which processes share a store, as models whose states are all searched: leases and claims, the lanes of commits, and
//! the order of the history. A process may stop, be killed, or lose an answer at each step.
//!
//! Each rule of the protocol can be dropped from its model. The search then has to find what goes wrong, which shows that the model
//! can fail, and what the rule is for.
//!
//! `FSM_MODEL_FAULTS` is how often a fault of each kind happens in one run. Without it there are few, so that the search takes seconds.

mod explore;
mod history;
mod lane;
mod lease;

/// `FSM_MODEL_FAULTS`, if it is set.
fn more_faults() -> Option<u8> {
    std::env::var("FSM_MODEL_FAULTS").ok().map(|faults| faults.parse().expect("FSM_MODEL_FAULTS is a number"))
}
