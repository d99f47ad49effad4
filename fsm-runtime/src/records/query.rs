//! Owns the question which instances to list.

use crate::store::Filter;
use fsm_core::{Graph, Name};
use std::time::SystemTime;

/// Which instances to list: all of them by id; or those of one state, of an age, or parked, with the one first that entered its state first.
///
/// ```
/// # use fsm_runtime::{ListQuery, Machines, ReadError, prelude::*};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
/// # enum Order { #[on(pay => Paid)] Open, #[state(end)] Paid }
/// # async fn example(orders: Machines<Order>, yesterday: std::time::SystemTime) -> Result<(), ReadError> {
/// let mut listing = ListQuery::in_state(order::State::Open).entered_before(yesterday).limit(50);
/// loop {
///     let page = orders.list(&listing).await?;
///     for order in &page.items {
///         println!("{} is still open", order.id());
///     }
///     let Some(next) = page.next else { break };
///     listing = listing.after(next);
/// }
/// # Ok(()) }
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ListQuery<S> {
    state: Option<S>,
    entered_before: Option<SystemTime>,
    parked: bool,
    after: Option<String>,
    limit: usize,
}

impl<S: Name> ListQuery<S> {
    /// All instances, by id; [parked](Self::parked) ones, and those [of an age](Self::entered_before), by when they entered their state.
    pub fn all() -> Self {
        Self { state: None, entered_before: None, parked: false, after: None, limit: 100 }
    }

    /// Those that stand in `state`, by when they entered it; rows that were stored under a name that it had earlier too.
    pub fn in_state(state: S) -> Self {
        Self { state: Some(state), ..Self::all() }
    }

    /// Only those that entered the state in which they stand before `time`.
    pub fn entered_before(mut self, time: SystemTime) -> Self {
        self.entered_before = Some(time);
        self
    }

    /// Only those on which no more work is done until an event or `release`.
    pub fn parked(mut self) -> Self {
        self.parked = true;
        self
    }

    /// Where the page before said that the next begins.
    pub fn after(mut self, next: impl Into<String>) -> Self {
        self.after = Some(next.into());
        self
    }

    /// How many on a page at most; 100, if not set, and 1 at least: pages of nothing would never come to an end.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }

    pub(super) fn filter(&self, graph: &Graph) -> Filter {
        Filter {
            machine: graph.machine.to_owned(),
            states: self.state.map(|state| graph.stored_names(state.as_str()).map(str::to_owned).collect()),
            entered_before: self.entered_before,
            parked: self.parked,
            after: self.after.clone(),
            limit: self.limit,
        }
    }
}
