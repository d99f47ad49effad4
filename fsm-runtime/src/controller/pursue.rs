//! Owns the pursuit of what is wished of an instance: what happened since the last look, and what is to be done about it.

use super::{
    driver::Driver,
    policy::Limits,
    run::{Run, Step},
};
use crate::{
    shared::Shared,
    store::{Cause, Change, HistoryEntry, HistoryKind, HistoryQuery, Note, Origin, Row, SetWish, StoreError, Verdict},
    wish::{Halt, Stored},
};
use fsm_core::{Blocker, Graph, NextStep};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// How many history entries are read at once.
const PAGE: usize = 50;

/// What is to be done about a wish.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// This event is to be fired, by the system itself.
    Fire(&'static str),
    /// Nothing now.
    Keep {
        wish: Stored,
        /// The number of the setback after whose pause it is tried again; `None` where something else has to happen first.
        retry: Option<u32>,
        /// What the history is to say.
        note: Option<(&'static str, String)>,
    },
}

impl Run {
    pub(super) fn pursue(&mut self, row: Row) {
        let Some(driver) = self.drivers.get(&*row.key.machine).cloned() else { return };
        let (shared, limits) = (self.shared.clone(), self.limits(&row));
        self.step(row.key.clone(), async move { Step::Stored(step(&shared, &*driver, &row, limits).await) });
    }
}

/// One step on the way: everything is decided by what is stored, so that after a crash the next look does the same.
async fn step(shared: &Arc<Shared>, driver: &dyn Driver, row: &Row, limits: Limits) -> Result<(), StoreError> {
    let Some(wish) = Stored::of(row) else {
        // In the words of another release: it is for that one to pursue.
        let asleep = SetWish::of(row, row.wish.clone(), None, None);
        return shared.commit(Change::Wish(asleep)).await.map(drop);
    };
    let happened = happened(shared, row, wish.seen).await?;
    let (wish, decision) = decide(driver.graph(), row, wish, &happened, limits);
    let decision = match decision {
        Decision::Fire(event) => match fire(shared, driver, row, event).await? {
            Ok(()) => return Ok(()),
            Err(reason) => refused(wish, row, event, reason, limits),
        },
        keep @ Decision::Keep { .. } => keep,
    };
    let Decision::Keep { wish, retry, note } = decision else { return Ok(()) };
    if let Some((about, text)) = &note {
        tracing::warn!(machine = %row.key.machine, id = %row.key.id, state = %row.state, version = row.version, %text, "{about}");
    }
    let note = note.map(|(about, text)| Note { about, text, cause: Cause::Converge, origin: Origin::default() });
    let due = retry.map(|setback| limits.backoff.delay(setback));
    shared.commit(Change::Wish(SetWish::of(row, Some(wish.text()), due, note))).await.map(drop)
}

/// Fires `event`; the inner error says why it could not be fired.
async fn fire(
    shared: &Arc<Shared>,
    driver: &dyn Driver,
    row: &Row,
    event: &str,
) -> Result<Result<(), String>, StoreError> {
    // The user's code: were its panic not caught here, nothing else would be done about the instance any more.
    let made = catch_unwind(AssertUnwindSafe(|| driver.auto(&shared.migrations, row, event)));
    let transition = match made.unwrap_or_else(|_| Err("it panicked".to_owned())) {
        Ok(transition) => transition,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(match shared.commit(Change::Transition(transition)).await? {
        Verdict::Refused { reason, .. } => Err(format!("the store refused it: {reason}")),
        Verdict::Committed { .. } => {
            tracing::info!(machine = %row.key.machine, id = %row.key.id, state = %row.state, %event, "fired on the way to what is wished");
            Ok(())
        }
        // Somebody else was first: the next look sees what has become of it.
        _ => Ok(()),
    })
}

/// What moved the instance from version `seen` on, oldest first; that version's own entry too, where it is still there.
async fn happened(shared: &Shared, row: &Row, seen: u64) -> Result<Vec<HistoryEntry>, StoreError> {
    let (mut entries, mut after) = (Vec::new(), u64::MAX);
    loop {
        let query = HistoryQuery { key: Some(row.key.clone()), after, newest_first: true, limit: PAGE };
        let page = shared.asked("history", shared.store.history(query)).await?;
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

/// What the wish makes of what happened, and what is to be done now. Pure.
fn decide(
    graph: &'static Graph,
    row: &Row,
    mut wish: Stored,
    happened: &[HistoryEntry],
    limits: Limits,
) -> (Stored, Decision) {
    let (state, target) = (name(graph, &row.state), name(graph, &wish.target).to_owned());
    let was_suspended = wish.is_suspended();
    let fell_back = judge(graph, &target, &mut wish, happened, limits.backoff.longest);
    wish.seen = row.version;
    let keep = |wish: Stored, retry, note| (wish.clone(), Decision::Keep { wish, retry, note });
    if let Some(why) = wish.halt.as_ref().filter(|_| wish.is_suspended()) {
        let note = (!was_suspended).then(|| ("wish suspended", why.to_string()));
        return keep(wish, None, note);
    }
    match graph.next_step(state, &target) {
        NextStep::Fire(_) if fell_back && wish.setbacks >= limits.attempts => {
            let why = wish.halt.as_ref().map(ToString::to_string).unwrap_or_default();
            let note = ("wish given up", format!("{} setbacks, the last: {why}", wish.setbacks));
            keep(wish, None, Some(note))
        }
        NextStep::Fire(_) if fell_back => {
            let retry = Some(wish.setbacks);
            keep(wish, retry, None)
        }
        NextStep::Fire(transition) => (wish, Decision::Fire(transition.event)),
        NextStep::Blocked(blocker) => {
            let note = ("wish blocked", blocked(blocker, state, &target));
            keep(Stored { halt: None, ..wish }, None, Some(note))
        }
        _ => keep(Stored { halt: None, ..wish }, None, None),
    }
}

/// Goes through what happened: an event from outside that leads away suspends the wish; work or a timer that does is a setback.
/// Whether the last thing was one.
fn judge(
    graph: &'static Graph,
    target: &str,
    wish: &mut Stored,
    happened: &[HistoryEntry],
    long_enough: Duration,
) -> bool {
    let mut fell_back = false;
    let mut entered = None;
    for entry in happened {
        let stood = entered.and_then(|entered| entry.at.duration_since(entered).ok()).unwrap_or_default();
        entered = Some(entry.at);
        let Some(from) = entry.from.as_deref().filter(|_| entry.version > wish.seen && !wish.is_suspended()) else {
            continue;
        };
        let (from, to) = (name(graph, from), name(graph, &entry.to));
        let (before, after) = (graph.steps_left(from, target), graph.steps_left(to, target));
        // Where there was no way, nothing leads off it.
        let away = before.is_some_and(|before| after.is_none_or(|after| after > before));
        let outside = entry.cause == Cause::Caller.as_str() || entry.cause == Cause::Operator.as_str();
        let of_guard = matches!(wish.halt, Some(Halt::Refused { .. }));
        fell_back = away;
        let (event, from, to) = (entry.event.clone().unwrap_or_default(), from.to_owned(), to.to_owned());
        if away && outside {
            wish.halt = Some(Halt::Suspended { event, from, to });
        } else if away {
            // It was there for long enough to start counting anew.
            let anew = of_guard || (before == Some(0) && stood >= long_enough);
            wish.setbacks = if anew { 1 } else { wish.setbacks.saturating_add(1) };
            wish.halt = Some(Halt::FellBack { event, from, to });
        } else {
            if outside || of_guard {
                wish.setbacks = 0;
            }
            wish.halt = None;
        }
    }
    fell_back
}

/// What a refused event makes of the wish.
fn refused(wish: Stored, row: &Row, event: &str, reason: String, limits: Limits) -> Decision {
    let setbacks = wish.setbacks.saturating_add(1);
    let over = setbacks >= limits.attempts;
    let note = over.then(|| ("wish given up", format!("{setbacks} setbacks, the last: `{event}`: {reason}")));
    let halt = Some(Halt::Refused { event: event.to_owned(), reason });
    let wish = Stored { setbacks, halt, seen: row.version, ..wish };
    Decision::Keep { wish, retry: (!over).then_some(setbacks), note }
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

    fn decided(state: &str, version: u64, wish: Stored, happened: &[HistoryEntry]) -> Decision {
        decide(GRAPH, &row(state, version), wish, happened, Limits::default()).1
    }

    #[track_caller]
    fn kept(decision: Decision) -> (Stored, Option<u32>, Option<(&'static str, String)>) {
        match decision {
            Decision::Keep { wish, retry, note } => (wish, retry, note),
            Decision::Fire(event) => panic!("{event} is fired"),
        }
    }

    #[test]
    fn it_fires_what_is_auto_and_waits_for_work() {
        assert_eq!(decided("Off", 1, on_wish(1), &[]), Decision::Fire("start"));
        let converged = [moved(2, "Off", "start", "Starting", Cause::Converge)];
        let (wish, retry, note) = kept(decided("Starting", 2, on_wish(1), &converged));
        assert_eq!((wish, retry, note), (on_wish(2), None, None));
        let (wish, ..) = kept(decided("On", 3, on_wish(2), &[moved(3, "Starting", "started", "On", Cause::Worker)]));
        assert_eq!(wish, on_wish(3));
    }

    #[test]
    fn falling_back_is_a_setback_with_a_pause_until_there_were_too_many() {
        let fell = |version| [moved(version, "Starting", "fail", "Off", Cause::Worker)];
        let mut wish = on_wish(1);
        for setback in 1..10 {
            let version = u64::from(setback) + 2;
            let (after, retry, note) = kept(decided("Off", version, wish, &fell(version)));
            assert_eq!((after.setbacks, retry, note), (setback, Some(setback), None));
            assert_eq!(decided("Off", version, after.clone(), &[]), Decision::Fire("start"), "its pause is over");
            wish = after;
        }
        let (given_up, retry, note) = kept(decided("Off", 12, wish, &fell(12)));
        let text = "10 setbacks, the last: `fail` led from `Starting` back to `Off`";
        assert_eq!((given_up.setbacks, retry, note), (10, None, Some(("wish given up", text.to_owned()))));
    }

    #[test]
    fn setbacks_are_counted_anew_after_the_target_was_held() {
        let wish = Stored { setbacks: 7, ..on_wish(3) };
        let held = |version| {
            let entered = moved(3, "Starting", "started", "On", Cause::Worker);
            [entered, moved(version, "On", "fail", "Off", Cause::Worker)]
        };
        // Five minutes are the longest pause.
        let short = [held(3)[0].clone(), HistoryEntry { at: NOW + Duration::from_mins(7), ..held(4)[1].clone() }];
        assert_eq!(kept(decided("Off", 4, wish.clone(), &short)).0.setbacks, 8);
        let long = [held(3)[0].clone(), HistoryEntry { at: NOW + Duration::from_mins(8), ..held(4)[1].clone() }];
        assert_eq!(kept(decided("Off", 4, wish, &long)).0.setbacks, 1);
    }

    #[test]
    fn an_event_from_outside_that_leads_away_suspends_and_stays_so() {
        for cause in [Cause::Caller, Cause::Operator] {
            let away = [moved(4, "On", "fail", "Off", cause)];
            let (wish, retry, note) = kept(decided("Off", 4, on_wish(3), &away));
            assert!(wish.is_suspended());
            let text = "`fail` from outside led from `On` to `Off`, off the way";
            assert_eq!((retry, note), (None, Some(("wish suspended", text.to_owned()))));
            // Whatever happens then: only a new wish goes on.
            let back = [moved(5, "Off", "start", "Starting", Cause::Caller)];
            let (still, retry, note) = kept(decided("Starting", 5, wish, &back));
            assert!(still.is_suspended());
            assert_eq!((still.seen, retry, note), (5, None, None));
        }
    }

    #[test]
    fn an_event_from_outside_that_leads_on_is_welcome() {
        let wish = Stored { setbacks: 4, ..on_wish(1) };
        let (wish, ..) = kept(decided("Starting", 2, wish, &[moved(2, "Off", "start", "Starting", Cause::Caller)]));
        assert_eq!(wish, on_wish(2));
        // Where there was no way, nothing leads off it.
        let freed = [moved(6, "Lost", "stop", "Off", Cause::Operator)];
        assert_eq!(decided("Off", 6, on_wish(5), &freed), Decision::Fire("start"));
    }

    #[test]
    fn what_is_blocked_is_said() {
        let lost = [moved(4, "On", "stop", "Lost", Cause::Worker)];
        let (_, retry, note) = kept(decided("Lost", 4, on_wish(3), &lost));
        let text = "no way of `auto` transitions, work and timers leads from `Lost` to `On`";
        assert_eq!((retry, note), (None, Some(("wish blocked", text.to_owned()))));
    }

    #[test]
    fn a_refusal_is_asked_again_until_it_was_too_often() {
        let limits = Limits { attempts: 2, ..Limits::default() };
        let first = refused(on_wish(1), &row("Off", 1), "start", "no power".into(), limits);
        let (wish, retry, note) = kept(first);
        assert_eq!((wish.setbacks, retry, note), (1, Some(1), None));
        assert_eq!(decided("Off", 1, wish.clone(), &[]), Decision::Fire("start"));
        let (wish, retry, note) = kept(refused(wish, &row("Off", 1), "start", "no power".into(), limits));
        let text = "2 setbacks, the last: `start`: no power".to_owned();
        assert_eq!((wish.setbacks, retry, note), (2, None, Some(("wish given up", text))));
        // Once it was fired after all, the refusals are forgotten.
        let fired = [moved(2, "Off", "start", "Starting", Cause::Caller)];
        assert_eq!(kept(decided("Starting", 2, wish, &fired)).0, on_wish(2));
    }

    #[test]
    fn earlier_names_of_states_are_known() {
        let wish = Stored { target: "Former".into(), ..on_wish(1) };
        assert_eq!(decided("Off", 1, wish.clone(), &[]), Decision::Fire("start"));
        let (kept, ..) = kept(decided("Former", 3, wish, &[moved(3, "Starting", "started", "Former", Cause::Worker)]));
        assert_eq!((kept.seen, kept.setbacks), (3, 0));
    }
}
