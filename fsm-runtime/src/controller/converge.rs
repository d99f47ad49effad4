//! Reconciles an instance toward its desired state: one step at a time, each decided from what is stored, so that a crash loses
//! nothing.

use super::driver::Driver;
use crate::{
    convergence::{ConvergenceLimits, Decision, DesiredStateRecord, decide, refused},
    engine::{Engine, instance_history::NewestFirst},
    log::{log_row, unnamed},
    store::{Cause, Change, HistoryEntry, HistoryKind, Note, Origin, Row, SetDesiredState, StoreError, Verdict},
    worker::Limits,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Fires the next event toward the desired state of `row`, or stores why none is fired now.
pub(super) async fn converge(
    engine: &Arc<Engine>,
    driver: &dyn Driver,
    row: &Row,
    limits: Limits,
) -> Result<(), StoreError> {
    let desired = match DesiredStateRecord::of(row) {
        Ok(Some(desired)) => desired,
        Ok(None) => return Ok(()),
        Err(error) => return set_aside(engine, row, &error.to_string()).await,
    };
    let history = history_since(engine, row, desired.seen).await?;
    let convergence = ConvergenceLimits { max_setbacks: limits.max_attempts, reset_after: limits.backoff.longest };
    let (desired, decision) = decide(driver.graph(), row, desired, &history, convergence);
    let decision = match decision {
        Decision::Fire(event) => match fire(engine, driver, row, event).await? {
            Ok(()) => return Ok(()),
            Err(reason) => refused(desired, row, event, reason, convergence),
        },
        keep @ Decision::Keep { .. } => keep,
    };
    let Decision::Keep { desired, retry, note } = decision else { return Ok(()) };
    if let Some((about, text)) = &note {
        log_row!(warn, row, %text, "{about}");
    }
    let note = note.map(|(about, text)| Note { about, text, cause: Cause::Converge, origin: Origin::default() });
    let due = retry.map(|setback| limits.backoff.delay(setback));
    engine.commit(Change::SetDesiredState(SetDesiredState::of(row, Some(desired.text()), due, note))).await.map(drop)
}

/// Takes an unreadable desired state off the schedule until the instance moves, so that it is logged once and does not hold up the
/// instance's work. What is stored stays as it is, for the release that can read it.
async fn set_aside(engine: &Arc<Engine>, row: &Row, error: &str) -> Result<(), StoreError> {
    let change = SetDesiredState::of(row, row.desired.clone(), None, None);
    if let Verdict::Committed { .. } = engine.commit(Change::SetDesiredState(change)).await? {
        let error = unnamed(&row.key, &row.state, error);
        log_row!(error, row, %error, "the stored desired state cannot be read; it is left unchanged");
    }
    Ok(())
}

/// Fires `event`. The inner error says why it could not be fired.
async fn fire(
    engine: &Arc<Engine>,
    driver: &dyn Driver,
    row: &Row,
    event: &str,
) -> Result<Result<(), String>, StoreError> {
    // User code may panic; the instance must still be reconciled later.
    let made = catch_unwind(AssertUnwindSafe(|| driver.auto(engine, row, event)));
    let transition = match made.unwrap_or_else(|_| Err("it panicked".to_owned())) {
        Ok(transition) => transition,
        Err(reason) => return Ok(Err(reason)),
    };
    let verdict = engine.commit(Change::Transition(transition)).await?;
    if let Some(reason) = verdict.refusal() {
        return Ok(Err(format!("the store refused it: {reason}")));
    }
    Ok(match verdict {
        Verdict::Committed { .. } => {
            log_row!(info, row, %event, "event fired toward the desired state");
            Ok(())
        }
        // Another change came first: the next look continues from there.
        _ => Ok(()),
    })
}

/// The transitions of the instance from version `seen` on, oldest first, including that version's own entry.
async fn history_since(engine: &Engine, row: &Row, seen: u64) -> Result<Vec<HistoryEntry>, StoreError> {
    let (mut entries, mut pages) = (Vec::new(), NewestFirst::new(engine, &row.key));
    while let Some(page) = pages.next().await? {
        let complete = page.last().is_none_or(|last| last.incarnation != row.incarnation || last.version < seen);
        // Entries newer than the row are left to the next look.
        let relevant = |it: &HistoryEntry| {
            it.incarnation == row.incarnation
                && it.kind != HistoryKind::Note
                && (seen..=row.version).contains(&it.version)
        };
        entries.extend(page.into_iter().filter(relevant));
        if complete {
            break;
        }
    }
    entries.reverse();
    Ok(entries)
}
