//! Owns one execution of a worker: run it, and store what it ended with.

use crate::controller::driver::{Driver, Ended};
use crate::{
    engine::{Engine, STORE_RETRY, store_health::Waiting},
    machine::Migrations,
    metrics,
    store::{Attempts, Cause, Change, Note, Origin, Release, Row, Verdict, shortened},
    worker::{Attempt, Limits, WorkError},
};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Runs the worker of the attempt's state, and stores its result. Gives the row as that left it, where it was stored.
#[expect(clippy::manual_async_fn, reason = "an `async fn` would hold what it is given twice")]
pub(crate) fn work(
    engine: Arc<Engine>,
    driver: Arc<dyn Driver>,
    attempt: Arc<Attempt>,
    giving_up: CancellationToken,
) -> impl Future<Output = Option<Box<Row>>> + Send {
    async move {
        let outcome = driver.run(engine.clone(), attempt.clone()).await;
        let change = conclude(&*driver, &engine.migrations, &attempt, outcome)?;
        // A task is as large as the largest of what it may wait for, and most of the time it waits for its worker.
        Box::pin(persist(&engine, &attempt.row, change, &giving_up)).await
    }
}

/// What the end of an attempt is to its row; `None` where it had been given up, so that what it said counts no more.
fn conclude(
    driver: &dyn Driver,
    migrations: &Migrations,
    attempt: &Attempt,
    outcome: Result<Ended, WorkError>,
) -> Option<Change> {
    let Attempt { row, limits, signals } = attempt;
    if !signals.returned() {
        tracing::debug!("the worker returned after it was given up: what it said counts no more");
        return None;
    }
    let at_work = signals.at_work();
    let (outcome, change) = match (outcome, signals.overdue()) {
        // Also when it was told to end: what is done is done.
        (Ok(Ended::Fired(transition)), _) => ("fired", Change::Transition(*transition)),
        (_, Some(overdue)) => {
            let error = WorkError::from(overdue.to_string());
            (overdue.name(), failure(driver, migrations, row, &error, *limits))
        }
        // It came back by itself: what failed before that does not count against the long-lived.
        (Ok(Ended::Requeue(after)), None) => ("again", Change::Release(release(row, after, Attempts::Reset, None))),
        // It was told to end, and an error is how many a library ends then.
        (Err(_), None) if signals.is_cancelled() => {
            ("cancelled", Change::Release(release(row, Duration::ZERO, Attempts::GiveBack, None)))
        }
        (Err(error), None) => {
            let outcome = if error.is_permanent() { "permanent" } else { "retry" };
            (outcome, failure(driver, migrations, row, &error, *limits))
        }
    };
    metrics::worked(&row.key.machine, &row.state, outcome, at_work);
    Some(change)
}

/// What a failed attempt is to its row: another one later; or the end of them, which is the state's `exhausted` event, or
/// else parking.
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
    } else if row.attempt >= limits.attempts {
        format!("{} attempts failed, the last with: {text}", row.attempt)
    } else {
        let retry = error.delay().unwrap_or_else(|| limits.backoff.delay(row.attempt));
        tracing::warn!(
            machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version,
            attempt = row.attempt, error = %text, retry_in = ?retry, "work failed"
        );
        return Change::Release(release(row, retry, Attempts::Keep, Some(text)));
    };
    // The user's code: were its panic not caught here, the work would go on past its limit.
    let answer = catch_unwind(AssertUnwindSafe(|| driver.exhausted(migrations, row, error)));
    match answer.unwrap_or_else(|_| Some(Err("it panicked".to_owned()))) {
        Some(Ok(transition)) => {
            tracing::error!(
                machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version,
                attempt = row.attempt, reason = %why, event = %transition.event, "work is given up: its event is fired"
            );
            return Change::Transition(transition);
        }
        Some(Err(wrong)) => why = format!("{why}; the state's `exhausted` event could not be fired: {wrong}"),
        None => {}
    }
    park(row, why, text)
}

/// No more work, visibly, until somebody or something moves the instance.
fn park(row: &Row, why: String, error: String) -> Change {
    let why = shortened(why);
    tracing::error!(
        machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version,
        attempt = row.attempt, reason = %why, "parked: no more work until an event or `release`"
    );
    metrics::parked(&row.key.machine, &row.state);
    Change::Release(Release {
        retry: None,
        parked: Some(why.clone()),
        note: Some(Note { about: "parked", text: why, cause: Cause::Worker, origin: Origin::default() }),
        ..release(row, Duration::ZERO, Attempts::Keep, Some(error))
    })
}

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

/// Stores `change` of `row`, however long the store is away; until `giving_up`, after which the row is left to be taken over.
/// What the store can never take parks the instance. Gives the row as it is then; `None` where somebody else knows.
///
/// Tried again after an uncertain commit, it meets its own compare-and-swap: nothing is ever made twice.
pub(crate) async fn persist(
    engine: &Engine,
    row: &Row,
    mut change: Change,
    giving_up: &CancellationToken,
) -> Option<Box<Row>> {
    let (mut tries, mut waiting) = (0, None);
    loop {
        let answer = engine.commit_own(change.clone()).await;
        if answer.is_ok()
            && let Some(waiting) = waiting.take()
        {
            Waiting::answered(waiting);
        }
        let error = match answer {
            Ok(Verdict::Committed { mut rows }) => return rows.pop().map(Box::new),
            Ok(verdict) if verdict.refusal().is_some() && matches!(change, Change::Transition(_)) => {
                let reason = verdict.refusal().unwrap_or_default();
                let error = format!("the store refused the result: {reason}");
                change = park(row, format!("permanent error: {error}"), error);
                continue;
            }
            // The instance has moved on, or another worker has it: what this one did counts no more.
            Ok(verdict @ (Verdict::Conflict { .. } | Verdict::Fenced { .. })) => {
                tracing::debug!(?change, ?verdict, "a result came too late");
                return None;
            }
            Ok(verdict) => {
                tracing::error!(?change, ?verdict, "the store refused a result");
                return None;
            }
            Err(error) => error,
        };
        tries += 1;
        if waiting.is_none() {
            waiting = Some(engine.outage.wait("result", &row.key, &error));
        }
        if giving_up.is_cancelled() {
            tracing::error!(?change, %error, "a result is given up: the work will be done again");
            return None;
        }
        tokio::select! {
            () = engine.clock.sleep(STORE_RETRY.delay(tries)) => {}
            () = giving_up.cancelled() => {}
        }
    }
}
