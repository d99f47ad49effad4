//! Ordered sequences: stop from the last child to the first, pause, start from the first to the last.
//!
//! The start of a supervisor, its end, and the restart of a group are sequences. There is one at a time; a failure during
//! a sequence restarts it.

use super::{
    builder::Strategy,
    child::RestartPolicy,
    child_state::{Phase, Rest, Stage, Then},
    task::SupervisorTask,
};
use std::{collections::BTreeSet, time::Duration};

#[derive(Debug)]
pub(super) struct Sequence {
    /// The first child of the sequence.
    from: u64,
    /// Not to start before this.
    until: Duration,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Stop {
        /// All children from here on have ended or leaked, except those in `waiting_for`.
        above: u64,
        waiting_for: BTreeSet<u64>,
    },
    Pause,
    Start {
        /// Those before this have started.
        next: u64,
    },
}

impl Sequence {
    pub(super) fn start() -> Self {
        Self { from: 0, until: Duration::ZERO, step: Step::Start { next: 0 } }
    }

    pub(super) fn stop_all() -> Self {
        Self::stop(0, Duration::ZERO)
    }

    /// The sequence after a failure: it covers all children of the one in progress, and keeps the later of the two delays.
    fn again(sequence: Option<Self>, from: u64, until: Duration) -> Self {
        match sequence {
            // Those before `next` run; those after it were to be started.
            Some(Self { step: Step::Start { next }, .. }) => Self::stop(from.min(next), until),
            Some(sequence) => Self::stop(from.min(sequence.from), until.max(sequence.until)),
            None => Self::stop(from, until),
        }
    }

    fn stop(from: u64, until: Duration) -> Self {
        Self { from, until, step: Step::Stop { above: u64::MAX, waiting_for: BTreeSet::new() } }
    }

    pub(super) fn pause(&self) -> Option<Duration> {
        matches!(self.step, Step::Pause).then_some(self.until)
    }

    /// `key` has ended or leaked, so the sequence does not wait for it.
    pub(super) fn stop_waiting_for(&mut self, key: u64) {
        if let Step::Stop { waiting_for, .. } = &mut self.step {
            waiting_for.remove(&key);
        }
    }
}

impl SupervisorTask {
    /// Stops the group of a failed child, and starts it again not before `until`.
    pub(super) fn regroup(&mut self, failed: u64, until: Duration) {
        let from = if self.strategy == Strategy::OneForAll { 0 } else { failed };
        self.sequence = Some(Sequence::again(self.sequence.take(), from, until));
    }

    /// Advances the sequence as far as possible.
    pub(super) fn advance(&mut self) {
        while let Some(mut sequence) = self.sequence.take() {
            let goes_on = match &mut sequence.step {
                Step::Stop { above, waiting_for } if waiting_for.is_empty() => {
                    match self.last_below(sequence.from, *above) {
                        Some(first) => {
                            *waiting_for = self.stop_from(first, *above);
                            *above = first;
                        }
                        None if self.ending.is_some() => continue,
                        None => sequence.step = Step::Pause,
                    }
                    true
                }
                Step::Stop { .. } => false,
                Step::Pause => {
                    let over = sequence.until <= self.now();
                    if over {
                        sequence.step = Step::Start { next: sequence.from };
                    }
                    over
                }
                Step::Start { next } => match self.entries.range(*next..).next() {
                    None => continue,
                    Some((&key, _)) => {
                        let passed = self.pass(key);
                        if passed {
                            *next = key + 1;
                        }
                        passed
                    }
                },
            };
            self.sequence = Some(sequence);
            if !goes_on {
                return;
            }
        }
    }

    /// The first of the children that stop next: the last child, or all that are independent of each other.
    fn last_below(&self, from: u64, above: u64) -> Option<u64> {
        let (&last, entry) = self.entries.range(from..above).next_back()?;
        if !(entry.added && self.strategy == Strategy::OneForOne) {
            return Some(last);
        }
        self.entries.range(from..above).find(|(_, entry)| entry.added).map(|(&first, _)| first)
    }

    /// Stops the children from `first` to `above`; returns those to wait for.
    fn stop_from(&mut self, first: u64, above: u64) -> BTreeSet<u64> {
        let keys: Vec<u64> = self.entries.range(first..above).map(|(&key, _)| key).collect();
        keys.into_iter().filter(|&key| self.stop_in_round(key)).collect()
    }

    /// Stops one child; returns whether to wait for it.
    fn stop_in_round(&mut self, key: u64) -> bool {
        let ending = self.ending.is_some();
        let Some(entry) = self.entries.get(&key) else { return false };
        match entry.phase {
            Phase::Starting | Phase::Running => {
                let then = match entry.spec.policy {
                    RestartPolicy::Temporary => Then::Forget,
                    _ if ending => Then::Rest(Rest::Finished),
                    _ => Then::Restart,
                };
                self.stop(key, then);
                true
            }
            Phase::Leaving(stage, _) => stage != Stage::Leaked,
            Phase::Idle(_) | Phase::Waiting => false,
        }
    }

    /// Starts the child if necessary; returns whether the sequence can continue with the next one.
    fn pass(&mut self, key: u64) -> bool {
        let Some(entry) = self.entries.get(&key) else { return true };
        match entry.phase {
            Phase::Idle(Rest::Terminated) | Phase::Running | Phase::Leaving(_, Then::Rest(_) | Then::Forget) => true,
            // One for one: it restarts at its own time, and the others do not wait for it.
            Phase::Waiting if self.strategy == Strategy::OneForOne => true,
            Phase::Idle(_) | Phase::Waiting => {
                self.start(key);
                // A child that reports its start is awaited; a failure may have begun another sequence.
                self.entries.get(&key).is_none_or(|entry| entry.phase == Phase::Running)
            }
            Phase::Leaving(_, Then::Restart) => self.strategy == Strategy::OneForOne,
            Phase::Starting => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s18_second_failure_keeps_the_longer_delay() {
        let secs = Duration::from_secs;
        let first = || Sequence::again(None, 3, secs(20));
        for (from, until, expected) in [(5, secs(10), (3, secs(20))), (1, secs(30), (1, secs(30)))] {
            let both = Sequence::again(Some(first()), from, until);
            assert_eq!((both.from, both.until), expected);
        }
        let starting = Sequence { from: 0, until: secs(20), step: Step::Start { next: 2 } };
        let restarted = Sequence::again(Some(starting), 4, secs(10));
        assert_eq!((restarted.from, restarted.until), (2, secs(10)), "that delay is over");
    }
}
