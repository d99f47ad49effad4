//! A job of a pipeline in GitLab.

use fsm_core::StateMachine;

use super::typed::hold;

/// A build, or the status of an external service.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Created, derive(Clone, Copy, Debug, PartialEq))]
#[fsm(group(Active, on(drop => Failed), on(success => Success), on(cancel => Canceled)))]
pub(crate) enum CiJob {
    /// Waits for earlier stages.
    #[state(in = Active, name = "created")]
    #[on(enqueue => Pending)]
    #[on(skip | cancel => Skipped)]
    Created,
    /// Waits for a runner.
    #[state(in = Active, name = "pending")]
    #[on(run => Running)]
    #[on(skip => Skipped)]
    Pending,
    /// A runner has it.
    #[state(in = Active, name = "running")]
    Running,
    /// Left out, for now.
    #[state(name = "skipped")]
    #[on(enqueue => Pending)]
    #[on(process => Created)]
    Skipped,
    /// Done.
    #[state(end, name = "success")]
    Success,
    /// Failed.
    #[state(end, name = "failed")]
    Failed,
    /// Stopped by a user.
    #[state(end, name = "canceled")]
    Canceled,
}

hold! {
    CiJob in ci_job;
    states: [Created, Pending, Running, Skipped, Success, Failed, Canceled];
    events: [Enqueue, Process, Run, Skip, Drop, Success, Cancel];
}

#[test]
fn a_job_is_skipped_if_it_is_canceled_before_it_is_queued() {
    let skipped = ci_job::Machine::new(ci_job::Created).cancel();
    let canceled = skipped.process().enqueue().run().cancel();
    assert_eq!(CiJob::from(canceled), CiJob::Canceled);
    assert_eq!(CiJob::GRAPH.transition("created", "cancel").and_then(|on| on.overrides), Some("Active"));
}
