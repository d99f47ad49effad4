//! A pipeline of jobs in GitLab.

use fsm_core::StateMachine;

use super::typed::hold;

/// Its status follows that of its jobs.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Created, derive(Clone, Copy, Debug, PartialEq))]
#[fsm(group(Complete, on(enqueue => Running)))]
#[on(run => Running, except(Running))]
#[on(skip => Skipped, except(Skipped))]
#[on(drop => Failed, except(Failed))]
#[on(succeed => Success, except(Success))]
#[on(cancel => Canceled, except(Canceled))]
#[on(block => Manual, except(Manual))]
pub(crate) enum CiPipeline {
    /// No job is queued.
    #[state(name = "created")]
    #[on(enqueue => Pending)]
    Created,
    /// A job is queued.
    #[state(name = "pending")]
    Pending,
    /// A job runs.
    #[state(name = "running")]
    Running,
    /// All jobs are done.
    #[state(in = Complete, name = "success")]
    Success,
    /// A job has failed.
    #[state(in = Complete, name = "failed")]
    Failed,
    /// Stopped by a user.
    #[state(in = Complete, name = "canceled")]
    Canceled,
    /// No job has to run.
    #[state(name = "skipped")]
    #[on(enqueue => Pending)]
    Skipped,
    /// A job waits for a user.
    #[state(name = "manual")]
    Manual,
}

hold! {
    CiPipeline in ci_pipeline;
    states: [Created, Pending, Running, Success, Failed, Canceled, Skipped, Manual];
    events: [Enqueue, Run, Skip, Drop, Succeed, Cancel, Block];
}

#[test]
fn a_pipeline_runs_again_when_a_job_is_retried() {
    let failed = ci_pipeline::Machine::new(ci_pipeline::Created).enqueue().run().drop();
    assert_eq!(CiPipeline::from(failed.enqueue().succeed()), CiPipeline::Success);
}
