//! Jobs whose rows another transaction has locked. They wait beside the queue, so that a forgotten transaction of an administrator delays only
//! the changes of the rows that it has locked.

use super::{Job, commit::Lane};
use crate::store::{Key, StoreError, replies::Replies};
use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

/// How often the store checks whether the rows are free.
const ASK: Duration = Duration::from_millis(50);

/// The most jobs that wait. Later ones are answered at once.
const MOST: usize = 4_096;

/// Jobs that wait for rows. What comes later for the same keys waits behind them.
#[derive(Default)]
pub(super) struct Locked {
    jobs: VecDeque<Job>,
    /// Their keys.
    keys: HashSet<Key>,
    asked: Option<Instant>,
}

impl Locked {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The time until the next check.
    pub(super) fn pause(&self) -> Duration {
        ASK.saturating_sub(self.asked.map_or(Duration::ZERO, |asked| asked.elapsed()))
    }

    /// Takes jobs that were found locked, and those of `waiting` that have to stay behind them. Returns those that are too many.
    #[must_use]
    pub(super) fn take(&mut self, jobs: Vec<Job>, waiting: &mut VecDeque<Job>) -> VecDeque<Job> {
        if jobs.is_empty() && self.jobs.is_empty() {
            return VecDeque::new();
        }
        if !jobs.is_empty() {
            // They were tried just now.
            self.asked = Some(Instant::now());
        }
        self.keys.extend(jobs.iter().flat_map(keys).cloned());
        let before = std::mem::take(&mut self.jobs);
        self.jobs.extend(jobs.into_iter().chain(before));
        let (behind, free) = split(std::mem::take(waiting), &mut self.keys);
        self.jobs.extend(behind);
        *waiting = free;
        self.jobs.split_off(self.jobs.len().min(MOST))
    }

    /// Moves the jobs whose rows are free to the front of `waiting`, and ends those that have waited for `limit`.
    pub(super) async fn ask(&mut self, lane: &Lane, waiting: &mut VecDeque<Job>, limit: Duration) {
        if self.jobs.is_empty() || !self.pause().is_zero() {
            return;
        }
        for job in std::mem::take(&mut self.jobs) {
            let waited = job.since.elapsed();
            if waited < limit {
                self.jobs.push_back(job);
            } else {
                busy(lane, [job]);
            }
        }
        self.keys = lane.locked(self.jobs.iter().flat_map(keys)).await;
        self.asked = Some(Instant::now());
        let (behind, mut free) = split(std::mem::take(&mut self.jobs), &mut self.keys);
        self.jobs = behind;
        free.append(waiting);
        *waiting = free;
    }
}

/// Tells the callers that another transaction has the rows.
pub(super) fn busy(lane: &Lane, jobs: impl IntoIterator<Item = Job>) {
    let answers = jobs.into_iter().map(|job| {
        let (store, waited) = (lane.core.target.name.clone(), job.since.elapsed());
        (job.reply, Err(StoreError::Busy { store, waited, holder: None }))
    });
    Replies::new(answers.collect()).send();
}

fn keys(job: &Job) -> impl Iterator<Item = &Key> {
    job.group.changes.iter().map(crate::store::Change::key)
}

/// Those that have to wait for `locked` keys, in their order, and all others.
fn split(jobs: VecDeque<Job>, locked: &mut HashSet<Key>) -> (VecDeque<Job>, VecDeque<Job>) {
    jobs.into_iter().partition(|job| {
        let waits = keys(job).any(|key| locked.contains(key));
        if waits {
            locked.extend(keys(job).cloned());
        }
        waits
    })
}

#[cfg(test)]
mod tests {
    use super::{super::batch::tests::job, *};

    fn ids(jobs: &VecDeque<Job>) -> Vec<String> {
        jobs.iter().map(|job| keys(job).map(|key| key.id.to_string()).collect()).collect()
    }

    #[test]
    fn no_more_jobs_wait_than_fit() {
        let (mut locked, mut waiting) = (Locked::default(), (0..MOST).map(|_| job("a")).collect());
        assert_eq!(locked.take(vec![job("a")], &mut waiting).len(), 1);
        assert_eq!((locked.jobs.len(), waiting.len()), (MOST, 0));
    }

    #[test]
    fn what_comes_later_for_a_locked_key_waits_behind_it() {
        let mut waiting: VecDeque<Job> = "b a bc c d".split(' ').map(job).collect();
        let mut locked = Locked::default();
        assert!(locked.take(vec![job("a")], &mut waiting).is_empty());
        assert_eq!(
            (ids(&locked.jobs), ids(&waiting)),
            (vec!["a".into(), "a".into()], ["b", "bc", "c", "d"].map(String::from).into())
        );
        // A group makes its other keys wait, too.
        let jobs: VecDeque<Job> = "b ab b c".split(' ').map(job).collect();
        let (behind, free) = split(jobs, &mut HashSet::from([Key::new("Door", "a")]));
        assert_eq!((ids(&behind), ids(&free)), (vec!["ab".into(), "b".into()], ["b", "c"].map(String::from).into()));
    }
}
