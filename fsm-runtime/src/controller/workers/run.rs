//! One execution of a worker: runs it, and concludes what its end stores.

use super::result::{Conclusion, Ending};
use crate::{
    breaker::Permit,
    controller::driver::{Driver, Ended, WorkResult},
    engine::Engine,
    log::{log_attempt, unnamed},
    metrics,
    store::{Attempts, Cause, Change, Note, Origin, Release, Row, shortened},
    worker::{Attempt, Beside, Limits, WorkError},
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
    permit: Option<Permit>,
    giving_up: CancellationToken,
) -> impl Future<Output = Option<Box<Row>>> + Send {
    async move {
        let call = BreakerCall { attempt: &attempt, permit };
        let outcome = driver.run(engine.clone(), attempt.clone()).await;
        call.ended(&outcome);
        let end = conclude(&*driver, &engine, &attempt, outcome)?;
        let Attempt { row, limits, .. } = &*attempt;
        let ending = Ending { engine: &engine, driver: &driver, row, limits: *limits, giving_up: &giving_up };
        // Boxed: a task is as large as the largest future that it awaits, and mostly it awaits its worker.
        Box::pin(ending.store(end)).await
    }
}

/// An attempt that a breaker has admitted. Its end is recorded in the breaker, also if that is an abort or a panic.
struct BreakerCall<'a> {
    attempt: &'a Attempt,
    permit: Option<Permit>,
}

impl BreakerCall<'_> {
    fn ended(mut self, outcome: &Result<WorkResult, WorkError>) {
        // Without a count, `drop` decides.
        match outcome {
            Ok(_) => {
                if let Some(permit) = self.permit.take() {
                    permit.succeeded();
                }
            }
            Err(error) if !self.attempt.signals.is_cancelled() => {
                if let Some(permit) = self.permit.take_if(|permit| permit.breaker().counts(error)) {
                    permit.failed(error);
                }
            }
            Err(_) => {}
        }
    }
}

impl Drop for BreakerCall<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        if let Some(overdue) = self.attempt.signals.overdue() {
            permit.failed(overdue);
        } else if std::thread::panicking() {
            permit.failed("the worker panicked");
        }
    }
}

/// What the end of an attempt stores; `None` where the worker was aborted before.
fn conclude(
    driver: &dyn Driver,
    engine: &Engine,
    attempt: &Attempt,
    mut outcome: Result<WorkResult, WorkError>,
) -> Option<Conclusion> {
    let Attempt { row, limits, signals, .. } = attempt;
    if !signals.returned() {
        tracing::debug!("the worker returned after its abort: its result is dropped");
        return None;
    }
    let elapsed = signals.elapsed();
    let refused = outcome.as_mut().err().and_then(WorkError::take_refused);
    let mut with = Beside::default();
    let (outcome, change) = match (outcome, signals.overdue()) {
        // Counts also when the worker was cancelled.
        (Ok(WorkResult { ended: Ended::Fired(transition), beside }), _) => {
            with = beside;
            ("fired", Change::Transition(*transition))
        }
        (_, Some(overdue)) => {
            let error = WorkError::from(overdue.to_string());
            (overdue.name(), failure(driver, engine, row, &error, *limits))
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
            (outcome, failure(driver, engine, row, &error, *limits))
        }
    };
    metrics::worked(&row.key.machine, &row.state, outcome, elapsed);
    Some(Conclusion { change, refused, beside: with })
}

/// The change that a failed attempt makes to its row: another attempt later; after the last one the state's `exhausted` event, or
/// parking where the state has none.
pub(crate) fn failure(driver: &dyn Driver, engine: &Engine, row: &Row, error: &WorkError, limits: Limits) -> Change {
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
    let answer = catch_unwind(AssertUnwindSafe(|| driver.exhausted(engine, row, error)));
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
pub(super) fn park(row: &Row, why: String, error: String) -> Change {
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
