//! How the writer waits for its next job: it spins for a moment while that pays off, and sleeps otherwise.

use crate::clock::Stopwatch;
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::Duration,
};

/// How long the writer spins at most. A caller that reacts to its result usually submits again within 20 to 60 µs, most of it
/// wake-up latency. Sleeping and waking the writer would take as long again.
const AWAKE: Duration = Duration::from_micros(100);
/// A job that reaches a sleeping thread within this time, including its wake-up, would have reached a spinning one.
const SOON: Duration = Duration::from_micros(150);
/// The number of consecutive prompt jobs after which the writer spins.
const RUN: u32 = 8;

/// Whether jobs arrive promptly after each other.
///
/// The cost: none while the store is idle, because the first late job ends the spinning, and at most every ninth wait spins for nothing.
/// While a single caller commits as fast as possible, it takes about 30 µs of a processor for each commit.
pub(super) struct Waiting {
    /// The number of consecutive prompt jobs; `None` with a single processor, where spinning would block the callers.
    prompt: Option<u32>,
}

impl Waiting {
    pub(super) fn new() -> Self {
        let several = std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
        Self { prompt: several.then_some(0) }
    }

    /// The next job; none if `most` elapses first.
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
