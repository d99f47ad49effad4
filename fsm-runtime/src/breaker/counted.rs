//! The states of a circuit breaker, and the counts that cause its transitions. Pure.

use super::window::{Window, WindowRule};
use fsm_core::StateMachine;
use std::time::Duration;

/// The states of a circuit breaker.
///
/// The state machine of [`Breaker`](super::Breaker), declared with `#[derive(StateMachine)]`. [`circuit`] shows its diagram.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq, Eq)]
#[fsm(initial = Closed, derive(Clone, Copy, Debug, PartialEq, Eq))]
pub enum Circuit {
    /// Calls are made, and their outcomes are counted.
    #[on(trip { until: Duration } => Open)]
    Closed,
    /// Calls are refused until the time of the next probe.
    #[on(probe => HalfOpen)]
    #[on(close => Closed)]
    Open {
        /// The time on the breaker's clock, counted from its creation.
        until: Duration,
    },
    /// One call at a time is made. Its outcome closes the circuit or opens it again.
    #[on(close => Closed)]
    #[on(trip => Open)]
    HalfOpen,
}

/// The rules by which the circuit opens and closes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The number of failures in a row after which the circuit opens.
    pub(super) failures_in_a_row: Option<u32>,
    /// The failure rate at which the circuit opens.
    pub(super) failure_rate: Option<WindowRule>,
    /// How long the circuit stays open before a probe.
    pub(super) open_for: Duration,
    /// The number of probes that have to succeed in a row before the circuit closes.
    pub(super) probes: u32,
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallEnd {
    Succeeded,
    Failed,
    /// The call does not count: it was cancelled, or its error does not count.
    Uncounted,
}

/// Why a call is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The circuit is open until this time.
    Until(Duration),
    /// A probe is in flight.
    Probing,
}

impl Closed {
    /// The time until the next probe; `None` while a probe is in flight.
    pub(super) fn left(self, now: Duration) -> Option<Duration> {
        match self {
            Self::Until(until) => Some(until.saturating_sub(now)),
            Self::Probing => None,
        }
    }
}

/// A circuit with its counts.
#[derive(Debug)]
pub(super) struct Counted {
    rules: Rules,
    circuit: Circuit,
    /// Incremented by each change of state. The outcome of a call that was admitted in an earlier epoch does not count.
    epoch: u64,
    failures_in_a_row: u32,
    window: Option<Window>,
    /// Whether a probe is in flight.
    probing: bool,
    /// The successful probes in a row.
    probes: u32,
}

