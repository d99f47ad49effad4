//! Owns how the writer waits for its next job: awake for a moment while that pays off, asleep otherwise.

use crate::clock::Stopwatch;
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::Duration,
};

/// How long it stays awake at most. A caller who goes on with what he was answered is back within 20 to 60 µs, most of which it takes
/// to wake its thread; to put ours to sleep and to wake it takes as long again, and a lone caller would wait for both.
const AWAKE: Duration = Duration::from_micros(100);
/// What comes within this to a thread asleep, its waking included, would have found it awake.
const SOON: Duration = Duration::from_micros(150);
/// How many jobs in a row have to come soon before it stays awake for the next one.
const RUN: u32 = 8;

/// Whether jobs come one soon after the other.
///
/// What it costs: nothing while the store is idle, since the first job that does not come in time ends it, and at most every ninth
/// wait is one awake in vain. While a lone caller commits as fast as he can, it takes some 30 µs of a processor for each commit.
pub(super) struct Waiting {
    /// How many in a row have come soon; `None` where there is one processor, on which nobody else can run while this thread is awake.
    prompt: Option<u32>,
}

impl Waiting {
    pub(super) fn new() -> Self {
        let several = std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
        Self { prompt: several.then_some(0) }
    }

    /// The next job, or none that came within `most`.
    pub(super) fn next<T>(&mut self, queue: &Receiver<T>, most: Duration) -> Result<T, RecvTimeoutError> {
        let watch = Stopwatch::start();
        let (next, soon) = match self.awake(queue, &watch) {
            Ok(job) => (Ok(job), true),
            Err(TryRecvError::Disconnected) => (Err(RecvTimeoutError::Disconnected), false),
            Err(TryRecvError::Empty) => {
                let stayed = self.stays_awake();
                let next = queue.recv_timeout(most);
                let soon = next.is_ok() && !stayed && watch.elapsed() < SOON;
                (next, soon)
            }
        };
        if let Some(prompt) = &mut self.prompt {
            *prompt = if soon { prompt.saturating_add(1) } else { 0 };
        }
        next
    }

    fn stays_awake(&self) -> bool {
        self.prompt.is_some_and(|prompt| prompt >= RUN)
    }

    fn awake<T>(&self, queue: &Receiver<T>, watch: &Stopwatch) -> Result<T, TryRecvError> {
        loop {
            match queue.try_recv() {
                Err(TryRecvError::Empty) if self.stays_awake() && watch.elapsed() < AWAKE => std::hint::spin_loop(),
                got => return got,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_thread_spins_only_after_a_run_of_prompt_jobs() {
        let (jobs, queue) = mpsc::channel();
        let mut waiting = Waiting { prompt: Some(0) };
        for job in 0..RUN {
            assert!(!waiting.stays_awake(), "after {job}");
            jobs.send(job).unwrap();
            assert_eq!(waiting.next(&queue, Duration::ZERO), Ok(job));
        }
        assert!(waiting.stays_awake());
        let watch = Stopwatch::start();
        assert_eq!(waiting.next(&queue, Duration::ZERO), Err(RecvTimeoutError::Timeout));
        assert!(watch.elapsed() >= AWAKE, "it was to be awake");
        assert!(!waiting.stays_awake(), "one that did not come ends it");
        drop(jobs);
        assert_eq!(waiting.next(&queue, Duration::ZERO), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn the_thread_sleeps_with_one_processor() {
        let (jobs, queue) = mpsc::channel();
        let mut waiting = Waiting { prompt: None };
        for job in 0..2 * RUN {
            jobs.send(job).unwrap();
            assert_eq!(waiting.next(&queue, Duration::ZERO), Ok(job));
            assert!(!waiting.stays_awake());
        }
    }
}
