//! Decides what to do about a desired state, from the row and what happened since the last look.

use super::{
    explain,
    record::{DesiredStateRecord, Interruption},
};
use crate::store::{Cause, HistoryEntry, HistoryKind, Row};
use fsm_core::{Blocker, Graph, NextStep};
use std::time::Duration;

/// How long an instance is brought to its desired state again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvergenceLimits {
    /// After so many setbacks in a row no more events are fired.
    pub(crate) max_setbacks: u32,
    /// Setbacks are forgotten when the target was held for so long.
    pub(crate) reset_after: Duration,
}

/// The next action toward a desired state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Fire this event.
    Fire(&'static str),
    /// Store the record, and fire nothing now.
    Keep {
        desired: DesiredStateRecord,
        /// The number of the setback whose backoff is waited for; `None` where something else has to happen first.
        retry: Option<u32>,
        /// The history note: what it is about, and its text.
        note: Option<(&'static str, String)>,
    },
}

/// Reconciles the desired state with `history`, and decides what to do now. Pure.
pub(crate) fn decide(
    graph: &'static Graph,
    row: &Row,
    mut desired: DesiredStateRecord,
    history: &[HistoryEntry],
    limits: ConvergenceLimits,
) -> (DesiredStateRecord, Decision) {
    let (state, target) = (name(graph, &row.state), name(graph, &desired.target).to_owned());
    let was_suspended = desired.is_suspended();
    let fell_back = reconcile(graph, &target, &mut desired, history, limits.reset_after);
    desired.seen = row.version;
    let keep = |desired: DesiredStateRecord, retry, note| (desired.clone(), Decision::Keep { desired, retry, note });
    if let Some(why) = desired.interruption.as_ref().filter(|_| desired.is_suspended()) {
        let note = (!was_suspended).then(|| ("desired state suspended", why.to_string()));
        return keep(desired, None, note);
    }
    match graph.next_step(state, &target) {
        NextStep::Fire(_) if fell_back && desired.setbacks >= limits.max_setbacks => {
            let why = desired.interruption.as_ref().map(ToString::to_string).unwrap_or_default();
            let note = ("desired state given up", format!("{} setbacks, the last: {why}", desired.setbacks));
            keep(desired, None, Some(note))
        }
        NextStep::Fire(_) if fell_back => {
            let retry = Some(desired.setbacks);
            keep(desired, retry, None)
        }
        NextStep::Fire(transition) => (desired, Decision::Fire(transition.event)),
        NextStep::Blocked(blocker) => {
            let why = match blocker {
                Blocker::Payload(it) => explain::needs_payload(it.event, it.from),
                Blocker::Branch(it) => explain::branches(it.event, it.from),
                _ => explain::no_path(state, &target),
            };
            let note = ("desired state blocked", why);
            keep(DesiredStateRecord { interruption: None, ..desired }, None, Some(note))
        }
        _ => keep(DesiredStateRecord { interruption: None, ..desired }, None, None),
    }
}

/// Goes through `history`: a caller's event that leads away suspends the desired state; work or a timer that does is a setback.
/// Returns whether the last entry was a setback.
fn reconcile(
    graph: &'static Graph,
    target: &str,
    desired: &mut DesiredStateRecord,
    history: &[HistoryEntry],
    reset_after: Duration,
) -> bool {
    let mut fell_back = false;
    let mut entered = None;
    // An internal transition neither leads away nor nearer.
    for entry in history.iter().filter(|entry| entry.kind != HistoryKind::Internal) {
        let held = entered.and_then(|entered| entry.at.duration_since(entered).ok()).unwrap_or_default();
        entered = Some(entry.at);
        let Some(from) = entry.from.as_deref().filter(|_| entry.version > desired.seen && !desired.is_suspended())
        else {
            continue;
        };
        let (from, to) = (name(graph, from), name(graph, &entry.to));
        let (before, after) = (graph.steps_left(from, target), graph.steps_left(to, target));
        // Without a path from the state before, nothing leads away.
        let away = before.is_some_and(|before| after.is_none_or(|after| after > before));
        let by_caller = entry.cause == Cause::Caller.as_str() || entry.cause == Cause::Operator.as_str();
        let was_refused = matches!(desired.interruption, Some(Interruption::Refused { .. }));
        fell_back = away;
        let (event, from, to) = (entry.event.clone().unwrap_or_default(), from.to_owned(), to.to_owned());
        if away && by_caller {
            desired.interruption = Some(Interruption::Suspended { event, from, to });
        } else if away {
            let restart = was_refused || (before == Some(0) && held >= reset_after);
            desired.setbacks = if restart { 1 } else { desired.setbacks.saturating_add(1) };
            desired.interruption = Some(Interruption::FellBack { event, from, to });
        } else {
            if by_caller || was_refused {
                desired.setbacks = 0;
            }
            desired.interruption = None;
        }
    }
    fell_back
}

/// The decision after `event` could not be fired.
pub(crate) fn refused(
    desired: DesiredStateRecord,
    row: &Row,
    event: &str,
    reason: String,
    limits: ConvergenceLimits,
) -> Decision {
    let setbacks = desired.setbacks.saturating_add(1);
    let over = setbacks >= limits.max_setbacks;
    let note = over.then(|| ("desired state given up", format!("{setbacks} setbacks, the last: `{event}`: {reason}")));
    let interruption = Some(Interruption::Refused { event: event.to_owned(), reason });
    let desired = DesiredStateRecord { setbacks, interruption, seen: row.version, ..desired };
    Decision::Keep { desired, retry: (!over).then_some(setbacks), note }
}

/// The current name of a state that may be stored under a former one.
fn name<'a>(graph: &'static Graph, stored: &'a str) -> &'a str {
    graph.state_was(stored).map_or(stored, |state| state.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Key;
    use fsm_core::{EventInfo, StateInfo, StateKind, TransitionInfo};
    use std::time::SystemTime;
    use uuid::Uuid;

    const fn auto(from: &'static str, event: &'static str, to: &'static [&'static str]) -> TransitionInfo {
        TransitionInfo::new(from, event, to).with_auto(true)
    }

    const GRAPH: &Graph = &Graph::new("Pump")
        .with_states(&[
            StateInfo::new("Off"),
            StateInfo::new("Starting").with_kind(StateKind::Work),
            StateInfo::new("On").with_was(&["Former"]),
            StateInfo::new("Lost"),
        ])
        .with_events(&[
            EventInfo::new("start"),
            EventInfo::new("started"),
            EventInfo::new("fail"),
            EventInfo::new("stop"),
        ])
        .with_transitions(&[
            auto("Off", "start", &["Starting"]),
            TransitionInfo::new("Starting", "started", &["On"]),
            TransitionInfo::new("Starting", "fail", &["Off"]),
            TransitionInfo::new("On", "fail", &["Off"]),
            TransitionInfo::new("On", "stop", &["Lost"]),
        ]);

    const LIMITS: ConvergenceLimits = ConvergenceLimits { max_setbacks: 10, reset_after: Duration::from_mins(5) };
    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn row(state: &str, version: u64) -> Row {
        Row::example(GRAPH.machine, state, version)
    }

    /// The entry of `version`, that many minutes after the epoch.
    fn moved(version: u64, from: &str, event: &str, to: &str, cause: Cause) -> HistoryEntry {
        HistoryEntry {
            sequence: version,
            key: Key::new("Pump", "a"),
            incarnation: Uuid::nil(),
            kind: HistoryKind::Transition,
            version,
            schema: 1,
            fence: 0,
            from: Some(from.into()),
            event: Some(event.into()),
            to: to.into(),
            payload: None,
            data: None,
            context: None,
            cause: cause.as_str().into(),
            idempotency_key: None,
            actor: None,
            trace: None,
            at: NOW + Duration::from_mins(version),
        }
    }

    fn desired_on(seen: u64) -> DesiredStateRecord {
        DesiredStateRecord::new("On", seen)
    }

    fn decided(state: &str, version: u64, desired: DesiredStateRecord, happened: &[HistoryEntry]) -> Decision {
        decide(GRAPH, &row(state, version), desired, happened, LIMITS).1
    }

    #[track_caller]
    fn kept(decision: Decision) -> (DesiredStateRecord, Option<u32>, Option<(&'static str, String)>) {
        match decision {
            Decision::Keep { desired, retry, note } => (desired, retry, note),
            Decision::Fire(event) => panic!("{event} is fired"),
        }
    }

    #[test]
    fn auto_transitions_fire_and_work_is_waited_for() {
        assert_eq!(decided("Off", 1, desired_on(1), &[]), Decision::Fire("start"));
        let converged = [moved(2, "Off", "start", "Starting", Cause::Converge)];
        let (desired, retry, note) = kept(decided("Starting", 2, desired_on(1), &converged));
        assert_eq!((desired, retry, note), (desired_on(2), None, None));
        let (desired, ..) =
            kept(decided("On", 3, desired_on(2), &[moved(3, "Starting", "started", "On", Cause::Worker)]));
        assert_eq!(desired, desired_on(3));
    }

    #[test]
    fn setbacks_pause_until_the_limit_is_reached() {
        let fell = |version| [moved(version, "Starting", "fail", "Off", Cause::Worker)];
        let mut desired = desired_on(1);
        for setback in 1..10 {
            let version = u64::from(setback) + 2;
            let (after, retry, note) = kept(decided("Off", version, desired, &fell(version)));
            assert_eq!((after.setbacks, retry, note), (setback, Some(setback), None));
            assert_eq!(decided("Off", version, after.clone(), &[]), Decision::Fire("start"), "after its backoff");
            desired = after;
        }
        let (given_up, retry, note) = kept(decided("Off", 12, desired, &fell(12)));
        let text = "10 setbacks, the last: `fail` led from `Starting` back to `Off`";
        assert_eq!((given_up.setbacks, retry, note), (10, None, Some(("desired state given up", text.to_owned()))));
    }

    #[test]
    fn holding_the_target_resets_the_setbacks() {
        let desired = DesiredStateRecord { setbacks: 7, ..desired_on(3) };
        let held = |version| {
            let entered = moved(3, "Starting", "started", "On", Cause::Worker);
            [entered, moved(version, "On", "fail", "Off", Cause::Worker)]
        };
        // `reset_after` is five minutes.
        let short = [held(3)[0].clone(), HistoryEntry { at: NOW + Duration::from_mins(7), ..held(4)[1].clone() }];
        assert_eq!(kept(decided("Off", 4, desired.clone(), &short)).0.setbacks, 8);
        let long = [held(3)[0].clone(), HistoryEntry { at: NOW + Duration::from_mins(8), ..held(4)[1].clone() }];
        assert_eq!(kept(decided("Off", 4, desired, &long)).0.setbacks, 1);
    }

    #[test]
    fn an_outside_event_away_from_the_target_suspends() {
        for cause in [Cause::Caller, Cause::Operator] {
            let away = [moved(4, "On", "fail", "Off", cause)];
            let (desired, retry, note) = kept(decided("Off", 4, desired_on(3), &away));
            assert!(desired.is_suspended());
            let text = "`fail`, fired by a caller or an operator, led from `On` to `Off`, away from the desired state";
            assert_eq!((retry, note), (None, Some(("desired state suspended", text.to_owned()))));
            // Only a new desired state resumes it.
            let back = [moved(5, "Off", "start", "Starting", Cause::Caller)];
            let (still, retry, note) = kept(decided("Starting", 5, desired, &back));
            assert!(still.is_suspended());
            assert_eq!((still.seen, retry, note), (5, None, None));
        }
    }

    #[test]
    fn a_callers_event_that_leads_on_resets_the_setbacks() {
        let desired = DesiredStateRecord { setbacks: 4, ..desired_on(1) };
        let (desired, ..) =
            kept(decided("Starting", 2, desired, &[moved(2, "Off", "start", "Starting", Cause::Caller)]));
        assert_eq!(desired, desired_on(2));
        // Without a path from the state before, nothing leads away.
        let freed = [moved(6, "Lost", "stop", "Off", Cause::Operator)];
        assert_eq!(decided("Off", 6, desired_on(5), &freed), Decision::Fire("start"));
    }

    #[test]
    fn the_blocker_is_reported() {
        let lost = [moved(4, "On", "stop", "Lost", Cause::Worker)];
        let (_, retry, note) = kept(decided("Lost", 4, desired_on(3), &lost));
        let text = "no path of `auto` transitions, work and timers leads from `Lost` to `On`";
        assert_eq!((retry, note), (None, Some(("desired state blocked", text.to_owned()))));
    }

    #[test]
    fn a_refused_event_is_retried_up_to_the_limit() {
        let limits = ConvergenceLimits { max_setbacks: 2, ..LIMITS };
        let first = refused(desired_on(1), &row("Off", 1), "start", "no power".into(), limits);
        let (desired, retry, note) = kept(first);
        assert_eq!((desired.setbacks, retry, note), (1, Some(1), None));
        assert_eq!(decided("Off", 1, desired.clone(), &[]), Decision::Fire("start"));
        let (desired, retry, note) = kept(refused(desired, &row("Off", 1), "start", "no power".into(), limits));
        let text = "2 setbacks, the last: `start`: no power".to_owned();
        assert_eq!((desired.setbacks, retry, note), (2, None, Some(("desired state given up", text))));
        // Once a caller has fired it, the refusals are forgotten.
        let fired = [moved(2, "Off", "start", "Starting", Cause::Caller)];
        assert_eq!(kept(decided("Starting", 2, desired, &fired)).0, desired_on(2));
    }

    #[test]
    fn former_names_of_states_are_known() {
        let desired = DesiredStateRecord { target: "Former".into(), ..desired_on(1) };
        assert_eq!(decided("Off", 1, desired.clone(), &[]), Decision::Fire("start"));
        let (kept, ..) =
            kept(decided("Former", 3, desired, &[moved(3, "Starting", "started", "Former", Cause::Worker)]));
        assert_eq!((kept.seen, kept.setbacks), (3, 0));
    }
}
