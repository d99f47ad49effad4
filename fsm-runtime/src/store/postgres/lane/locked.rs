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

/// Jobs that wait for rows. What comes later for the same keys waits behind them.
#[derive(Default)]
pub(super) struct Locked {
    jobs: VecDeque<Job>,
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

    /// Takes jobs that were found locked, and those of `waiting` that have to stay behind them.
    pub(super) fn take(&mut self, jobs: Vec<Job>, waiting: &mut VecDeque<Job>) {
        if jobs.is_empty() && self.jobs.is_empty() {
            return;
        }
        if !jobs.is_empty() {
            // They were tried just now.
            self.asked = Some(Instant::now());
        }
        let before = std::mem::take(&mut self.jobs);
        self.jobs.extend(jobs.into_iter().chain(before));
        let (behind, free) = split(std::mem::take(waiting), self.jobs.iter().flat_map(keys).cloned().collect());
        self.jobs.extend(behind);
        *waiting = free;
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
                let store = lane.core.target.name.clone();
                Replies::new(vec![(job.reply, Err(StoreError::Busy { store, waited, holder: None }))]).send();
            }
        }
        let locked = lane.locked(self.jobs.iter().flat_map(keys)).await;
        self.asked = Some(Instant::now());
        let (behind, mut free) = split(std::mem::take(&mut self.jobs), locked);
        self.jobs = behind;
        free.append(waiting);
        *waiting = free;
    }
}

fn keys(job: &Job) -> impl Iterator<Item = &Key> {
    job.group.changes.iter().map(crate::store::Change::key)
}

/// Those that have to wait for `locked` keys, in their order, and all others.
fn split(jobs: VecDeque<Job>, mut locked: HashSet<Key>) -> (VecDeque<Job>, VecDeque<Job>) {
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
    fn what_comes_later_for_a_locked_key_waits_behind_it() {
        let mut waiting: VecDeque<Job> = "b a bc c d".split(' ').map(job).collect();
        let mut locked = Locked::default();
        locked.take(vec![job("a")], &mut waiting);
        assert_eq!(
            (ids(&locked.jobs), ids(&waiting)),
            (vec!["a".into(), "a".into()], ["b", "bc", "c", "d"].map(String::from).into())
        );
        // A group makes its other keys wait, too.
        let jobs: VecDeque<Job> = "b ab b c".split(' ').map(job).collect();
        let (behind, free) = split(jobs, HashSet::from([Key::new("Door", "a")]));
        assert_eq!((ids(&behind), ids(&free)), (vec!["ab".into(), "b".into()], ["b", "c"].map(String::from).into()));
    }
}
