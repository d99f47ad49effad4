//! One execution of a worker: runs it, and stores its result.

use crate::{
    controller::driver::{Driver, Ended, WorkResult},
    engine::{Engine, store_until},
    log::{log_attempt, unnamed},
    machine::Migrations,
    metrics,
    store::{Attempts, Cause, Change, Note, Origin, Release, Row, StoreError, Verdict, shortened},
    worker::{Attempt, Beside, CommitBeside, Committed, Limits, WorkError},
};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Runs the worker of the attempt's state, and stores its result. Returns the row as the result left it, where it was stored.
#[expect(clippy::manual_async_fn, reason = "an `async fn` holds its arguments twice")]
pub(crate) fn work(
    engine: Arc<Engine>,
    driver: Arc<dyn Driver>,
    attempt: Arc<Attempt>,
    giving_up: CancellationToken,
) -> impl Future<Output = Option<Box<Row>>> + Send {
    async move {
        let outcome = driver.run(engine.clone(), attempt.clone()).await;
        let (change, beside) = conclude(&*driver, &engine.migrations, &attempt, outcome)?;
        // Boxed: a task is as large as the largest future that it awaits, and mostly it awaits its worker.
        match beside.0 {
            None => Box::pin(store_result(&engine, &attempt.row, change, &giving_up)).await,
            Some(commit) => Box::pin(store_with(engine, &*driver, &attempt, change, commit, &giving_up)).await,
        }
    }
}

/// Stores the result with the worker's group. If the group cannot be made, the attempt has failed.
async fn store_with(
    engine: Arc<Engine>,
    driver: &dyn Driver,
    attempt: &Attempt,
    change: Change,
    commit: CommitBeside,
    giving_up: &CancellationToken,
) -> Option<Box<Row>> {
    let Attempt { row, limits, .. } = attempt;
    match commit(engine.clone(), change.clone(), giving_up.clone()).await {
        Committed::Own(verdict) => settle(&engine, row, change, verdict, giving_up).await,
        Committed::Refused(error) => {
            let change = failure(driver, &engine.migrations, row, &error, *limits);
            store_result(&engine, row, change, giving_up).await
        }
    }
}

/// The change that the end of an attempt makes to its row, and what is committed with it; `None` where the worker was aborted before.
fn conclude(
    driver: &dyn Driver,
    migrations: &Migrations,
    attempt: &Attempt,
    outcome: Result<WorkResult, WorkError>,
) -> Option<(Change, Beside)> {
    let Attempt { row, limits, signals } = attempt;
    if !signals.returned() {
        tracing::debug!("the worker returned after its abort: its result is dropped");
        return None;
    }
    let elapsed = signals.elapsed();
    let mut with = Beside::default();
    let (outcome, change) = match (outcome, signals.overdue()) {
        // Counts also when the worker was cancelled.
        (Ok(WorkResult { ended: Ended::Fired(transition), beside }), _) => {
            with = beside;
            ("fired", Change::Transition(*transition))
        }
        (_, Some(overdue)) => {
            let error = WorkError::from(overdue.to_string());
            (overdue.name(), failure(driver, migrations, row, &error, *limits))
        }
        // Failures before a requeue do not count against a long-running worker.
        (Ok(WorkResult { ended: Ended::Requeue(after), beside }), None) => {
            with = beside;
            ("requeue", Change::Release(release(row, after, Attempts::Reset, None)))
        }
        // An error of a cancelled worker is its reaction to the cancellation.
        (Err(_), None) if signals.is_cancelled() => {
            ("cancelled", Change::Release(release(row, Duration::ZERO, Attempts::GiveBack, None)))
        }
        (Err(error), None) => {
            let outcome = if error.is_permanent() { "permanent" } else { "retry" };
            (outcome, failure(driver, migrations, row, &error, *limits))
        }
    };
    metrics::worked(&row.key.machine, &row.state, outcome, elapsed);
    Some((change, with))
}

