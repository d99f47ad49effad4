//! Decides what to do about an instance, from its row and its worker. Pure.

use crate::store::{Held, Row};
use fsm_core::StateKind;
use std::time::SystemTime;
use uuid::Uuid;

/// One visit of an instance to a state, under one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    incarnation: Uuid,
    entered: u64,
    fence: u64,
}

impl Visit {
    pub(crate) fn of(row: &Row) -> Self {
        Self { incarnation: row.incarnation, entered: row.entered, fence: row.fence }
    }

    /// The visit of a claim as the store lists it.
    pub(crate) fn held(held: &Held) -> Self {
        Self { incarnation: held.incarnation, entered: held.entered, fence: held.fence }
    }

    /// Whether `later` is the same visit under a later claim.
    pub(crate) fn was_claimed_since(self, later: Self) -> bool {
        (self.incarnation, self.entered) == (later.incarnation, later.entered) && self.fence < later.fence
    }
}

/// The action that an instance needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Do nothing until something changes.
    Rest,
    /// Do nothing until then.
    WaitUntil(SystemTime),
    /// Cancel the running worker: its visit or its claim is over.
    CancelWorker,
    /// Fire the timer, which is due.
    FireTimer,
    /// Reconcile the desired state, which is due.
    Converge,
    /// Claim the row, whose work is due, and start a worker.
    Claim,
    /// Remove the owner of a row without work.
    ReleaseClaim,
    /// Remove the owner of a row whose work is due: another process works on its bucket, or it is held.
    HandOver,
    /// Leave the row to newer code: this code does not know its state or its schema.
    LeaveUnknown,
}

/// Decides what to do about the instance stored as `row`, while a worker of this process runs for `running`.
///
/// `kind` is the kind of the row's state in the graph; `None` where this code does not know the row. While the owner is
/// `elsewhere`, which is another process with a live lease, that process works on the row or releases it. Any other owner without
/// a running worker is a dead process, or a claim of this process whose answer was lost: the row is claimed under a new fence.
pub(crate) fn decide(
    row: &Row,
    kind: Option<StateKind>,
    running: Option<Visit>,
    elsewhere: bool,
    now: SystemTime,
) -> Action {
    let Some(kind) = kind else {
        return if running.is_some() { Action::CancelWorker } else { Action::LeaveUnknown };
    };
    if row.timer_at.is_some_and(|at| at <= now) {
        return Action::FireTimer;
    }
    if row.desired_at.is_some_and(|at| at <= now) {
        return Action::Converge;
    }
    let beside_work = row.timer_at.into_iter().chain(row.desired_at).min();
    if let Some(running) = running {
        let goes_on = running == Visit::of(row) && row.hold.is_none();
        return if goes_on { wait(beside_work) } else { Action::CancelWorker };
    }
    if elsewhere {
        return wait(beside_work);
    }
    if kind != StateKind::Work {
        return if row.owner.is_some() { Action::ReleaseClaim } else { wait(beside_work) };
    }
    if row.parked.is_some() {
        return wait(beside_work);
    }
    if row.hold.is_some() {
        return if row.owner.is_some() { Action::HandOver } else { wait(beside_work) };
    }
    match row.retry_at {
        Some(at) if at > now => wait(row.wake_at()),
        _ => Action::Claim,
    }
}

/// Decides what to do about an instance in a bucket that another process works on. A worker goes on until its visit is over; what comes
/// after it, timers and convergence are the other process's. `is_owner`: this process has claimed the row.
pub(crate) fn decide_elsewhere(row: &Row, kind: Option<StateKind>, running: Option<Visit>, is_owner: bool) -> Action {
    match (running, kind) {
        (Some(running), Some(_)) if running == Visit::of(row) && row.hold.is_none() => Action::Rest,
        (Some(_), _) => Action::CancelWorker,
        (None, _) if !is_owner => Action::Rest,
        (None, None) => Action::LeaveUnknown,
        (None, Some(StateKind::Work)) if row.parked.is_none() => Action::HandOver,
        (None, Some(_)) => Action::ReleaseClaim,
    }
}

/// Decides what to do about an instance that does not exist.
pub(crate) fn decide_without_row(running: Option<Visit>) -> Action {
    if running.is_some() { Action::CancelWorker } else { Action::Rest }
}

