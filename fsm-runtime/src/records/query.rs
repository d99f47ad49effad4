//! Queries for lists of instances, and the counts of states.

use crate::store::{Filter, Only};
use fsm_core::{Graph, Name, SagaInfo};
use std::time::SystemTime;

/// Which instances to list: all of them, ordered by id; or those of one state, of an age, parked, backing off or held, ordered by the time they entered
/// their state. [`newest_first`](Self::newest_first) reverses the order by time, and applies it to any list.
///
/// ```
/// # use fsm_runtime::{ListQuery, Machines, ReadError, prelude::*};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
/// # enum Order { #[on(pay => Paid)] Open, #[state(end)] Paid }
/// # async fn example(orders: Machines<Order>, yesterday: std::time::SystemTime) -> Result<(), ReadError> {
/// let mut query = ListQuery::in_state(order::State::Open).entered_before(yesterday).limit(50);
/// loop {
///     let page = orders.list(&query).await?;
///     for order in &page.items {
///         match order {
///             Ok(order) => println!("{} is still open", order.id()),
///             Err(error) => eprintln!("{} cannot be read: {error}", error.key()),
///         }
///     }
///     let Some(next) = page.next else { break };
///     query = query.after(next);
/// }
/// # Ok(()) }
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ListQuery<S> {
    state: Option<S>,
    id_prefix: Option<String>,
    entered_before: Option<SystemTime>,
    only: Option<Only>,
    half_undone: bool,
    newest_first: bool,
    after: Option<String>,
    limit: usize,
}

impl<S: Name> ListQuery<S> {
    /// All instances, ordered by id.
    pub fn all() -> Self {
        Self {
            state: None,
            id_prefix: None,
            entered_before: None,
            only: None,
            half_undone: false,
            newest_first: false,
            after: None,
            limit: 100,
        }
    }

    /// Instances in `state`, ordered by the time they entered it. Includes rows that were stored under a former name of
    /// the state, and rows of older schema versions that a [migration](crate::Builder::migrate) brings there from a state that is not
    /// declared any more.
    pub fn in_state(state: S) -> Self {
        Self { state: Some(state), ..Self::all() }
    }

    /// Only instances whose id begins with `prefix`, such as those of one customer. The comparison is exact, by bytes. The order does
    /// not change. A list by id reads only its page; a list in another order reads all instances with the prefix for each page.
    ///
    /// ```
    /// # use fsm_runtime::ListQuery;
    /// # fn example<S: fsm_core::Name>() -> ListQuery<S> {
    /// ListQuery::all().id_prefix("acme/").newest_first()
    /// # }
    /// ```
    pub fn id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.id_prefix = Some(prefix.into());
        self
    }

    /// Only instances that entered their present state before `time`.
    pub fn entered_before(mut self, time: SystemTime) -> Self {
        self.entered_before = Some(time);
        self
    }

    /// Only parked instances: no work is done on them until an event, or [`unpark`](crate::Machines::unpark).
    pub fn parked(mut self) -> Self {
        self.only = Some(Only::Parked);
        self
    }

    /// Only instances whose work has failed, and is tried again at a later time.
    pub fn backing_off(mut self) -> Self {
        self.only = Some(Only::BackingOff);
        self
    }

    /// Only instances that are [held](crate::Machines::hold).
    pub fn held(mut self) -> Self {
        self.only = Some(Only::Held);
        self
    }

    /// Only instances of a saga that are parked in a compensation: its step and those before it are not undone. Each row
    /// has the reason; after you have removed its cause, [`unpark`](crate::Machines::unpark) continues to undo. A machine without a saga has
    /// none. With [`in_state`](Self::in_state), only those whose undoing stopped there. Includes rows of older schema versions, as
    /// [`in_state`](Self::in_state) does.
    pub fn half_undone(mut self) -> Self {
        self.only = Some(Only::Parked);
        self.half_undone = true;
        self
    }

    /// The latest first, by the time at which the instances entered their present state. Without it, a list by time begins with the
    /// oldest; both orders are the exact reverse of each other.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Begins at [`Page::next`](crate::store::Page::next) of the page before. That page must be of the same machine, state, prefix and
    /// order; only the time of [`entered_before`](Self::entered_before) may differ. Any other text is
    /// [`StoreError::Cursor`](crate::store::StoreError::Cursor).
    pub fn after(mut self, next: impl Into<String>) -> Self {
        self.after = Some(next.into());
        self
    }

    /// The most instances on a page: 100 by default, and at least 1.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }

    /// The declared states that are wanted, unless all are.
    pub(super) fn states(&self, graph: &Graph) -> Option<Vec<&'static str>> {
        if !self.half_undone {
            return self.state.map(|state| vec![state.as_str()]);
        }
        let is_wanted = |name: &&'static str| self.state.is_none_or(|state| state.as_str() == *name);
        Some(graph.saga.into_iter().flat_map(SagaInfo::compensations).filter(is_wanted).collect())
    }

    fn stored_states(&self, graph: &Graph) -> Option<Vec<String>> {
        let stored = self.states(graph)?.into_iter().flat_map(|name| graph.stored_names(name));
        Some(stored.map(str::to_owned).collect())
    }

    pub(super) fn filter(&self, graph: &Graph) -> Filter {
        Filter {
            machine: graph.machine.to_owned(),
            states: self.stored_states(graph),
            id_prefix: self.id_prefix.clone(),
            entered_before: self.entered_before,
            only: self.only,
            newest_first: self.newest_first,
            after: self.after.clone(),
            limit: self.limit,
        }
    }
}

/// Which claims to list with [`Machines::claims`](crate::Machines::claims): all of them, ordered by id.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClaimsQuery {
    pub(super) after: Option<String>,
    pub(super) limit: usize,
}

impl ClaimsQuery {
    /// All claims.
    pub fn all() -> Self {
        Self { after: None, limit: 100 }
    }

    /// Begins at [`Page::next`](crate::store::Page::next) of the page before.
    pub fn after(mut self, next: impl Into<String>) -> Self {
        self.after = Some(next.into());
        self
    }

    /// The most claims on a page: 100 by default, and at least 1.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

/// How many instances are in a state. From [`Machines::count`](crate::Machines::count).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateCount<S> {
    /// The state; `None` if it is not declared.
    pub state: Option<S>,
    /// The name of the state: the present one, or the stored one if it is not declared.
    pub name: String,
    /// How many instances are in it.
    pub instances: u64,
}
