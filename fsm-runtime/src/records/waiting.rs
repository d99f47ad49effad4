//! Waiting for a state of one instance, and whether an instance has been in a state.

use super::Durable;
use super::{
    error::{ReadError, WaitError},
    machines::Machines,
    record::RecordMeta,
};
use crate::{
    engine::{Engine, instance_history::NewestFirst},
    machine::convert,
    store::{HistoryEntry, HistoryQuery, Key, Row},
};
use fsm_core::{Graph, Name, StateKind};
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use uuid::Uuid;

/// How many history entries one read fetches.
const PAGE: usize = 256;

impl<M: Durable> Machines<M> {
    /// Waits until instance `id` is in `state`, for `timeout` at most. Changes by other processes count too. A state that
    /// the instance leaves at once can be missed; use [`wait_until_passed`](Self::wait_until_passed) for it.
    ///
    /// The last state of an instance that was removed counts, for example a state with `#[state(end, remove)]`. The record is then read
    /// from the history.
    ///
    /// # Errors
    /// - [`WaitError::Unreachable`], at once, if no path of transitions leads from its state to `state`.
    /// - [`WaitError::Removed`], at once, if it was removed in another state.
    /// - [`WaitError::Timeout`], with its state and the status of its work.
    /// - [`WaitError::Read`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn wait_for(&self, id: &str, state: M::State, timeout: Duration) -> Result<M::AnyRecord, WaitError> {
        self.wait_until(id, timeout, state.as_str(), |now| now == state).await
    }

    /// Waits until instance `id` is in a state for which `wanted` returns `true`; `what` names that state in the error. `wanted` is
    /// also called with the states that can follow.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn wait_until(
        &self,
        id: &str,
        timeout: Duration,
        what: &'static str,
        wanted: impl Fn(M::State) -> bool,
    ) -> Result<M::AnyRecord, WaitError> {
        let key = Self::key(id);
        let mut wait = Wait::new(&self.engine, &key, timeout);
        loop {
            let now = self.latest(&key).await?;
            if wanted(now.state()) {
                return Ok(now.record());
            }
            now.can_reach(what, &wanted)?;
            if !wait.next().await {
                return Err(now.timeout(what, timeout, &self.engine));
            }
        }
    }

    /// Waits until instance `id` is in `state` or has been in it, for `timeout` at most, and returns the record as it is then. A state
    /// that is left at once is not missed, because the call reads the history. Former instances with this id do not count, nor do history
    /// entries that have been pruned.
    ///
    /// ```
    /// # use fsm_runtime::{Machines, WaitError, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::Duration;
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Order { #[on(pay => Paid)] Open, #[on(ship => Shipped)] Paid, #[state(end)] Shipped }
    /// # async fn example(orders: Machines<Order>) -> Result<(), WaitError> {
    /// let order = orders.wait_until_passed("o-1", order::State::Paid, Duration::from_secs(30)).await?;
    /// println!("it was paid, and is in {} now", order.state());
    /// # Ok(()) }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn wait_until_passed(
        &self,
        id: &str,
        state: M::State,
        timeout: Duration,
    ) -> Result<M::AnyRecord, WaitError> {
        let key = Self::key(id);
        let mut wait = Wait::new(&self.engine, &key, timeout);
        let mut visits = Visits::default();
        loop {
            let now = self.latest(&key).await?;
            // Read after the row, so that it has every visit before it.
            visits.read::<M>(&self.engine, &key, state).await?;
            if now.state() == state {
                return Ok(now.record());
            }
            if visits.found {
                // The visit may be later than the row that was read.
                return Ok(self.latest(&key).await?.record());
            }
            now.can_reach(state.as_str(), |other| other == state)?;
            if !wait.next().await {
                return Err(now.timeout(state.as_str(), timeout, &self.engine));
            }
        }
    }

    /// Whether instance `id` is in `state` or has been in it, also if it was removed since. Reads the history of the instance. Former
    /// instances with this id do not count, nor do history entries that have been pruned.
    ///
    /// # Errors
    /// [`ReadError::NotFound`] if there is neither an instance nor history of one; [`ReadError::Row`]; [`ReadError::Store`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn has_passed(&self, id: &str, state: M::State) -> Result<bool, ReadError> {
        let key = Self::key(id);
        let now = self.latest(&key).await?;
        let mut visits = Visits::default();
        visits.read::<M>(&self.engine, &key, state).await?;
        Ok(now.state() == state || visits.found)
    }

    /// The instance as it is, or as it was before it was removed.
    async fn latest(&self, key: &Key) -> Result<Latest<M>, ReadError> {
        let (engine, origin) = (&self.engine, &self.origin);
        if let Some(row) = engine.store.get(key.clone()).await? {
            let (machine, context) = convert::decode(&engine.migrations, &row)?;
            let meta = RecordMeta::of(engine, origin, &row, context);
            return Ok(Latest { machine, meta, row: Some(row) });
        }
        let entry = self.last_transition(key).await?.ok_or_else(|| ReadError::NotFound { key: key.clone() })?;
        let (machine, context) = convert::decode_entry::<M>(&engine.migrations, &entry)?;
        Ok(Latest { machine, meta: RecordMeta::of_entry(engine, origin, &entry, context), row: None })
    }

    async fn last_transition(&self, key: &Key) -> Result<Option<HistoryEntry>, ReadError> {
        let mut pages = NewestFirst::new(&self.engine, key);
        while let Some(page) = pages.next().await? {
            // Notes have no data.
            if let Some(entry) = page.into_iter().find(|entry| entry.data.is_some()) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

/// An instance as it is, or as it was before it was removed.
struct Latest<M: Durable> {
    machine: M,
    meta: RecordMeta<M>,
    /// `None` if the instance was removed.
    row: Option<Row>,
}

impl<M: Durable> Latest<M> {
    fn state(&self) -> M::State {
        self.machine.state()
    }

    fn record(self) -> M::AnyRecord {
        self.machine.wrap_any(self.meta)
    }

    /// An error if no transition can lead to a state that is `wanted`.
    fn can_reach(&self, what: &'static str, wanted: impl Fn(M::State) -> bool) -> Result<(), WaitError> {
        let (key, state, version) = (self.meta.key().clone(), self.state().as_str(), self.meta.version());
        if self.row.is_none() {
            return Err(WaitError::Removed { key, wanted: what, state, version });
        }
        let follows = |name: &str| name.parse().is_ok_and(&wanted);
        if M::GRAPH.reachable(state).into_iter().any(|state| follows(state.name)) {
            return Ok(());
        }
        Err(WaitError::Unreachable { key, wanted: what, state, version })
    }

    fn timeout(&self, what: &'static str, waited: Duration, engine: &Engine) -> WaitError {
        let state = self.state().as_str();
        let why = self.row.as_ref().and_then(|row| work_status(M::GRAPH, state, row, engine));
        let (key, version) = (self.meta.key().clone(), self.meta.version());
        WaitError::Timeout { key, wanted: what, waited, state, version, why }
    }
}

/// Whether the newest instance of an id has been in a state, as far as its history was read.
#[derive(Default)]
struct Visits {
    /// The sequence of the last entry that was read.
    read: u64,
    incarnation: Option<Uuid>,
    found: bool,
}

impl Visits {
    /// Reads the entries that were added.
    async fn read<M: Durable>(&mut self, engine: &Engine, key: &Key, state: M::State) -> Result<(), ReadError> {
        loop {
            let query = HistoryQuery {
                key: Some(key.clone()),
                by_operators: false,
                after: self.read,
                newest_first: false,
                limit: PAGE,
            };
            let page = engine.store.history(query).await?;
            let Some(last) = page.last() else { return Ok(()) };
            self.read = last.sequence;
            for entry in &page {
                if self.incarnation.replace(entry.incarnation) != Some(entry.incarnation) {
                    self.found = false;
                }
                self.found |= convert::state_after::<M>(&engine.migrations, entry) == Some(state);
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

/// Waits for changes of one instance until a deadline.
pub(super) struct Wait<'a> {
    engine: &'a Engine,
    key: &'a Key,
    changed: Receiver<Key>,
    deadline: Duration,
    is_over: bool,
}

impl<'a> Wait<'a> {
    /// Changes from now on are seen.
    pub(super) fn new(engine: &'a Arc<Engine>, key: &'a Key, timeout: Duration) -> Self {
        let deadline = engine.clock.elapsed().saturating_add(timeout);
        Self { engine, key, changed: engine.notifier.subscribe(), deadline, is_over: false }
    }

    /// Waits for a change. Returns whether to read the instance again: once more at the deadline, and then not.
    pub(super) async fn next(&mut self) -> bool {
        if self.is_over {
            return false;
        }
        let left = self.deadline.saturating_sub(self.engine.clock.elapsed());
        let change = change_of(&mut self.changed, self.key);
        self.is_over = self.engine.clock.timeout(left, change).await.is_none();
        true
    }
}

/// Completes when instance `key` may have changed.
async fn change_of(changed: &mut Receiver<Key>, key: &Key) {
    loop {
        match changed.recv().await {
            Ok(other) if other != *key => {}
            // Some were missed: read the row.
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// How the work on `row` stands; `None` if its state is not a `work` state.
fn work_status(graph: &Graph, state: &str, row: &Row, engine: &Engine) -> Option<String> {
    let now = engine.now();
    graph.state(state).filter(|state| state.kind == StateKind::Work)?;
    let error = row.error.as_deref().map(|error| format!(" with: {error}")).unwrap_or_default();
    let pause = row.retry_at.and_then(|at| at.duration_since(now).ok()).filter(|pause| !pause.is_zero());
    if let Some(reason) = &row.hold {
        return Some(format!("its work is held ({reason}); call `unhold`"));
    }
    let undone = graph.saga.and_then(|saga| saga.undoes(state)).map(|step| step.state);
    Some(match (&row.parked, &row.owner, pause) {
        (Some(reason), _, _) => match undone {
            Some(step) => format!(
                "it is half undone: the compensation of `{step}` is parked ({reason}); fix the cause and call `unpark`"
            ),
            None => format!("its work is parked ({reason}); fire an event that moves it, or call `unpark`"),
        },
        (None, Some(_), _) => format!("attempt {} is under way", row.attempt),
        (None, None, Some(pause)) if row.attempt > 0 => {
            format!("attempt {} failed{error}; the next one begins in {pause:.1?}", row.attempt)
        }
        (None, None, Some(pause)) => format!("its worker runs again in {pause:.1?}"),
        (None, None, None) if let Some(what) = engine.held_back.get(&row.key, &engine.clock) => {
            format!("its work {what}")
        }
        (None, None, None) => format!(
            "its work is due and no process has claimed it; register `{}` with a runtime (`Builder::machine`), and see \
             `Runtime::status` there for instances that wait for a slot",
            row.key.machine
        ),
    })
}
