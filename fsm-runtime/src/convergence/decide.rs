//! Decides what to do about a desired state, from the row and what happened since the last look.

use super::stored::{Halt, Stored};
use crate::{
    store::{Cause, HistoryEntry, Row, shortened},
    worker::Limits,
};
use fsm_core::{Blocker, Graph, NextStep};
use std::time::Duration;

/// What is to be done about a wish.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This event is to be fired, by the system itself.
    Fire(&'static str),
    /// Nothing now.
    Keep {
        desired: Stored,
        /// The number of the setback after whose pause it is tried again; `None` where something else has to happen first.
        retry: Option<u32>,
        /// What the history is to say.
        note: Option<(&'static str, String)>,
    },
}

/// What the wish makes of what happened, and what is to be done now. Pure.
pub(crate) fn decide(
    graph: &'static Graph,
    row: &Row,
    mut desired: Stored,
    happened: &[HistoryEntry],
    limits: Limits,
) -> (Stored, Decision) {
    let (state, target) = (name(graph, &row.state), name(graph, &desired.target).to_owned());
    let was_suspended = desired.is_suspended();
    let fell_back = judge(graph, &target, &mut desired, happened, limits.backoff.longest);
    desired.seen = row.version;
    let keep = |desired: Stored, retry, note| (desired.clone(), Decision::Keep { desired, retry, note });
    if let Some(why) = desired.halt.as_ref().filter(|_| desired.is_suspended()) {
        let note = (!was_suspended).then(|| ("desired state suspended", why.to_string()));
        return keep(desired, None, note);
    }
    match graph.next_step(state, &target) {
        NextStep::Fire(_) if fell_back && desired.setbacks >= limits.attempts => {
            let why = desired.halt.as_ref().map(ToString::to_string).unwrap_or_default();
            let note = ("desired state given up", format!("{} setbacks, the last: {why}", desired.setbacks));
            keep(desired, None, Some(note))
        }
        NextStep::Fire(_) if fell_back => {
            let retry = Some(desired.setbacks);
            keep(desired, retry, None)
        }
        NextStep::Fire(transition) => (desired, Decision::Fire(transition.event)),
        NextStep::Blocked(blocker) => {
            let note = ("desired state blocked", blocked(blocker, state, &target));
            keep(Stored { halt: None, ..desired }, None, Some(note))
        }
        _ => keep(Stored { halt: None, ..desired }, None, None),
    }
}

/// Goes through what happened: an event from outside that leads away suspends the wish; work or a timer that does is a setback.
/// Whether the last thing was one.
fn judge(
    graph: &'static Graph,
    target: &str,
    desired: &mut Stored,
    happened: &[HistoryEntry],
    long_enough: Duration,
) -> bool {
    let mut fell_back = false;
    let mut entered = None;
    for entry in happened {
        let stood = entered.and_then(|entered| entry.at.duration_since(entered).ok()).unwrap_or_default();
        entered = Some(entry.at);
        let Some(from) = entry.from.as_deref().filter(|_| entry.version > desired.seen && !desired.is_suspended())
        else {
            continue;
        };
        let (from, to) = (name(graph, from), name(graph, &entry.to));
        let (before, after) = (graph.steps_left(from, target), graph.steps_left(to, target));
        // Where there was no way, nothing leads off it.
        let away = before.is_some_and(|before| after.is_none_or(|after| after > before));
        let outside = entry.cause == Cause::Caller.as_str() || entry.cause == Cause::Operator.as_str();
        let of_guard = matches!(desired.halt, Some(Halt::Refused { .. }));
        fell_back = away;
        let (event, from, to) = (entry.event.clone().unwrap_or_default(), from.to_owned(), to.to_owned());
        if away && outside {
            desired.halt = Some(Halt::Suspended { event, from, to });
        } else if away {
            // It was there for long enough to start counting anew.
            let anew = of_guard || (before == Some(0) && stood >= long_enough);
            desired.setbacks = if anew { 1 } else { desired.setbacks.saturating_add(1) };
            desired.halt = Some(Halt::FellBack { event, from, to });
        } else {
            if outside || of_guard {
                desired.setbacks = 0;
            }
            desired.halt = None;
        }
    }
    fell_back
}

/// What a refused event makes of the wish.
pub(crate) fn refused(desired: Stored, row: &Row, event: &str, reason: String, limits: Limits) -> Decision {
    let reason = shortened(reason);
    let setbacks = desired.setbacks.saturating_add(1);
    let over = setbacks >= limits.attempts;
    let note = over.then(|| ("desired state given up", format!("{setbacks} setbacks, the last: `{event}`: {reason}")));
    let halt = Some(Halt::Refused { event: event.to_owned(), reason });
    let desired = Stored { setbacks, halt, seen: row.version, ..desired };
    Decision::Keep { desired, retry: (!over).then_some(setbacks), note }
}

/// The name of today for a state that is stored under an earlier one.
fn name<'a>(graph: &'static Graph, stored: &'a str) -> &'a str {
    graph.state_was(stored).map_or(stored, |state| state.name)
}

fn blocked(blocker: Blocker, state: &str, target: &str) -> String {
    match blocker {
        Blocker::Payload(it) => format!("`{}` in `{}` has a payload, which only its caller knows", it.event, it.from),
        Blocker::Branch(it) => format!("where `{}` in `{}` leads is decided by its `with`", it.event, it.from),
        _ => format!("no way of `auto` transitions, work and timers leads from `{state}` to `{target}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{HistoryKind, Key};
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

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn row(state: &str, version: u64) -> Row {
        Row::example(GRAPH.machine, state, version)
    }

    /// What led to `version`, that many minutes after the epoch.
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

    fn on_wish(seen: u64) -> Stored {
        Stored::new("On", seen)
    }

    fn decided(state: &str, version: u64, desired: Stored, happened: &[HistoryEntry]) -> Decision {
        decide(GRAPH, &row(state, version), desired, happened, Limits::default()).1
    }

    #[track_caller]
    fn kept(decision: Decision) -> (Stored, Option<u32>, Option<(&'static str, String)>) {
        match decision {
            Decision::Keep { desired, retry, note } => (desired, retry, note),
            Decision::Fire(event) => panic!("{event} is fired"),
        }
    }

    #[test]
    fn auto_transitions_fire_and_work_is_waited_for() {
        assert_eq!(decided("Off", 1, on_wish(1), &[]), Decision::Fire("start"));
        let converged = [moved(2, "Off", "start", "Starting", Cause::Converge)];
        let (desired, retry, note) = kept(decided("Starting", 2, on_wish(1), &converged));
        assert_eq!((desired, retry, note), (on_wish(2), None, None));
        let (desired, ..) = kept(decided("On", 3, on_wish(2), &[moved(3, "Starting", "started", "On", Cause::Worker)]));
        assert_eq!(desired, on_wish(3));
    }

    #[test]
    fn setbacks_pause_until_the_limit_is_reached() {
        let fell = |version| [moved(version, "Starting", "fail", "Off", Cause::Worker)];
        let mut desired = on_wish(1);
        for setback in 1..10 {
            let version = u64::from(setback) + 2;
            let (after, retry, note) = kept(decided("Off", version, desired, &fell(version)));
            assert_eq!((after.setbacks, retry, note), (setback, Some(setback), None));
            assert_eq!(decided("Off", version, after.clone(), &[]), Decision::Fire("start"), "its pause is over");
            desired = after;
        }
        let (given_up, retry, note) = kept(decided("Off", 12, desired, &fell(12)));
        let text = "10 setbacks, the last: `fail` led from `Starting` back to `Off`";
        assert_eq!((given_up.setbacks, retry, note), (10, None, Some(("desired state given up", text.to_owned()))));
    }

    #[test]
    fn setbacks_are_counted_anew_after_the_target_was_held() {
        let desired = Stored { setbacks: 7, ..on_wish(3) };
        let held = |version| {
            let entered = moved(3, "Starting", "started", "On", Cause::Worker);
            [entered, moved(version, "On", "fail", "Off", Cause::Worker)]
        };
        // Five minutes are the longest pause.
        let short = [held(3)[0].clone(), HistoryEntry { at: NOW + Duration::from_mins(7), ..held(4)[1].clone() }];
        assert_eq!(kept(decided("Off", 4, desired.clone(), &short)).0.setbacks, 8);
        let long = [held(3)[0].clone(), HistoryEntry { at: NOW + Duration::from_mins(8), ..held(4)[1].clone() }];
        assert_eq!(kept(decided("Off", 4, desired, &long)).0.setbacks, 1);
    }

    #[test]
    fn an_outside_event_away_from_the_target_suspends() {
        for cause in [Cause::Caller, Cause::Operator] {
            let away = [moved(4, "On", "fail", "Off", cause)];
            let (desired, retry, note) = kept(decided("Off", 4, on_wish(3), &away));
            assert!(desired.is_suspended());
            let text = "`fail` from outside led from `On` to `Off`, off the way";
            assert_eq!((retry, note), (None, Some(("desired state suspended", text.to_owned()))));
            // Whatever happens then: only a new wish goes on.
            let back = [moved(5, "Off", "start", "Starting", Cause::Caller)];
            let (still, retry, note) = kept(decided("Starting", 5, desired, &back));
            assert!(still.is_suspended());
            assert_eq!((still.seen, retry, note), (5, None, None));
        }
    }

    #[test]
    fn an_event_from_outside_that_leads_on_is_welcome() {
        let desired = Stored { setbacks: 4, ..on_wish(1) };
        let (desired, ..) =
            kept(decided("Starting", 2, desired, &[moved(2, "Off", "start", "Starting", Cause::Caller)]));
        assert_eq!(desired, on_wish(2));
        // Where there was no way, nothing leads off it.
        let freed = [moved(6, "Lost", "stop", "Off", Cause::Operator)];
        assert_eq!(decided("Off", 6, on_wish(5), &freed), Decision::Fire("start"));
    }

    #[test]
    fn the_blocker_is_reported() {
        let lost = [moved(4, "On", "stop", "Lost", Cause::Worker)];
        let (_, retry, note) = kept(decided("Lost", 4, on_wish(3), &lost));
        let text = "no way of `auto` transitions, work and timers leads from `Lost` to `On`";
        assert_eq!((retry, note), (None, Some(("desired state blocked", text.to_owned()))));
    }

    #[test]
    fn a_refused_event_is_retried_up_to_the_limit() {
        let limits = Limits { attempts: 2, ..Limits::default() };
        let first = refused(on_wish(1), &row("Off", 1), "start", "no power".into(), limits);
        let (desired, retry, note) = kept(first);
        assert_eq!((desired.setbacks, retry, note), (1, Some(1), None));
        assert_eq!(decided("Off", 1, desired.clone(), &[]), Decision::Fire("start"));
        let (desired, retry, note) = kept(refused(desired, &row("Off", 1), "start", "no power".into(), limits));
        let text = "2 setbacks, the last: `start`: no power".to_owned();
        assert_eq!((desired.setbacks, retry, note), (2, None, Some(("desired state given up", text))));
        // Once it was fired after all, the refusals are forgotten.
        let fired = [moved(2, "Off", "start", "Starting", Cause::Caller)];
        assert_eq!(kept(decided("Starting", 2, desired, &fired)).0, on_wish(2));
    }

    #[test]
    fn earlier_names_of_states_are_known() {
        let desired = Stored { target: "Former".into(), ..on_wish(1) };
        assert_eq!(decided("Off", 1, desired.clone(), &[]), Decision::Fire("start"));
        let (kept, ..) =
            kept(decided("Former", 3, desired, &[moved(3, "Starting", "started", "Former", Cause::Worker)]));
        assert_eq!((kept.seen, kept.setbacks), (3, 0));
    }
}
