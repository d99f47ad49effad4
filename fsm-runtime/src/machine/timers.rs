//! The timers of a state: when they are due, and which of a row's is the next.

use super::StoredMachine;
use crate::{
    clock,
    store::{Cause, Row, Timer, TimerDue},
};
use fsm_core::{Graph, Name, StateMachine};
use std::time::{Duration, SystemTime};

/// What the closure of an `#[at(…)]` returns.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the time of a timer is a `SystemTime`, not `{Self}`",
    label = "this closure has to return a `SystemTime`",
    note = "return a `std::time::SystemTime`, or an `Option<SystemTime>`: with `None`, the timer does not run",
    note = "a timer that fires after a delay is written `#[after(|state| state.patience, event)]`"
)]
pub trait Deadline {
    /// The time; `None` if the timer does not run.
    fn __deadline(self) -> Option<SystemTime>;
}

impl Deadline for SystemTime {
    fn __deadline(self) -> Option<SystemTime> {
        Some(self)
    }
}

impl Deadline for Option<SystemTime> {
    fn __deadline(self) -> Option<SystemTime> {
        self
    }
}

/// The time from now until `deadline`; zero if it has passed.
#[doc(hidden)]
#[must_use]
pub fn time_left(deadline: SystemTime) -> Duration {
    deadline.duration_since(clock::now()).unwrap_or_default()
}

/// The timers with which the machine enters its state, and the machine again.
pub(crate) fn on_entry<M: StoredMachine>(machine: M, context: &M::Context) -> (M, Vec<Timer>) {
    let Some(info) = M::GRAPH.state(machine.state().as_str()).filter(|info| !info.timers.is_empty()) else {
        return (machine, Vec::new());
    };
    let (machine, computed) = machine.computed_timers(context);
    let timers = info.timers.iter().map(|timer| {
        let due = match timer.delay.duration() {
            Some(delay) => TimerDue::After(delay),
            None => computed
                .iter()
                .find(|(event, _)| event.as_str() == timer.event)
                .map_or(TimerDue::Never, |(_, due)| *due),
        };
        Timer { event: timer.event.to_owned(), due }
    });
    (machine, timers.collect())
}

/// Keeps those of the state's `timers` that an internal transition on `event` starts again: the ones that it rewinds, and the one that
/// has fired it. That one would fire without end if it were due again at once, so then it ends.
pub(crate) fn restarted<M: StateMachine>(timers: &mut Vec<Timer>, from: &str, event: &str, cause: Cause) {
    let rewinds = M::GRAPH.transition(from, event).map_or(&[][..], |transition| transition.rewinds);
    timers.retain(|timer| rewinds.contains(&&*timer.event) || cause == Cause::Timer && timer.event == event);
    for timer in timers.iter_mut().filter(|timer| cause == Cause::Timer && timer.event == event) {
        let is_due = match timer.due {
            TimerDue::After(delay) => delay.is_zero(),
            TimerDue::At(time) => time <= clock::now(),
            TimerDue::Never => false,
        };
        if is_due {
            timer.due = TimerDue::Never;
        }
    }
}

/// The event of the timer of `row` that is due first. Of those that are due at the same time, it is the first in the declaration.
pub(crate) fn next(graph: &Graph, row: &Row) -> Option<String> {
    let declared = graph.state_was(&row.state).map_or(&[][..], |info| info.timers);
    let place = |event: &str| declared.iter().position(|timer| timer.event == event).unwrap_or(declared.len());
    let next = row.timers.iter().min_by_key(|(event, at)| (**at, place(event))).map(|(event, _)| event.clone());
    next.or_else(|| declared.first().map(|timer| timer.event.to_owned()))
}

/// `timers`, which are those of the state of `row`, counted from its entry, as far as they do not run.
pub(crate) fn missing(row: &Row, timers: Vec<Timer>, mut lacks: impl FnMut(&str) -> bool) -> Vec<Timer> {
    let missing = timers.into_iter().filter(|timer| !row.timers.contains_key(&timer.event) && lacks(&timer.event));
    let from_entry = |timer: Timer| match timer.due {
        TimerDue::After(delay) => {
            let due = row.updated.checked_add(delay).map_or(timer.due, TimerDue::At);
            Timer { due, ..timer }
        }
        TimerDue::At(_) | TimerDue::Never => timer,
    };
    missing.map(from_entry).filter(|timer| timer.due != TimerDue::Never).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsm_core::{StateInfo, TimerInfo};

    const HOUR: Duration = Duration::from_hours(1);
    static GRAPH: Graph = Graph::new("M").with_states(&[
        StateInfo::new("A").with_timers(&[TimerInfo::new(HOUR, "second"), TimerInfo::new(HOUR, "first")])
    ]);

    fn row(timers: &[(&str, u64)]) -> Row {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let timers = timers.iter().map(|(event, due)| ((*event).to_owned(), at(*due))).collect();
        Row { timers, ..Row::example("M", "A", 1) }
    }

    #[test]
    fn the_earliest_timer_is_next_then_the_first_declared() {
        let next = |timers: &[(&str, u64)]| next(&GRAPH, &row(timers)).unwrap();
        assert_eq!(next(&[("first", 5), ("second", 9)]), "first");
        assert_eq!(next(&[("first", 5), ("second", 5)]), "second");
        assert_eq!(next(&[("first", 5), ("removed", 5)]), "first");
        assert_eq!(next(&[("first", 5), ("removed", 4)]), "removed");
    }

    #[test]
    fn missing_timers_count_from_the_entry() {
        let timer = |event: &str, due| Timer { event: event.to_owned(), due };
        let timers = || vec![timer("first", TimerDue::After(HOUR)), timer("second", TimerDue::After(HOUR))];
        let at = TimerDue::At(SystemTime::UNIX_EPOCH + HOUR);
        assert_eq!(missing(&row(&[("first", 5)]), timers(), |_| true), [timer("second", at)]);
        assert_eq!(missing(&row(&[]), timers(), |event| event == "first"), [timer("first", at)]);
        let never = vec![timer("first", TimerDue::Never), timer("second", TimerDue::After(Duration::MAX))];
        assert_eq!(missing(&row(&[]), never, |_| true), [timer("second", TimerDue::After(Duration::MAX))]);
    }
}