fn wait(until: Option<SystemTime>) -> Action {
    until.map_or(Action::Rest, Action::WaitUntil)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn row() -> Row {
        Row { fence: 7, ..Row::example("M", "S", 3) }
    }

    fn in_secs(seconds: u64) -> SystemTime {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn work_is_claimed_when_due() {
        let due = Row { retry_at: Some(NOW), ..row() };
        assert_eq!(decide(&due, Some(StateKind::Work), None, false, NOW), Action::Claim);
        let later = Row { retry_at: Some(in_secs(5)), timer_at: Some(in_secs(9)), ..row() };
        assert_eq!(
            decide(&later, Some(StateKind::Work), None, false, NOW),
            Action::WaitUntil(NOW + Duration::from_secs(5))
        );
    }

    #[test]
    fn claims_of_dead_processes_are_taken_over() {
        let orphan = Row { owner: Some("dead".into()), ..row() };
        assert_eq!(decide(&orphan, Some(StateKind::Work), None, false, NOW), Action::Claim);
    }

    #[test]
    fn only_the_timer_of_a_foreign_claim_fires() {
        let held = Row { owner: Some("other".into()), timer_at: Some(in_secs(9)), ..row() };
        for kind in [StateKind::Work, StateKind::Rest] {
            assert_eq!(decide(&held, Some(kind), None, true, NOW), Action::WaitUntil(in_secs(9)));
        }
        let due = Row { timer_at: Some(NOW), ..held };
        assert_eq!(decide(&due, Some(StateKind::Work), None, true, NOW), Action::FireTimer);
    }

    #[test]
    fn a_worker_in_its_state_is_left_running() {
        let mine = Row { owner: Some("me".into()), ..row() };
        let visit = Some(Visit::of(&mine));
        assert_eq!(decide(&mine, Some(StateKind::Work), visit, false, NOW), Action::Rest);
    }

    #[test]
    fn a_worker_is_cancelled_when_its_state_is_left() {
        let visit = Some(Visit::of(&row()));
        let reentered = Row { version: 4, entered: 4, ..row() };
        assert_eq!(decide(&reentered, Some(StateKind::Work), visit, false, NOW), Action::CancelWorker);
        let recreated = Row { incarnation: Uuid::max(), ..row() };
        assert_eq!(decide(&recreated, Some(StateKind::Work), visit, false, NOW), Action::CancelWorker);
        let reclaimed = Row { fence: 8, ..row() };
        assert_eq!(decide(&reclaimed, Some(StateKind::Work), visit, false, NOW), Action::CancelWorker);
        assert_eq!((decide_without_row(visit), decide_without_row(None)), (Action::CancelWorker, Action::Rest));
    }

    #[test]
    fn a_worker_ends_its_visit_in_a_bucket_that_moved_away() {
        let mine = Row { owner: Some("me".into()), timer_at: Some(NOW), ..row() };
        let (visit, work) = (Some(Visit::of(&mine)), Some(StateKind::Work));
        assert_eq!(decide_elsewhere(&mine, work, visit, true), Action::Rest);
        let reentered = Row { version: 4, entered: 4, ..mine.clone() };
        assert_eq!(decide_elsewhere(&reentered, work, visit, true), Action::CancelWorker);
        assert_eq!(decide_elsewhere(&mine, None, visit, true), Action::CancelWorker);
        assert_eq!(decide_elsewhere(&mine, work, None, true), Action::HandOver);
        assert_eq!(decide_elsewhere(&mine, Some(StateKind::Rest), None, true), Action::ReleaseClaim);
        assert_eq!(decide_elsewhere(&mine, None, None, true), Action::LeaveUnknown);
        assert_eq!(decide_elsewhere(&mine, work, None, false), Action::Rest);
    }

    #[test]
    fn a_timer_fires_beside_the_worker() {
        let due = Row { timer_at: Some(NOW), ..row() };
        let visit = Some(Visit::of(&due));
        assert_eq!(decide(&due, Some(StateKind::Work), visit, false, NOW), Action::FireTimer);
    }

    #[test]
    fn a_desired_state_is_reconciled_when_due_beside_a_worker() {
        let due = Row { desired: Some("W".into()), desired_at: Some(NOW), ..row() };
        let visit = Some(Visit::of(&due));
        for running in [visit, None] {
            assert_eq!(decide(&due, Some(StateKind::Work), running, false, NOW), Action::Converge);
        }
        let later = Row { desired_at: Some(in_secs(5)), timer_at: Some(in_secs(9)), ..due };
        for (kind, running) in [(StateKind::Work, visit), (StateKind::Rest, None)] {
            assert_eq!(decide(&later, Some(kind), running, false, NOW), Action::WaitUntil(in_secs(5)));
        }
    }

    #[test]
    fn only_the_timer_of_a_parked_instance_fires() {
        let parked = Row { parked: Some("why".into()), retry_at: Some(NOW), timer_at: Some(in_secs(9)), ..row() };
        assert_eq!(
            decide(&parked, Some(StateKind::Work), None, false, NOW),
            Action::WaitUntil(NOW + Duration::from_secs(9))
        );
    }

    #[test]
    fn a_held_instance_is_not_worked_on() {
        let held = Row { hold: Some("why".into()), retry_at: Some(NOW), timer_at: Some(in_secs(9)), ..row() };
        let work = Some(StateKind::Work);
        assert_eq!(decide(&held, work, None, false, NOW), Action::WaitUntil(in_secs(9)), "its timer runs");
        let visit = Some(Visit::of(&held));
        for action in [decide(&held, work, visit, false, NOW), decide_elsewhere(&held, work, visit, true)] {
            assert_eq!(action, Action::CancelWorker);
        }
        let owned = Row { owner: Some("me".into()), ..held };
        assert_eq!(decide(&owned, work, None, false, NOW), Action::HandOver, "its worker has ended");
    }

    #[test]
    fn the_owner_is_cleared_in_a_state_without_work() {
        let owned = Row { owner: Some("me".into()), ..row() };
        assert_eq!(decide(&owned, Some(StateKind::Rest), None, false, NOW), Action::ReleaseClaim);
        assert_eq!(decide(&row(), Some(StateKind::End), None, false, NOW), Action::Rest);
    }

    #[test]
    fn an_unknown_state_is_left_untouched() {
        let owned = Row { owner: Some("me".into()), ..row() };
        assert_eq!(decide(&owned, None, None, false, NOW), Action::LeaveUnknown);
        let visit = Some(Visit::of(&row()));
        assert_eq!(
            decide(&owned, None, visit, false, NOW),
            Action::CancelWorker,
            "its worker does not know the new state"
        );
    }
}
