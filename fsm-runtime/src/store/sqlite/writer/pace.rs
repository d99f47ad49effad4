//! How often the writer looks whether another process has committed.

use std::time::Duration;

/// Between two looks while something is expected.
const SOON: Duration = Duration::from_millis(5);
/// Looks at that pace after a hint: a commit can be seen once its sync is done, some milliseconds after its write.
const EXPECTED: u32 = 20;
/// Between two looks while nothing is expected and a watch gives hints.
const WATCHED: Duration = Duration::from_millis(500);
/// The same without a watch.
const UNWATCHED: Duration = Duration::from_millis(50);

pub(super) struct Pace {
    idle: Duration,
    /// Looks that come soon.
    soon: u32,
}

impl Pace {
    /// For a file that is `watched`, or not.
    pub(super) fn of_file(watched: bool) -> Self {
        Self { idle: if watched { WATCHED } else { UNWATCHED }, soon: 0 }
    }

    /// For a database in memory, which has no other process.
    pub(super) fn alone() -> Self {
        Self { idle: Duration::MAX, soon: 0 }
    }

    pub(super) fn next(&self) -> Duration {
        if self.soon > 0 { SOON } else { self.idle }
    }

    /// The log was written.
    pub(super) fn hinted(&mut self) {
        self.soon = EXPECTED;
    }

    /// This process has committed: what follows the commit is done at the next look.
    pub(super) fn served(&mut self) {
        self.soon = self.soon.max(1);
    }

    /// A look has found a change of another process, or none.
    pub(super) fn looked(&mut self, changed: bool) {
        self.soon = if changed { EXPECTED } else { self.soon.saturating_sub(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_soon_after_a_hint_and_slow_down() {
        let mut pace = Pace::of_file(true);
        assert_eq!(pace.next(), WATCHED);
        pace.hinted();
        for _ in 0..EXPECTED {
            assert_eq!(pace.next(), SOON);
            pace.looked(false);
        }
        assert_eq!(pace.next(), WATCHED);
        pace.served();
        assert_eq!(pace.next(), SOON);
        pace.looked(true);
        assert_eq!((pace.next(), pace.soon), (SOON, EXPECTED));
    }
}