impl Counted {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            circuit: Circuit::Closed,
            epoch: 0,
            failures_in_a_row: 0,
            window: rules.failure_rate.map(Window::new),
            probing: false,
            probes: 0,
        }
    }

    pub(super) fn circuit(&self) -> Circuit {
        self.circuit
    }

    pub(super) fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row
    }

    /// Whether a call would be admitted at `now`.
    pub(super) fn check(&self, now: Duration) -> Result<(), Closed> {
        match self.circuit {
            Circuit::Open { until } if now < until => Err(Closed::Until(until)),
            Circuit::HalfOpen if self.probing => Err(Closed::Probing),
            Circuit::Closed | Circuit::Open { .. } | Circuit::HalfOpen => Ok(()),
        }
    }

    /// Admits a call at `now`. Returns the epoch, with which the outcome of the call is recorded.
    pub(super) fn admit(&mut self, now: Duration) -> Result<u64, Closed> {
        self.check(now)?;
        match circuit::Any::from(self.circuit) {
            circuit::Any::Closed(_) => {}
            circuit::Any::Open(open) => {
                self.enter(open.probe());
                self.probing = true;
            }
            circuit::Any::HalfOpen(_) => self.probing = true,
        }
        Ok(self.epoch)
    }

    /// Records the outcome of a call that was admitted in `epoch`.
    pub(super) fn record(&mut self, epoch: u64, end: CallEnd, now: Duration) {
        if epoch != self.epoch {
            return;
        }
        match circuit::Any::from(self.circuit) {
            circuit::Any::Closed(closed) => {
                if self.counts_to_open(end, now) {
                    self.enter(closed.trip(self.open_until(now)));
                }
            }
            circuit::Any::HalfOpen(half_open) => {
                self.probing = false;
                match end {
                    CallEnd::Uncounted => {}
                    CallEnd::Failed => self.enter(half_open.trip(self.open_until(now))),
                    CallEnd::Succeeded => {
                        self.probes += 1;
                        if self.probes >= self.rules.probes {
                            self.enter(half_open.close());
                        }
                    }
                }
            }
            // An open circuit admits no call, so no outcome has its epoch.
            circuit::Any::Open(_) => {}
        }
    }

    /// Closes the circuit, and resets the counts.
    pub(super) fn reset(&mut self) {
        let closed = match circuit::Any::from(self.circuit) {
            circuit::Any::Closed(closed) => closed,
            circuit::Any::Open(open) => open.close(),
            circuit::Any::HalfOpen(half_open) => half_open.close(),
        };
        self.enter(closed);
    }

    fn enter(&mut self, circuit: impl Into<Circuit>) {
        self.circuit = circuit.into();
        self.epoch += 1;
        (self.failures_in_a_row, self.probes, self.probing) = (0, 0, false);
        self.window = self.rules.failure_rate.map(Window::new);
    }

    fn open_until(&self, now: Duration) -> Duration {
        now.saturating_add(self.rules.open_for)
    }

    /// Counts a call while the circuit is closed. Returns whether the circuit has to open.
    fn counts_to_open(&mut self, end: CallEnd, now: Duration) -> bool {
        match end {
            CallEnd::Uncounted => return false,
            CallEnd::Succeeded => self.failures_in_a_row = 0,
            CallEnd::Failed => self.failures_in_a_row = self.failures_in_a_row.saturating_add(1),
        }
        let failed = end == CallEnd::Failed;
        let at_rate = self.window.as_mut().is_some_and(|window| {
            window.add(failed, now);
            window.is_at_rate(now)
        });
        let in_a_row = self.rules.failures_in_a_row.is_some_and(|limit| self.failures_in_a_row >= limit);
        // A success does not open the circuit, even if the failures in the window reach the rate.
        failed && (at_rate || in_a_row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules =
        Rules { failures_in_a_row: Some(3), failure_rate: None, open_for: Duration::from_secs(10), probes: 2 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn call(counted: &mut Counted, end: CallEnd, now: Duration) -> Result<(), Closed> {
        let epoch = counted.admit(now)?;
        counted.record(epoch, end, now);
        Ok(())
    }

    #[test]
    fn failures_in_a_row_open_it_and_probes_close_it() {
        let mut counted = Counted::new(RULES);
        for end in [CallEnd::Failed, CallEnd::Failed, CallEnd::Succeeded, CallEnd::Failed, CallEnd::Failed] {
            call(&mut counted, end, at(0)).unwrap();
        }
        assert_eq!(counted.circuit(), Circuit::Closed);
        call(&mut counted, CallEnd::Failed, at(1)).unwrap();
        assert_eq!(counted.circuit(), Circuit::Open { until: at(11) });
        assert_eq!(counted.admit(at(10)), Err(Closed::Until(at(11))));
        let probe = counted.admit(at(11)).unwrap();
        assert_eq!(counted.circuit(), Circuit::HalfOpen);
        assert_eq!(counted.admit(at(11)), Err(Closed::Probing), "one probe at a time");
        counted.record(probe, CallEnd::Succeeded, at(12));
        assert_eq!(counted.circuit(), Circuit::HalfOpen, "the first of two");
        call(&mut counted, CallEnd::Succeeded, at(12)).unwrap();
        assert_eq!(counted.circuit(), Circuit::Closed);
    }

    #[test]
    fn a_failed_probe_opens_it_again() {
        let mut counted = Counted::new(RULES);
        (0..3).for_each(|_| call(&mut counted, CallEnd::Failed, at(0)).unwrap());
        call(&mut counted, CallEnd::Failed, at(10)).unwrap();
        assert_eq!(counted.circuit(), Circuit::Open { until: at(20) });
    }

    #[test]
    fn a_cancelled_probe_leaves_room_for_the_next() {
        let mut counted = Counted::new(RULES);
        (0..3).for_each(|_| call(&mut counted, CallEnd::Failed, at(0)).unwrap());
        call(&mut counted, CallEnd::Uncounted, at(10)).unwrap();
        assert_eq!(counted.circuit(), Circuit::HalfOpen);
        assert!(counted.admit(at(10)).is_ok());
    }

    #[test]
    fn late_ends_of_earlier_calls_do_not_count() {
        let mut counted = Counted::new(RULES);
        let slow = counted.admit(at(0)).unwrap();
        (0..3).for_each(|_| call(&mut counted, CallEnd::Failed, at(0)).unwrap());
        let probe = counted.admit(at(10)).unwrap();
        counted.record(slow, CallEnd::Failed, at(10));
        assert_eq!(counted.circuit(), Circuit::HalfOpen);
        assert_eq!(counted.admit(at(10)), Err(Closed::Probing), "the probe is still in flight");
        counted.record(probe, CallEnd::Succeeded, at(11));
    }

    #[test]
    fn a_reset_closes_it() {
        let mut counted = Counted::new(RULES);
        (0..3).for_each(|_| call(&mut counted, CallEnd::Failed, at(0)).unwrap());
        counted.reset();
        assert_eq!(counted.circuit(), Circuit::Closed);
        call(&mut counted, CallEnd::Failed, at(0)).unwrap();
        assert_eq!(counted.circuit(), Circuit::Closed, "the count starts again");
    }

    fn ends() -> impl Strategy<Value = CallEnd> {
        prop_oneof![1 => Just(CallEnd::Succeeded), 3 => Just(CallEnd::Failed), 1 => Just(CallEnd::Uncounted)]
    }

    proptest! {
        /// Calls begin and end in any order. At most one probe is in flight, no call is admitted while the circuit is open, and it opens
        /// only by the failure of a call of the present epoch.
        #[test]
        fn every_move_is_explained(
            steps in prop::collection::vec((0_u64..8, prop::option::of((0_usize..4, ends()))), 1..200),
            probes in 1_u32..4,
        ) {
            let mut counted = Counted::new(Rules { probes, ..RULES });
            let (mut now, mut calls) = (0, Vec::<u64>::new());
            for (pause, ended) in steps {
                now += pause;
                let before = counted.circuit();
                match ended {
                    None => match (counted.admit(at(now)), before) {
                        (Ok(epoch), _) => {
                            calls.push(epoch);
                            if let Circuit::Open { until } = before {
                                prop_assert!(at(now) >= until);
                                prop_assert_eq!(counted.circuit(), Circuit::HalfOpen);
                            }
                        }
                        (Err(Closed::Until(until)), Circuit::Open { until: open }) => {
                            prop_assert_eq!(until, open);
                            prop_assert!(at(now) < until);
                        }
                        (Err(Closed::Probing), Circuit::HalfOpen) => {}
                        (Err(refused), _) => prop_assert!(false, "{refused:?} in {before:?}"),
                    },
                    Some((_, _)) if calls.is_empty() => {}
                    Some((place, end)) => {
                        let epoch = calls.swap_remove(place % calls.len());
                        let current = epoch == counted.epoch;
                        counted.record(epoch, end, at(now));
                        match (before, counted.circuit()) {
                            (before, after) if before == after => {}
                            (Circuit::Closed | Circuit::HalfOpen, Circuit::Open { until }) => {
                                prop_assert!(current && end == CallEnd::Failed);
                                prop_assert_eq!(until, at(now + 10));
                            }
                            (Circuit::HalfOpen, Circuit::Closed) => prop_assert!(current && end == CallEnd::Succeeded),
                            (before, after) => prop_assert!(false, "{before:?} -> {after:?}"),
                        }
                    }
                }
                if counted.circuit() == Circuit::HalfOpen {
                    let in_flight = calls.iter().filter(|epoch| **epoch == counted.epoch).count();
                    prop_assert_eq!(in_flight, usize::from(counted.probing));
                }
            }
        }
    }
}
