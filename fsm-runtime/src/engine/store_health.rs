//! Logs outages of the store and slow calls: an outage once at its beginning and once at its end, a slow call at each doubling.

use crate::{
    log::log_key,
    store::{Key, StoreError},
    sync::Mutex,
};
use std::{collections::BTreeMap, future::Future, mem, sync::MutexGuard, time::Duration};

/// A call of the store or a poll of a background task that takes longer than this is logged.
pub(crate) const SLOW: Duration = Duration::from_secs(10);

/// The results that cannot be stored at the moment.
#[derive(Default)]
pub(crate) struct StoreHealth(Mutex<Tally>);

#[derive(Default)]
struct Tally {
    waiting: usize,
    /// The number of results of this outage that have been stored.
    stored: usize,
}

/// A result that is retried; counted until it is dropped.
pub(crate) struct Waiting<'a>(&'a StoreHealth);

impl StoreHealth {
    /// Records that `what` of this instance could not be stored and is retried.
    pub(crate) fn wait(&self, what: &'static str, key: &Key, error: &StoreError) -> Waiting<'_> {
        let first = {
            let mut tally = self.tally();
            tally.waiting += 1;
            tally.waiting == 1
        };
        if first {
            log_key!(
                error, key, %what, %error,
                "the store is unavailable: a result could not be stored; this one and later ones are retried"
            );
        } else {
            log_key!(debug, key, %what, %error, "another result could not be stored; it is retried");
        }
        Waiting(self)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.lock()
    }
}

impl Waiting<'_> {
    /// Records that the store has answered.
    pub(crate) fn answered(self) {
        self.0.tally().stored += 1;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let results = {
            let mut tally = self.0.tally();
            tally.waiting -= 1;
            if tally.waiting == 0 { mem::take(&mut tally.stored) } else { 0 }
        };
        if results > 0 {
            tracing::info!(results, "the store is available again: the waiting results are stored");
        }
    }
}

/// A call of the store that has not completed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreCall {
    /// The method of [`Store`](crate::store::Store).
    pub call: &'static str,
    /// Its duration so far.
    pub age: Duration,
}

/// The calls that have not completed, in the order of their start.
#[derive(Default)]
pub(crate) struct OpenCalls(Mutex<Open>);

#[derive(Default)]
struct Open {
    made: u64,
    since: BTreeMap<u64, (&'static str, Duration)>,
}

/// A call in progress; removed on drop.
struct UnderWay<'a>(&'a OpenCalls, u64);

impl OpenCalls {
    /// Awaits `answer`, and lists the call as in progress from `now` until it completes or is dropped.
    pub(crate) async fn until<T>(&self, call: &'static str, now: Duration, answer: impl Future<Output = T>) -> T {
        let _under_way = {
            let mut open = self.open();
            open.made += 1;
            let number = open.made;
            open.since.insert(number, (call, now));
            UnderWay(self, number)
        };
        answer.await
    }

    /// The calls in progress, the longest first.
    pub(crate) fn read(&self, now: Duration) -> Vec<StoreCall> {
        let open = self.open();
        open.since.values().map(|(call, since)| StoreCall { call, age: now.saturating_sub(*since) }).collect()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.open().since.remove(&self.1);
    }
}

/// Decides when to log a slow operation: at [`SLOW`], at each doubling, and when it completes. Pure.
#[derive(Debug, Default)]
pub(crate) struct SlowReporter {
    last: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Slow,
    Recovered,
}

impl SlowReporter {
    /// The report for now, if the longest operation has taken `longest`.
    pub(crate) fn report(&mut self, longest: Duration) -> Option<Report> {
        if longest < SLOW {
            let last = mem::take(&mut self.last);
            return (!last.is_zero()).then_some(Report::Recovered);
        }
        if longest < self.last.saturating_mul(2) {
            return None;
        }
        self.last = longest;
        Some(Report::Slow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_calls_are_reported_at_start_repeatedly_and_at_end() {
        let mut reporter = SlowReporter::default();
        let at = [0, 9, 10, 15, 19, 20, 35, 40, 79, 85, 3, 0, 12, 0];
        let reports: Vec<(u64, Report)> =
            at.into_iter().filter_map(|at| Some((at, reporter.report(Duration::from_secs(at))?))).collect();
        let (slow, over) = (Report::Slow, Report::Recovered);
        assert_eq!(reports, [(10, slow), (20, slow), (40, slow), (85, slow), (3, over), (12, slow), (0, over)]);
    }

    #[tokio::test]
    async fn a_call_is_pending_until_answered_or_dropped() {
        let calls = OpenCalls::default();
        let seconds = Duration::from_secs;
        let mut first = Box::pin(calls.until("due", seconds(1), std::future::pending::<()>()));
        let mut second = Box::pin(calls.until("get", seconds(3), std::future::ready(7)));
        assert!(calls.read(seconds(4)).is_empty(), "not made yet");
        tokio::select! { biased; () = &mut first => unreachable!(), () = std::future::ready(()) => {} }
        let shown = |call, age| StoreCall { call, age };
        assert_eq!(calls.read(seconds(4)), [shown("due", seconds(3))]);
        assert_eq!((&mut second).await, 7);
        assert_eq!(calls.read(seconds(5)), [shown("due", seconds(4))]);
        drop(first);
        assert!(calls.read(seconds(6)).is_empty());
    }
}
