//! Stores the result of work. After internal transitions it is decided again, on the present data.

use super::run::{failure, park};
use crate::{
    controller::driver::Driver,
    engine::{Engine, store_until},
    log::unnamed,
    store::{Change, Release, Row, StoreError, Verdict},
    worker::{Beside, Committed, FiredEvent, Limits, Own, WorkError},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// What the end of an attempt stores.
pub(crate) struct Conclusion {
    /// The change of its row.
    pub(super) change: Change,
    /// The worker's event, if a guard refused it on the data that the worker has read. The change is then that of a failure.
    pub(super) refused: Option<Box<FiredEvent>>,
    /// What is committed with the change.
    pub(super) beside: Beside,
}

impl From<Change> for Conclusion {
    fn from(change: Change) -> Self {
        Self { change, refused: None, beside: Beside::default() }
    }
}

/// The end of an attempt on `row`.
pub(crate) struct Ending<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) driver: &'a Arc<dyn Driver>,
    pub(super) row: &'a Row,
    pub(super) limits: Limits,
    pub(super) giving_up: &'a CancellationToken,
}

impl Ending<'_> {
    /// Stores what the attempt has come to, retrying until `giving_up` is cancelled; then the row is left to be taken over. A result
    /// that the store refuses parks the instance. Returns the row as it is then; `None` where the result did not count.
    pub(super) async fn store(&self, end: Conclusion) -> Option<Box<Row>> {
        let Conclusion { mut change, mut refused, beside } = end;
        let stored = match beside.0 {
            None => self.commit(&change).await,
            Some(commit) => {
                let (engine, driver, row) = (self.engine.clone(), self.driver.clone(), self.row.clone());
                let again = Box::new(move |own: &Change, verdict: &Verdict| {
                    row.held_since(verdict).and_then(|current| again(&engine, &*driver, own, current))
                });
                match commit(self.engine.clone(), Own { change: change.clone(), again }, self.giving_up.clone()).await {
                    Committed::Own(stored) => stored,
                    // Nothing was committed, so the attempt has failed.
                    Committed::Refused(mut error) => {
                        refused = error.take_refused();
                        change = self.failure(self.row, &error);
                        self.commit(&change).await
                    }
                }
            }
        };
        self.settle(change, refused.as_deref(), stored).await
    }

    async fn commit(&self, change: &Change) -> Result<Verdict, StoreError> {
        store_until(self.engine, change.clone(), self.giving_up).await
    }

    fn failure(&self, row: &Row, error: &WorkError) -> Change {
        failure(&**self.driver, self.engine, row, error, self.limits)
    }

    /// What follows from `stored`, the verdict on `own`.
    async fn settle(
        &self,
        own: Change,
        refused: Option<&FiredEvent>,
        mut stored: Result<Verdict, StoreError>,
    ) -> Option<Box<Row>> {
        let (row, mut change) = (self.row, own.clone());
        loop {
            change = match stored {
                Ok(Verdict::Committed { mut rows }) => return rows.pop().map(Box::new),
                Ok(verdict) if verdict.refusal().is_some() && matches!(change, Change::Transition(_)) => {
                    let reason = verdict.refusal().unwrap_or_default();
                    let error = format!("the store refused the result: {reason}");
                    park(row, format!("permanent error: {error}"), error)
                }
                Ok(verdict @ (Verdict::Conflict { .. } | Verdict::Fenced { .. })) => {
                    // From the worker's own change each time, since any of the others was decided on older data.
                    let current = row.held_since(&verdict);
                    let Some(again) = current.and_then(|current| self.decide_again(&own, refused, current)) else {
                        // The instance has moved on, or another worker has claimed it.
                        tracing::debug!(verdict = verdict.name(), "the result is outdated and dropped");
                        return None;
                    };
                    again
                }
                Ok(verdict) => {
                    let reason = verdict.refusal().map(|reason| unnamed(&row.key, &row.state, &reason));
                    tracing::error!(verdict = verdict.name(), reason, "the store refused a result");
                    return None;
                }
                Err(error) => {
                    tracing::error!(%error, "a result could not be stored; the work will be repeated");
                    return None;
                }
            };
            stored = self.commit(&change).await;
        }
    }

    /// The change that follows from the worker's `own` on `current`, to which internal transitions have brought the row.
    fn decide_again(&self, own: &Change, refused: Option<&FiredEvent>, current: &Row) -> Option<Change> {
        let again = match refused {
            None => again(self.engine, &**self.driver, own, current)?,
            // The worker has returned an error. What it does after its event has not happened, so the event is not fired for it.
            Some(event) => fire(self.engine, &**self.driver, event, current)?.and_then(|_| {
                let error = format!(
                    "a guard refused `{}`; the data changed after the worker read it, so the attempt is repeated",
                    event.name
                );
                Err(WorkError::retry_after(Duration::ZERO, error))
            }),
        };
        Some(again.unwrap_or_else(|error| self.failure(current, &error)))
    }
}

/// The worker's `own` change on top of `current`, to which internal transitions have brought the row: an event is fired on the present
/// data, and a release does not depend on them. `None` if newer code has migrated the row, which is then not this worker's to change;
/// an error if the event is refused now.
fn again(engine: &Engine, driver: &dyn Driver, own: &Change, current: &Row) -> Option<Result<Change, WorkError>> {
    match own {
        Change::Release(release) => Some(Ok(Change::Release(Release { version: current.version, ..release.clone() }))),
        Change::Transition(fired) => {
            let event = FiredEvent { name: fired.event.clone(), payload: fired.payload.clone() };
            fire(engine, driver, &event, current)
        }
        _ => None,
    }
}

fn fire(engine: &Engine, driver: &dyn Driver, event: &FiredEvent, current: &Row) -> Option<Result<Change, WorkError>> {
    if current.schema > driver.graph().version {
        return None;
    }
    // User code may panic; the claim must still be released.
    let fired = catch_unwind(AssertUnwindSafe(|| driver.result(engine, current, event)));
    let fired = fired.unwrap_or_else(|_| Err("it panicked".to_owned()));
    Some(fired.map(Change::Transition).map_err(|why| WorkError::refused(event.clone(), why)))
}
