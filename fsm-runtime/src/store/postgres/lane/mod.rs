//! Group commit: each lane is a connection with a queue. What waits in the queue is committed in one transaction.

mod batch;
mod burst;
mod commit;
mod locked;
mod queue;
mod unseen;
mod with;

pub(super) use commit::{Lane, RAISE_TIMELINE, judge};

use super::{
    connect::Role,
    core::{Core, Driver},
};
use crate::{
    clock::{FOREVER, Stopwatch},
    metrics,
    store::{
        Group, StoreError, Verdict,
        replies::{self, Replies},
    },
};
use commit::Answer;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::oneshot;

/// The size of a batch from which its callers are expected to add more soon.
const MANY: usize = 8;
/// How long a lane waits for them.
const GATHER: Duration = Duration::from_millis(1);

/// A group that waits to be committed.
pub(super) struct Job {
    group: Group,
    /// The size of its values.
    bytes: usize,
    now: Option<SystemTime>,
    /// When the caller called.
    since: Instant,
    reply: replies::Sender<Answer>,
}

/// The lanes of a store. The groups of one key always go to the same lane, so that they keep their order.
pub(super) struct Lanes {
    core: Arc<Core>,
    queues: Vec<queue::Sender>,
}

impl Lanes {
    pub(super) fn start(core: &Arc<Core>, driver: &Driver) -> Self {
        let queues = (0..core.options.lanes).map(|_| {
            let (queue, jobs) = queue::queue();
            driver.spawn(run(commit::Lane::new(core.clone(), Role::Lane), jobs));
            queue
        });
        Self { core: core.clone(), queues: queues.collect() }
    }

    /// Commits the groups of one call, and returns their verdicts in order.
    pub(super) async fn commit(&self, groups: Vec<Group>, now: SystemTime) -> Result<Vec<Verdict>, StoreError> {
        let now = self.core.callers(now);
        // Groups of several keys keep their order with those of each key only in the same lane.
        let one_lane = groups.len() > 1 && groups.iter().any(|group| group.changes.len() > 1);
        let first = groups.iter().find_map(|group| group.changes.first()).map(|change| self.lane_of(change.key()));
        let mut replies = Vec::with_capacity(groups.len());
        for mut group in groups {
            super::text::replace_nul(&mut group);
            let bytes = match super::text::refused(&group) {
                Some(verdict) => Err(verdict),
                None => group.bytes_within(self.core.options.max_value_bytes),
            };
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(verdict) => {
                    replies.push(Err(verdict));
                    continue;
                }
            };
            let Some(change) = group.changes.first() else {
                replies.push(Err(Verdict::Committed { rows: Vec::new() }));
                continue;
            };
            let lane = first.filter(|_| one_lane).unwrap_or_else(|| self.lane_of(change.key()));
            let (reply, answer) = oneshot::channel();
            let queue = self.queues.get(lane).ok_or_else(|| self.closed())?;
            if !queue.send(Job { group, bytes, now, since: Instant::now(), reply }).await {
                return Err(self.closed());
            }
            replies.push(Ok(answer));
        }
        let mut verdicts = Vec::with_capacity(replies.len());
        for reply in replies {
            verdicts.push(match reply {
                Err(verdict) => verdict,
                Ok(reply) => reply.await.map_err(|_| self.unanswered())?.receive()?,
            });
        }
        Ok(verdicts)
    }

    fn lane_of(&self, key: &crate::store::Key) -> usize {
        usize::from(key.shard()) % self.queues.len().max(1)
    }

    fn closed(&self) -> StoreError {
        StoreError::Closed { store: self.core.target.name.clone() }
    }

    /// The lane ended with the group in it.
    fn unanswered(&self) -> StoreError {
        let (store, cause) = (self.core.target.name.clone(), "the store was closed meanwhile".to_owned());
        StoreError::Indeterminate { store, cause }
    }
}

/// Commits what waits, until the store is closed.
async fn run(mut lane: commit::Lane, jobs: queue::Receiver) {
    let (mut waiting, mut locked) = (VecDeque::new(), locked::Locked::default());
    let limit = lane.core.options.timeout;
    let mut last = 0;
    loop {
        let is_open = jobs.take(&mut waiting);
        if waiting.is_empty() {
            if !is_open {
                return;
            }
            jobs.wait(1, if locked.is_empty() { FOREVER } else { locked.pause() }).await;
            jobs.take(&mut waiting);
        }
        // The callers of the last batch come back one by one, and would be spread over a small transaction and a large one.
        let most = last - last / 4;
        if last >= MANY && waiting.len() < most {
            jobs.wait(most - waiting.len(), GATHER).await;
            jobs.take(&mut waiting);
        }
        locked.ask(&lane, &mut waiting, limit).await;
        locked::busy(&lane, locked.take(Vec::new(), &mut waiting));
        let batch = batch::take(&mut waiting);
        last = batch.len();
        let watch = Stopwatch::start();
        let answers = if batch.is_empty() { Vec::new() } else { lane.commit(&batch).await };
        // Verdicts on rows that another transaction has locked are not known yet.
        let committed = answers.iter().flatten().filter(|answer| answer.is_ok()).count();
        if committed > 0 {
            metrics::batch(committed, watch.elapsed());
        }
        // The others have waited for the same server.
        let unreachable = answers.iter().flatten().find_map(|answer| match answer {
            Err(error @ StoreError::Unreachable { .. }) => Some(error.clone()),
            _ => None,
        });
        if let Some(error) = unreachable {
            fail_late(&mut waiting, limit, &error);
        }
        let (mut replies, mut found) = (Vec::with_capacity(batch.len()), Vec::new());
        for (job, answer) in batch.into_iter().zip(answers) {
            match answer {
                Some(answer) => replies.push((job.reply, answer)),
                None => found.push(job),
            }
        }
        Replies::new(replies).send();
        locked::busy(&lane, locked.take(found, &mut waiting));
    }
}

/// Answers the callers that have waited for `limit`.
fn fail_late(waiting: &mut VecDeque<Job>, limit: Duration, error: &StoreError) {
    let (late, others): (Vec<_>, _) = std::mem::take(waiting).into_iter().partition(|job| job.since.elapsed() >= limit);
    *waiting = others.into();
    Replies::new(late.into_iter().map(|job| (job.reply, Err(error.clone()))).collect()).send();
}
