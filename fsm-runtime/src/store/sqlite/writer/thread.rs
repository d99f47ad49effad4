//! The writer's thread: the order of jobs, and which of them share a transaction.

use super::{
    Commit, Job, Queued, Urgent, adaptive_wait::Waiting, committer::Committer, inline_commit::Turns, pace::Pace,
};
use crate::store::{replies::Replies, sqlite::connection::patience};
use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

/// The maximum number of groups, or of other short writes, in a transaction. Past this, latency grows and throughput does not.
const BATCH: usize = 256;
/// The maximum number of other jobs that are served before a batch is committed.
pub(super) const OTHERS: usize = 8;

/// Starts the thread. It ends when all senders of jobs are dropped.
pub(super) fn start(
    turns: Arc<Turns>,
    queue: Receiver<Queued>,
    urgent: Urgent,
    pace: Pace,
    busy_timeout: Duration,
) -> io::Result<JoinHandle<()>> {
    let thread = Thread { turns, queue, urgent };
    std::thread::Builder::new().name("fsm-writer".into()).spawn(move || {
        patience::always_wait(busy_timeout);
        thread.run(pace);
    })
}

struct Thread {
    turns: Arc<Turns>,
    queue: Receiver<Queued>,
    urgent: Urgent,
}

impl Thread {
    fn run(self, mut pace: Pace) {
        let mut waiting = Waiting::new();
        loop {
            match waiting.next(&self.queue, pace.next()) {
                Ok((Job::Written, _)) => {
                    pace.hinted();
                    // Do not wait for an inline commit; the next check comes soon.
                    if let Some(mut committer) = self.turns.idle() {
                        committer.look_for_foreign_changes();
                    }
                }
                Ok(first) => {
                    let Some(mut committer) = self.turns.next() else { return };
                    self.serve(first, &mut committer);
                    committer.let_others_write();
                    let changed = committer.look_after_the_file(false);
                    pace.looked(changed);
                    pace.served();
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(mut committer) = self.turns.idle() {
                        pace.looked(committer.look_after_the_file(true));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Serves `first` and the waiting jobs; commits are batched.
    fn serve(&self, first: Queued, committer: &mut Committer) {
        let (mut batch, mut replies, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        let mut groups = 0;
        // Each of the other jobs may sync the disk; they must not delay the batch for long. Short writes wait for none of them: renewals are
        // among them, and the statements of a caller may be slow.
        let mut others = 0;
        let mut first = Some(first);
        loop {
            let more = groups < BATCH && writes.len() < BATCH && others < OTHERS;
            let next =
                self.urgent().or_else(|| first.take()).or_else(|| more.then(|| self.queue.try_recv().ok()).flatten());
            let Some((job, _place)) = next else { break };
            match job {
                Job::Commit(Commit { asked, reply }) => {
                    groups += asked.groups.len();
                    batch.push(asked);
                    replies.push(reply);
                }
                Job::CommitWith(commit) => {
                    others += 1;
                    committer.write(&mut writes);
                    committer.commit_with(commit);
                }
                Job::Write(write) => writes.push(write),
                Job::Run(job) => {
                    others += 1;
                    committer.write(&mut writes);
                    committer.run(job);
                }
                Job::Look | Job::Written => {}
            }
        }
        committer.write(&mut writes);
        if batch.is_empty() {
            return;
        }
        let answers = match committer.commit(&batch) {
            Ok(verdicts) => replies.into_iter().zip(verdicts.into_iter().map(Ok)).collect(),
            Err(error) => replies.into_iter().map(|reply| (reply, Err(error.clone()))).collect(),
        };
        Replies::new(answers).send();
    }

    /// Checked before each job, because its signal may have been taken with an earlier one.
    fn urgent(&self) -> Option<Queued> {
        self.urgent.lock().pop_front().map(|job| (job, None))
    }
}
