//! The store compared with a reference model: one change after the other, then many at once.

mod concurrent;
mod linearize;
mod reference;
mod sequential;

/// How many cases a test draws: `FSM_MODEL_CASES` if set, otherwise `few`.
fn cases(few: u32) -> u32 {
    std::env::var("FSM_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}
