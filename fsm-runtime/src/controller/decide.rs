//! Owns the decision: what is to be done about an instance, from what is stored and who works on it. Pure.

use crate::store::Row;
use fsm_core::StateKind;
use std::time::SystemTime;
use uuid::Uuid;

/// One stay of an instance in a state, under one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stay {
    incarnation: Uuid,
    entered: u64,
    fence: u64,
}

impl Stay {
    pub(crate) fn of(row: &Row) -> Self {
        Self { incarnation: row.incarnation, entered: row.entered, fence: row.fence }
    }

    /// Whether `later` is the same stay under another claim.
    pub(crate) fn was_claimed_since(self, later: Self) -> bool {
        (self.incarnation, self.entered) == (later.incarnation, later.entered) && self.fence < later.fence
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing, until something changes.
    Rest,
    /// Nothing, until then.
    Wait(SystemTime),
    /// The worker that runs has lost its stay: stop it.
    Cancel,
    /// The timer is due.
    Fire,
    /// What is wished of it is due.
    Pursue,
    /// Work is due, and nobody is at it.
    Claim,
    /// Somebody is named as owner, and there is no work.
    Disown,
    /// The state is none that this code knows, or the row was written by newer code.
    Unknown,
}

/// What to do about an instance that is stored as `row`, while a worker of this process runs for `running`.
///
/// `kind` is that of the row's state in the graph; `None` where this code does not know the row. While the owner is
/// `elsewhere`, another process whose lease lives, it is for that one to work on the row or to give it up. Any other owner
/// without a running worker is a process that is gone, or a claim of this one whose answer was lost: the row is claimed
/// anew, under a new fence.
pub(crate) fn plan(
    row: &Row,
    kind: Option<StateKind>,
    running: Option<Stay>,
    elsewhere: bool,
    now: SystemTime,
) -> Plan {
    let Some(kind) = kind else {
        return if running.is_some() { Plan::Cancel } else { Plan::Unknown };
    };
    if row.timer_at.is_some_and(|at| at <= now) {
        return Plan::Fire;
    }
    if row.desired_at.is_some_and(|at| at <= now) {
        return Plan::Pursue;
    }
    let beside_work = row.timer_at.into_iter().chain(row.desired_at).min();
    if let Some(running) = running {
        return if running == Stay::of(row) { wait(beside_work) } else { Plan::Cancel };
    }
    if elsewhere {
        return wait(beside_work);
    }
    if kind != StateKind::Work {
        return if row.owner.is_some() { Plan::Disown } else { wait(beside_work) };
    }
    if row.parked.is_some() {
        return wait(beside_work);
    }
    match row.retry_at {
        Some(at) if at > now => wait(row.wake_at()),
        _ => Plan::Claim,
    }
}

/// What to do about an instance that is not there.
pub(crate) fn plan_without_row(running: Option<Stay>) -> Plan {
    if running.is_some() { Plan::Cancel } else { Plan::Rest }
}

fn wait(until: Option<SystemTime>) -> Plan {
    until.map_or(Plan::Rest, Plan::Wait)
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
        assert_eq!(plan(&due, Some(StateKind::Work), None, false, NOW), Plan::Claim);
        let later = Row { retry_at: Some(in_secs(5)), timer_at: Some(in_secs(9)), ..row() };
        assert_eq!(plan(&later, Some(StateKind::Work), None, false, NOW), Plan::Wait(NOW + Duration::from_secs(5)));
    }

    #[test]
    fn claims_of_dead_processes_are_taken_over() {
        let orphan = Row { owner: Some("dead".into()), ..row() };
        assert_eq!(plan(&orphan, Some(StateKind::Work), None, false, NOW), Plan::Claim);
    }

    #[test]
    fn only_the_timer_of_a_foreign_claim_fires() {
        let held = Row { owner: Some("other".into()), timer_at: Some(in_secs(9)), ..row() };
        for kind in [StateKind::Work, StateKind::Rest] {
            assert_eq!(plan(&held, Some(kind), None, true, NOW), Plan::Wait(in_secs(9)));
        }
        let due = Row { timer_at: Some(NOW), ..held };
        assert_eq!(plan(&due, Some(StateKind::Work), None, true, NOW), Plan::Fire);
    }

    #[test]
    fn a_worker_in_its_state_is_left_running() {
        let mine = Row { owner: Some("me".into()), ..row() };
        let stay = Some(Stay::of(&mine));
        assert_eq!(plan(&mine, Some(StateKind::Work), stay, false, NOW), Plan::Rest);
    }

    #[test]
    fn a_worker_is_cancelled_when_its_state_is_left() {
        let stay = Some(Stay::of(&row()));
        let entered_anew = Row { version: 4, entered: 4, ..row() };
        assert_eq!(plan(&entered_anew, Some(StateKind::Work), stay, false, NOW), Plan::Cancel);
        let created_anew = Row { incarnation: Uuid::max(), ..row() };
        assert_eq!(plan(&created_anew, Some(StateKind::Work), stay, false, NOW), Plan::Cancel);
        let claimed_by_another = Row { fence: 8, ..row() };
        assert_eq!(plan(&claimed_by_another, Some(StateKind::Work), stay, false, NOW), Plan::Cancel);
        assert_eq!((plan_without_row(stay), plan_without_row(None)), (Plan::Cancel, Plan::Rest));
    }

    #[test]
    fn a_timer_fires_beside_the_worker() {
        let due = Row { timer_at: Some(NOW), ..row() };
        let stay = Some(Stay::of(&due));
        assert_eq!(plan(&due, Some(StateKind::Work), stay, false, NOW), Plan::Fire);
    }

    #[test]
    fn a_wish_is_looked_after_beside_the_worker_and_in_its_time() {
        let due = Row { desired: Some("W".into()), desired_at: Some(NOW), ..row() };
        let stay = Some(Stay::of(&due));
        for running in [stay, None] {
            assert_eq!(plan(&due, Some(StateKind::Work), running, false, NOW), Plan::Pursue);
        }
        let later = Row { desired_at: Some(in_secs(5)), timer_at: Some(in_secs(9)), ..due };
        for (kind, running) in [(StateKind::Work, stay), (StateKind::Rest, None)] {
            assert_eq!(plan(&later, Some(kind), running, false, NOW), Plan::Wait(in_secs(5)));
        }
    }

    #[test]
    fn only_the_timer_of_a_parked_instance_fires() {
        let parked = Row { parked: Some("why".into()), retry_at: Some(NOW), timer_at: Some(in_secs(9)), ..row() };
        assert_eq!(plan(&parked, Some(StateKind::Work), None, false, NOW), Plan::Wait(NOW + Duration::from_secs(9)));
    }

    #[test]
    fn the_owner_is_cleared_in_a_state_without_work() {
        let owned = Row { owner: Some("me".into()), ..row() };
        assert_eq!(plan(&owned, Some(StateKind::Rest), None, false, NOW), Plan::Disown);
        assert_eq!(plan(&row(), Some(StateKind::End), None, false, NOW), Plan::Rest);
    }

    #[test]
    fn an_unknown_state_is_left_untouched() {
        let owned = Row { owner: Some("me".into()), ..row() };
        assert_eq!(plan(&owned, None, None, false, NOW), Plan::Unknown);
        let stay = Some(Stay::of(&row()));
        assert_eq!(plan(&owned, None, stay, false, NOW), Plan::Cancel, "its worker cannot know what it has become");
    }
}
