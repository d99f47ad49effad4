//! The store held against a naive model of it: one change after the other, then many at once.

mod concurrent;
mod linearize;
mod op;
mod reference;
mod sequential;

/// How many cases a test draws: `few`, or `FSM_MODEL_CASES`, for as long a search as one likes.
fn cases(few: u32) -> u32 {
    std::env::var("FSM_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}