/// The change that a failed attempt makes to its row: another attempt later; after the last one the state's `exhausted` event, or
/// parking where the state has none.
pub(crate) fn failure(
    driver: &dyn Driver,
    migrations: &Migrations,
    row: &Row,
    error: &WorkError,
    limits: Limits,
) -> Change {
    let text = error.to_string();
    let mut why = if error.is_permanent() {
        format!("permanent error: {text}")
    } else if row.attempt >= limits.max_attempts {
        format!("{} attempts failed, the last with: {text}", row.attempt)
    } else {
        let retry = error.delay().unwrap_or_else(|| limits.backoff.delay(row.attempt));
        log_attempt!(warn, row, error = %unnamed(&row.key, &row.state, &text), retry_in = ?retry, "work failed");
        return Change::Release(release(row, retry, Attempts::Keep, Some(text)));
    };
    // User code may panic; the work must still stop at its limit.
    let answer = catch_unwind(AssertUnwindSafe(|| driver.exhausted(migrations, row, error)));
    match answer.unwrap_or_else(|_| Some(Err("it panicked".to_owned()))) {
        Some(Ok(transition)) => {
            let reason = unnamed(&row.key, &row.state, &why);
            log_attempt!(error, row, %reason, event = %transition.event, "work is given up: firing the `exhausted` event");
            return Change::Transition(transition);
        }
        Some(Err(wrong)) => why = format!("{why}; the state's `exhausted` event could not be fired: {wrong}"),
        None => {}
    }
    park(row, shortened(why), text)
}

/// Parks the instance: no more work until it moves or is unparked.
fn park(row: &Row, why: String, error: String) -> Change {
    log_attempt!(error, row, reason = %unnamed(&row.key, &row.state, &why), "parked: no more work until an event or `unpark`");
    metrics::parked(&row.key.machine, &row.state);
    Change::Release(Release {
        retry: None,
        parked: Some(why.clone()),
        note: Some(Note { about: "parked", text: why, cause: Cause::Worker, origin: Origin::default() }),
        ..release(row, Duration::ZERO, Attempts::Keep, Some(error))
    })
}

/// The change that gives up the claim of `row`, with the next attempt after `retry`.
pub(crate) fn release(row: &Row, retry: Duration, attempts: Attempts, error: Option<String>) -> Release {
    Release {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: row.fence,
        owner: row.owner.clone(),
        retry: Some(retry),
        attempts,
        error: error.map(shortened),
        parked: None,
        note: None,
    }
}

/// Stores the result of work on `row`, retrying until `giving_up` is cancelled; then the row is left to be taken over. A result that
/// the store refuses parks the instance. Returns the row as it is then; `None` where the result did not count.
pub(crate) async fn store_result(
    engine: &Engine,
    row: &Row,
    change: Change,
    giving_up: &CancellationToken,
) -> Option<Box<Row>> {
    let stored = store_until(engine, change.clone(), giving_up).await;
    settle(engine, row, change, stored, giving_up).await
}

/// What follows from `stored`, the verdict on `change`.
async fn settle(
    engine: &Engine,
    row: &Row,
    mut change: Change,
    mut stored: Result<Verdict, StoreError>,
    giving_up: &CancellationToken,
) -> Option<Box<Row>> {
    loop {
        match stored {
            Ok(Verdict::Committed { mut rows }) => return rows.pop().map(Box::new),
            Ok(verdict) if verdict.refusal().is_some() && matches!(change, Change::Transition(_)) => {
                let reason = verdict.refusal().unwrap_or_default();
                let error = format!("the store refused the result: {reason}");
                change = park(row, format!("permanent error: {error}"), error);
                stored = store_until(engine, change.clone(), giving_up).await;
            }
            // The instance has moved on, or another worker has claimed it.
            Ok(verdict @ (Verdict::Conflict { .. } | Verdict::Fenced { .. })) => {
                tracing::debug!(verdict = verdict.name(), "the result is outdated and dropped");
                return None;
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
        }
    }
}
