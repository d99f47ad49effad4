//! Owns the ordered rounds: stop from the last to the first, pause, start from the first to the last.
//!
//! The start of a supervisor, its end, and the restart of a group are all rounds. There is one at a time; a failure
//! within it begins it anew.

use super::{
    builder::Strategy,
    child::Policy,
    entry::{Phase, Rest, Stage, Then},
    tree::Tree,
};
use std::{collections::BTreeSet, time::Duration};

#[derive(Debug)]
pub(super) struct Round {
    /// The first child that it is about.
    from: u64,
    /// Not to start before this.
    until: Duration,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Stop {
        /// Those from here on are gone or leaked, but for those waited for.
        above: u64,
        waiting_for: BTreeSet<u64>,
    },
    Pause,
    Start {
        /// Those before this have started.
        next: u64,
    },
}

impl Round {
    pub(super) fn start() -> Self {
        Self { from: 0, until: Duration::ZERO, step: Step::Start { next: 0 } }
    }

    pub(super) fn stop_all() -> Self {
        Self::stop(0, Duration::ZERO)
    }

    /// What a failure makes of the round that was under way: it begins anew, for all that were in it, and no failure's delay is
    /// cut short by another's.
    fn again(round: Option<Self>, from: u64, until: Duration) -> Self {
        match round {
            // Those before `next` run; those after it were to be started.
            Some(Self { step: Step::Start { next }, .. }) => Self::stop(from.min(next), until),
            Some(round) => Self::stop(from.min(round.from), until.max(round.until)),
            None => Self::stop(from, until),
        }
    }

    fn stop(from: u64, until: Duration) -> Self {
        Self { from, until, step: Step::Stop { above: u64::MAX, waiting_for: BTreeSet::new() } }
    }

    pub(super) fn pause(&self) -> Option<Duration> {
        matches!(self.step, Step::Pause).then_some(self.until)
    }

    /// `key` is gone, or will not go: the stop need not wait for it.
    pub(super) fn waits_no_more_for(&mut self, key: u64) {
        if let Step::Stop { waiting_for, .. } = &mut self.step {
            waiting_for.remove(&key);
        }
    }
}

impl Tree {
    /// The group of a failed child is to stop, and to start again not before `until`.
    pub(super) fn regroup(&mut self, failed: u64, until: Duration) {
        let from = if self.strategy == Strategy::OneForAll { 0 } else { failed };
        self.round = Some(Round::again(self.round.take(), from, until));
    }

    /// Goes on with the round as far as it can be gone on with now.
    pub(super) fn advance(&mut self) {
        while let Some(mut round) = self.round.take() {
            let goes_on = match &mut round.step {
                Step::Stop { above, waiting_for } if waiting_for.is_empty() => {
                    match self.last_below(round.from, *above) {
                        Some(first) => {
                            *waiting_for = self.stop_from(first, *above);
                            *above = first;
                        }
                        None if self.ending.is_some() => continue,
                        None => round.step = Step::Pause,
                    }
                    true
                }
                Step::Stop { .. } => false,
                Step::Pause => {
                    let over = round.until <= self.now();
                    if over {
                        round.step = Step::Start { next: round.from };
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
            self.round = Some(round);
            if !goes_on {
                return;
            }
        }
    }

    /// The children that stop next: the last one, or all that do not depend on each other.
    fn last_below(&self, from: u64, above: u64) -> Option<u64> {
        let (&last, entry) = self.entries.range(from..above).next_back()?;
        if !(entry.added && self.strategy == Strategy::OneForOne) {
            return Some(last);
        }
        self.entries.range(from..above).find(|(_, entry)| entry.added).map(|(&first, _)| first)
    }

    /// Tells those from `first` to `above` to stop; gives back those to wait for.
    fn stop_from(&mut self, first: u64, above: u64) -> BTreeSet<u64> {
        let keys: Vec<u64> = self.entries.range(first..above).map(|(&key, _)| key).collect();
        keys.into_iter().filter(|&key| self.stop_in_round(key)).collect()
    }

    /// Tells one to stop; whether it is to be waited for.
    fn stop_in_round(&mut self, key: u64) -> bool {
        let ending = self.ending.is_some();
        let Some(entry) = self.entries.get(&key) else { return false };
        match entry.phase {
            Phase::Starting | Phase::Running => {
                let then = match entry.spec.policy {
                    Policy::Temporary => Then::Forget,
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

    /// Whether the start can go on past this child; starts it if it is its turn.
    fn pass(&mut self, key: u64) -> bool {
        let Some(entry) = self.entries.get(&key) else { return true };
        match entry.phase {
            Phase::Idle(Rest::Terminated) | Phase::Running | Phase::Leaving(_, Then::Rest(_) | Then::Forget) => true,
            // One for one, it comes back at its own time; the others need not wait for that.
            Phase::Waiting if self.strategy == Strategy::OneForOne => true,
            Phase::Idle(_) | Phase::Waiting => {
                self.start(key);
                // One that reports its start is waited for; and a failure may have begun another round.
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
    fn s18_a_second_failure_keeps_the_first_delay() {
        let secs = Duration::from_secs;
        let first = || Round::again(None, 3, secs(20));
        for (from, until, expected) in [(5, secs(10), (3, secs(20))), (1, secs(30), (1, secs(30)))] {
            let both = Round::again(Some(first()), from, until);
            assert_eq!((both.from, both.until), expected);
        }
        let starting = Round { from: 0, until: secs(20), step: Step::Start { next: 2 } };
        let anew = Round::again(Some(starting), 4, secs(10));
        assert_eq!((anew.from, anew.until), (2, secs(10)), "that delay is over");
    }
}
