//! A pipeline that waits for its jobs, after GitLab's: it succeeds when all jobs have, and ends with the first that fails or is canceled.

use std::time::{Duration, SystemTime};

use fsm_runtime::{Machines, Runtime, clock::ManualClock, prelude::*};
use serde::{Deserialize, Serialize};

const PATIENCE: Duration = Duration::from_mins(1);

/// A job, as in `ci_job.rs`, with its data in a store.
#[derive(StateMachine)]
#[fsm(initial = Created, durable, derive(Serialize, Deserialize))]
#[fsm(group(Active, on(drop => Failed), on(cancel => Canceled)))]
enum Job {
    /// Waits for earlier stages.
    #[state(in = Active)]
    #[on(enqueue => Pending)]
    Created,
    /// Waits for a runner.
    #[state(in = Active)]
    #[on(run => Running)]
    Pending,
    /// A runner has it.
    #[state(in = Active)]
    #[on(succeed => Success)]
    Running,
    /// Done.
    #[state(end)]
    Success,
    /// Failed.
    #[state(end)]
    Failed,
    /// Stopped by a user.
    #[state(end)]
    Canceled,
}

/// Follows its jobs.
#[derive(StateMachine)]
#[fsm(initial = Running, durable, derive(Serialize, Deserialize))]
enum Pipeline {
    /// At least one job is not done.
    #[state(waits(
        all(jobs): Job in Success => succeed,
        any(jobs): Job in Failed | missing => drop,
        any(jobs): Job in Canceled => cancel,
    ))]
    #[on(succeed => Success)]
    #[on(drop => Failed)]
    #[on(cancel => Canceled)]
    Running { jobs: Vec<String> },
    /// All jobs are done.
    #[state(end)]
    Success,
    /// A job has failed, or there is no such job.
    #[state(end)]
    Failed,
    /// A job was stopped by a user.
    #[state(end)]
    Canceled,
}

struct Ci {
    _runtime: Runtime,
    jobs: Machines<Job>,
    pipelines: Machines<Pipeline>,
}

impl Ci {
    /// A pipeline `p` of two jobs that are queued, all created at once.
    async fn started() -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let builder = Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock());
        let runtime = builder.machine::<Job, _>(()).machine::<Pipeline, _>(()).start().await.unwrap();
        let (jobs, pipelines) = (runtime.machines::<Job>(), runtime.machines::<Pipeline>());
        let mut group = runtime.group();
        group.add(jobs.create("build", job::Created));
        group.add(jobs.create("test", job::Created));
        group.add(pipelines.create("p", pipeline::Running { jobs: vec!["build".into(), "test".into()] }));
        group.commit().await.unwrap();
        for id in ["build", "test"] {
            jobs.fire(id, job::event::Enqueue).await.unwrap();
            jobs.fire(id, job::event::Run).await.unwrap();
        }
        Self { _runtime: runtime, jobs, pipelines }
    }

    async fn ends(&self, state: pipeline::State) {
        self.pipelines.wait_for("p", state, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_pipeline_succeeds_after_its_last_job() {
    let ci = Ci::started().await;
    ci.jobs.fire("test", job::event::Succeed).await.unwrap();
    assert_eq!(ci.pipelines.get("p").await.unwrap().state(), pipeline::State::Running);
    ci.jobs.fire("build", job::event::Succeed).await.unwrap();
    ci.ends(pipeline::State::Success).await;
}

#[tokio::test]
async fn a_pipeline_ends_with_the_first_job_that_does_not_succeed() {
    let failing = Ci::started().await;
    failing.jobs.fire("test", job::event::Drop).await.unwrap();
    failing.ends(pipeline::State::Failed).await;
    let canceled = Ci::started().await;
    canceled.jobs.fire("build", job::event::Cancel).await.unwrap();
    canceled.ends(pipeline::State::Canceled).await;
}

#[test]
fn the_graph_has_what_the_pipeline_waits_for() {
    let running = Pipeline::GRAPH.state("Running").unwrap();
    let waits: Vec<_> = running.waits.iter().map(|wait| (wait.machine, wait.states, wait.event)).collect();
    assert_eq!(
        waits,
        [("Job", &["Success"][..], "succeed"), ("Job", &["Failed"][..], "drop"), ("Job", &["Canceled"][..], "cancel"),]
    );
    super::exchange::check(Pipeline::GRAPH);
    let program = fsm_core::Graphs::new([Pipeline::GRAPH, Job::GRAPH]).mermaid().to_string();
    assert!(program.contains("Pipeline_Running -. \"any(jobs), drop\" .-> Job_Failed"), "{program}");
    super::exchange::write("mermaid", "program.md", &format!("```mermaid\n{program}```\n"));
}

/// Every form of a wait, also with other reasons for the transition.
#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum Release {
    #[state(work, waits(
        job: Job in Success | missing => go,
        any(jobs): Job in Success => go,
        at_least(2, jobs): Job in Failed => stop,
        all(jobs): Job in missing => note,
    ))]
    #[on(go => Done | Stopped, with = decide, by = worker)]
    #[on(stop => Stopped, guard = |_, _| Err::<(), _>("not yet"))]
    #[on(note => _)]
    Waiting { job: String, jobs: Vec<String> },
    #[state(end)]
    Done,
    #[state(end)]
    Stopped,
}

fn decide(_: release::Waiting, _: release::event::Go) -> release::choice::WaitingGo {
    release::Done.into()
}

#[test]
fn other_formats_hold_every_form_of_a_wait() {
    super::exchange::check(Release::GRAPH);
    let config = Release::GRAPH.xstate_json().to_string();
    for part in [
        r#""meta":{"waits":[{"field":"job","machine":"Job","states":["Success"],"missing":true,"quantity":"one","event":"go"},"#,
        r##"{"target":"#Release.Stopped","description":"by worker, when job: Job in Success | missing, or any(jobs): Job in Success","guard":"go: Stopped"}"##,
        r##""stop":{"target":"#Release.Stopped","description":"when at_least(2, jobs): Job in Failed","guard":"stop"}"##,
        r#""note":{"actions":["note"],"description":"when all(jobs): Job in missing"}"#,
    ] {
        assert!(config.contains(part), "{part} in {config}");
    }
    let scxml = Release::GRAPH.scxml().to_string();
    assert!(scxml.contains(r#"event="note" fsm:waits="all(jobs): Job in missing"/>"#), "{scxml}");
}
