//! Operations on an instance by its id, whatever state it is in: retrying a decision, waiting.

use super::Durable;
use super::{
    error::{TransitionError, WaitError},
    machines::Machines,
    record::RecordMeta,
};
use crate::store::{Key, Row};
use fsm_core::{Graph, Name, StateKind};
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast::{Receiver, error::RecvError};

impl<M: Durable> Machines<M> {
    /// Reads the instance and calls `decide` with it, again after each [`TransitionError::Conflict`], `tries` times at most. The
    /// last conflict is returned.
    ///
    /// ```
    /// # use fsm_runtime::{TransitionError, Machines, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Tab { #[on(add { cents: u64 } => Open, with = add)] #[on(pay => Paid)] Open { cents: u64 }, #[state(end)] Paid }
    /// # fn add(mut open: tab::Open, event: tab::event::Add) -> tab::Open { open.cents += event.cents; open }
    /// # async fn example(tabs: Machines<Tab>) -> Result<(), TransitionError<Tab>> {
    /// let tip = 150;
    /// tabs.retry("table 7", 10, |tab| async move {
    ///     match tab {
    ///         tab::AnyRecord::Open(open) if open.cents > 0 => open.add(tip).await?.pay().await.map(drop),
    ///         _ => Ok(()), // nothing to pay
    ///     }
    /// })
    /// .await
    /// # }
    /// # fn main() {}
    /// ```
    ///
    /// `decide` is called for each attempt, so an `async move` block inside it takes clones of what it needs:
    /// `|tab| { let item = item.clone(); async move { … } }`. An async closure can borrow variables of the caller instead:
    /// `async |tab| … item.clone() …`, without `move`.
    ///
    /// # Errors
    /// The error of `decide`, except a conflict before the last try; [`TransitionError::NotFound`]; [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// As that of `decide`.
    pub async fn retry<T, F, D>(&self, id: &str, tries: u32, mut decide: D) -> Result<T, TransitionError<M>>
    where
        D: FnMut(M::AnyRecord) -> F,
        F: Future<Output = Result<T, TransitionError<M>>> + Send,
    {
        let mut left = tries;
        loop {
            left = left.saturating_sub(1);
            match decide(self.get(id).await?).await {
                Err(TransitionError::Conflict(_)) if left > 0 => {}
                decided => return decided,
            }
        }
    }

    /// Waits until instance `id` is in `state`, for `timeout` at most. A change by another process is seen too. A state that the
    /// instance leaves at once can be missed; use [`changes`](Self::changes) to see every transition.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] with the state that it is in, and how its work stands; [`WaitError::Read`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn wait_for(&self, id: &str, state: M::State, timeout: Duration) -> Result<M::AnyRecord, WaitError> {
        self.wait_until(id, timeout, state.as_str(), |now| now == state).await
    }

    /// Waits until instance `id` is in a state for which `wanted` returns `true`; `what` names that state in the error.
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
        let mut changed = self.engine.notifier.subscribe();
        let deadline = self.engine.clock.elapsed().saturating_add(timeout);
        loop {
            let (row, (machine, context)) = self.load(id).await?;
            if wanted(machine.state()) {
                return Ok(machine.wrap_any(RecordMeta::of(&self.engine, &self.origin, &row, context)));
            }
            let left = deadline.saturating_sub(self.engine.clock.elapsed());
            if self.engine.clock.timeout(left, changed_key(&mut changed, &key)).await.is_none() {
                let state = machine.state().as_str();
                let (version, why) = (row.version, work_status(M::GRAPH, state, &row, self.engine.clock.now()));
                return Err(WaitError::Timeout { key, wanted: what, waited: timeout, state, version, why });
            }
        }
    }
}

/// How the work on `row` stands; `None` if its state is not a `work` state.
fn work_status(graph: &Graph, state: &str, row: &Row, now: SystemTime) -> Option<String> {
    graph.state(state).filter(|state| state.kind == StateKind::Work)?;
    let error = row.error.as_deref().map(|error| format!(" with: {error}")).unwrap_or_default();
    let pause = row.retry_at.and_then(|at| at.duration_since(now).ok()).filter(|pause| !pause.is_zero());
    Some(match (&row.parked, &row.owner, pause) {
        (Some(reason), _, _) => format!("its work is parked ({reason}); fire an event that moves it, or call `unpark`"),
        (None, Some(_), _) => format!("attempt {} is under way", row.attempt),
        (None, None, Some(pause)) if row.attempt > 0 => {
            format!("attempt {} failed{error}; the next one begins in {pause:.1?}", row.attempt)
        }
        (None, None, Some(pause)) => format!("its worker runs again in {pause:.1?}"),
        (None, None, None) => format!(
            "its work is due and no process has claimed it; register `{}` with a runtime (`Builder::machine`), and see \
             `Runtime::status` there for instances that wait for a slot",
            row.key.machine
        ),
    })
}

/// Completes when instance `key` may have changed.
pub(super) async fn changed_key(changed: &mut Receiver<Key>, key: &Key) {
    loop {
        match changed.recv().await {
            Ok(other) if other != *key => {}
            // Some were missed: read the row.
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
