//! The gap rule: up to where the history is settled, from what statements see. Pure, and uses nothing else, so that a model of the
//! protocol in the tests can include it.
//!
//! A sequence is given out before its transaction commits, so a later number can be seen before an earlier one. Each transaction has
//! its id before it takes a number. The owner of a number that is missing therefore has a lower id than one that is given out after a later
//! number was seen: once all transactions before that id are over, the missing numbers will never appear. The end of a snapshot is no
//! such id: it follows the last transaction that has ended, and open ones may have later ids.

/// The settled part of the history, as far as this process has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// Up to this number, all entries are visible, and no entry will be added.
    pub(super) settled: u64,
    pub(super) gap: Option<Gap>,
    /// A number that was given out before any snapshot that was seen here: the last one, when the store was opened.
    pub(super) given: Option<u64>,
}

/// Numbers that are not visible, or were not when a later one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gap {
    /// The latest number that was given out.
    pub(super) high: u64,
    /// Transactions from this id on take later numbers.
    pub(super) end: u64,
}

/// What one statement saw.
pub(super) struct Seen<'a> {
    /// The oldest transaction that was open.
    pub(super) oldest_open: u64,
    /// An id that was given out after this was seen, if there was a gap for which it was asked.
    pub(super) next: Option<u64>,
    /// The numbers from a position on, without those that were left out by a limit.
    pub(super) numbers: &'a [u64],
    /// The latest number.
    pub(super) high: u64,
    /// The newest entry that was pruned. Only what is settled is.
    pub(super) pruned: u64,
}

impl State {
    /// Records what was seen after `position`, which a reader has reached. Returns the last number that can be delivered.
    pub(super) fn see(&mut self, position: u64, seen: &Seen<'_>) -> u64 {
        self.settled = self.settled.max(seen.pruned);
        if let Some(gap) = self.gap
            && seen.oldest_open >= gap.end
        {
            self.pass(gap);
        }
        if let (None, Some(given), Some(end)) = (self.gap, self.unsettled(), seen.next) {
            self.gap = Some(Gap { high: seen.high.max(given), end });
        }
        // A reader at a position has read everything before it.
        let mut upto = self.settled.max(position);
        for number in seen.numbers {
            if *number > upto + 1 {
                // Until this one is over, a later one need not be remembered.
                self.gap = self.gap.or(seen.next.map(|end| Gap { high: seen.high, end }));
                break;
            }
            upto = upto.max(*number);
        }
        if position <= self.settled {
            self.settled = self.settled.max(upto);
        }
        upto
    }

    /// The number that was given out before, if it is not known to be settled.
    pub(super) fn unsettled(&self) -> Option<u64> {
        self.given.filter(|given| *given > self.settled)
    }

    /// No transaction of the store that may own a number in the gap is open.
    pub(super) fn pass(&mut self, gap: Gap) {
        if self.gap == Some(gap) {
            self.settled = self.settled.max(gap.high);
            self.given = self.given.filter(|given| *given > gap.high);
            self.gap = None;
        }
    }
}
