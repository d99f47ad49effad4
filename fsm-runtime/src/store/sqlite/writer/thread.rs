//! Owns the writer's thread: what it serves in which order, and what shares a transaction.

use super::{Commit, Job, Queued, Urgent, adaptive_wait::Waiting, committer::Committer, inline_commit::Turns};
use std::{
    io,
    sync::{
        Arc, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Groups that share one transaction at most: past this, latency grows and throughput does not.
const BATCH: usize = 256;
/// Other jobs that are served before a batch is committed.
pub(super) const OTHERS: usize = 8;
/// How often an idle writer looks whether another process has committed (1.9 µs a look).
const FOREIGN_POLL: Duration = Duration::from_millis(5);

/// Starts the thread; it ends when all that give it jobs are gone.
pub(super) fn start(turns: Arc<Turns>, queue: Receiver<Queued>, urgent: Urgent) -> io::Result<JoinHandle<()>> {
    let thread = Thread { turns, queue, urgent };
    std::thread::Builder::new().name("fsm-writer".into()).spawn(move || thread.run())
}

struct Thread {
    turns: Arc<Turns>,
    queue: Receiver<Queued>,
    urgent: Urgent,
}

impl Thread {
    fn run(self) {
        let mut waiting = Waiting::new();
        loop {
            match waiting.next(&self.queue, FOREIGN_POLL) {
                Ok(first) => {
                    let Some(mut committer) = self.turns.next() else { return };
                    self.serve(first, &mut committer);
                    committer.let_others_write();
                    committer.look_after_the_file(false);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(mut committer) = self.turns.idle() {
                        committer.look_after_the_file(true);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Serves `first` and what waits behind it, commits together.
    fn serve(&self, first: Queued, committer: &mut Committer) {
        let (mut batch, mut replies) = (Vec::new(), Vec::new());
        let mut groups = 0;
        // Other jobs may sync the disk each: they must not keep the batch waiting for long.
        let mut others = 0;
        let mut first = Some(first);
        loop {
            let more = groups < BATCH && others < OTHERS;
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
                    committer.commit_with(commit);
                }
                Job::Run(job) => {
                    others += 1;
                    committer.run(job);
                }
                Job::Look => {}
            }
        }
        if batch.is_empty() {
            return;
        }
        // A caller that has gone does not want the answer; the change stands.
        match committer.commit(&batch) {
            Ok(verdicts) => {
                for (reply, verdicts) in replies.into_iter().zip(verdicts) {
                    let _ = reply.send(Ok(verdicts));
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// Looked for before each job, since the word of it may have come with one that was taken before.
    fn urgent(&self) -> Option<Queued> {
        self.urgent.lock().unwrap_or_else(PoisonError::into_inner).pop_front().map(|job| (job, None))
    }
}
