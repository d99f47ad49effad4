//! Owns the pursuit of what is wished of an instance: what happened since the last look, and what is to be done about it.

use super::{
    driver::Driver,
    event_loop::{Run, Step},
};
use crate::worker::Limits;
use crate::{
    convergence::{Decision, Stored, decide, refused},
    engine::Engine,
    store::{
        Cause, Change, HistoryEntry, HistoryKind, HistoryQuery, Note, Origin, Row, SetDesiredState, StoreError, Verdict,
    },
};

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// How many history entries are read at once.
const PAGE: usize = 50;

impl Run {
    pub(super) fn pursue(&mut self, row: Row) {
        let Some(driver) = self.drivers.get(&*row.key.machine).cloned() else { return };
        let (engine, limits) = (self.engine.clone(), self.limits(&row));
        self.step(row.key.clone(), async move { Step::Stored(step(&engine, &*driver, &row, limits).await) });
    }
}

/// One step on the way: everything is decided by what is stored, so that after a crash the next look does the same.
async fn step(engine: &Arc<Engine>, driver: &dyn Driver, row: &Row, limits: Limits) -> Result<(), StoreError> {
    let Some(desired) = Stored::of(row) else {
        // In the words of another release: it is for that one to pursue.
        let asleep = SetDesiredState::of(row, row.desired.clone(), None, None);
        return engine.commit(Change::SetDesiredState(asleep)).await.map(drop);
    };
    let happened = happened(engine, row, desired.seen).await?;
    let (desired, decision) = decide(driver.graph(), row, desired, &happened, limits);
    let decision = match decision {
        Decision::Fire(event) => match fire(engine, driver, row, event).await? {
            Ok(()) => return Ok(()),
            Err(reason) => refused(desired, row, event, reason, limits),
        },
        keep @ Decision::Keep { .. } => keep,
    };
    let Decision::Keep { desired, retry, note } = decision else { return Ok(()) };
    if let Some((about, text)) = &note {
        tracing::warn!(machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version, %text, "{about}");
    }
    let note = note.map(|(about, text)| Note { about, text, cause: Cause::Converge, origin: Origin::default() });
    let due = retry.map(|setback| limits.backoff.delay(setback));
    engine.commit(Change::SetDesiredState(SetDesiredState::of(row, Some(desired.text()), due, note))).await.map(drop)
}

/// Fires `event`; the inner error says why it could not be fired.
async fn fire(
    engine: &Arc<Engine>,
    driver: &dyn Driver,
    row: &Row,
    event: &str,
) -> Result<Result<(), String>, StoreError> {
    // The user's code: were its panic not caught here, nothing else would be done about the instance any more.
    let made = catch_unwind(AssertUnwindSafe(|| driver.auto(&engine.migrations, row, event)));
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
            tracing::info!(machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, %event, "event fired toward the desired state");
            Ok(())
        }
        // Somebody else was first: the next look sees what has become of it.
        _ => Ok(()),
    })
}

/// What moved the instance from version `seen` on, oldest first; that version's own entry too, where it is still there.
async fn happened(engine: &Engine, row: &Row, seen: u64) -> Result<Vec<HistoryEntry>, StoreError> {
    let (mut entries, mut after) = (Vec::new(), u64::MAX);
    loop {
        let query = HistoryQuery { key: Some(row.key.clone()), after, newest_first: true, limit: PAGE };
        let page = engine.asked("history", engine.store.history(query)).await?;
        let Some(last) = page.last() else { break };
        after = last.sequence;
        let over = last.incarnation != row.incarnation || last.version < seen;
        // What was written after the row was read is for the next look.
        let ours = |it: &HistoryEntry| {
            it.incarnation == row.incarnation
                && it.kind != HistoryKind::Note
                && (seen..=row.version).contains(&it.version)
        };
        entries.extend(page.into_iter().filter(ours));
        if over {
            break;
        }
    }
    entries.reverse();
    Ok(entries)
}
