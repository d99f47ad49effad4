//! Processes whose work is limited to a number of slots over all of them.

use super::{
    PATIENCE, chaos, moment,
    processes::{Crowd, Faults, Place, Role, shut_down},
    until,
    witness::{Line, Witness},
};
use fsm_runtime::{Policy, prelude::*};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// The lease of a process, and of each of its slots.
const LEASE: Duration = Duration::from_millis(1_500);
const SLOTS: usize = 3;
const PROCESSES: usize = 4;

/// Calls a provider that allows [`SLOTS`] calls at a time.
#[derive(StateMachine)]
#[fsm(initial = Calling, durable, derive(Serialize, Deserialize))]
enum Job {
    #[state(work)]
    #[on(answered => Done)]
    Calling,
    #[state(end)]
    Done,
}

struct Caller(Witness);

/// A call to the provider. It ends when this is dropped, also if its worker is aborted.
struct Call<'a> {
    witness: &'a Witness,
    id: &'a str,
    fence: u64,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.witness.write("end", self.id, self.fence);
    }
}

impl job::Workers for Caller {
    async fn calling(&self, task: job::Task<job::Calling>) -> Outcome<job::Calling> {
        let call = Call { witness: &self.0, id: task.id(), fence: task.fence() };
        self.0.write("begin", task.id(), task.fence());
        moment(5, 40).await;
        drop(call);
        task.answered()
    }
}

pub(super) async fn work_until(place: &Place, stop: CancellationToken) {
    let witness = place.witness("calls");
    let runtime = place
        .runtime(|builder| {
            builder
                .machine::<Job, _>(Caller(witness.clone()))
                .policy::<job::Calling>(Policy::new().concurrency_over_all(SLOTS))
                .lease_ttl(LEASE)
        })
        .await;
    stop.cancelled().await;
    shut_down(&runtime).await;
}

pub(crate) async fn killed_and_stopped_processes_keep_to_the_slots(place: Place) -> String {
    let client = place.client().await;
    let jobs = client.machines::<Job>();
    let mut crowd = Crowd::start(&place, Role::Work, PROCESSES);
    let witness = place.witness("calls");
    let (began, mut created) = (Instant::now(), 0);
    while began.elapsed() < chaos() || crowd.faults.kills.len() < 2 || crowd.faults.stops.is_empty() {
        for _ in 0..20 {
            jobs.create(&created.to_string(), job::Calling).await.expect("it is created");
            created += 1;
        }
        let calls = witness.lines().len();
        until("calls are made", async || (witness.lines().len() > calls + 10).then_some(())).await;
        let which = crowd.random();
        if fastrand::bool() {
            crowd.kill(which);
        } else {
            let stopped = crowd.stop(which);
            // A slot of a stopped process is free after its lease.
            moment(100, 2_500).await;
            crowd.go_on(which, stopped);
        }
    }
    for id in 0..created {
        jobs.wait_for(&id.to_string(), job::State::Done, PATIENCE).await.expect("all calls are made");
    }
    // Also those that were suspended write their ends.
    crowd.end().await;
    let most = most_at_once(&witness.lines(), &crowd.faults);
    assert_eq!(most, SLOTS, "the most calls at once");
    let faults = crowd.faults.count();
    shut_down(&client).await;
    format!("{created} calls, at most {most} at once, {faults}")
}

/// The most calls at the same time. A call of a process that was killed or stopped in its midst counts until then.
fn most_at_once(lines: &[Line], faults: &Faults) -> usize {
    let ends: HashMap<(&str, u64), u64> =
        lines.iter().filter(|line| line.what == "end").map(|line| ((&*line.name, line.fence), line.at)).collect();
    let mut changes: Vec<(u64, bool)> = Vec::new();
    for begin in lines.iter().filter(|line| line.what == "begin") {
        let killed = faults.killed(begin.pid, begin.at);
        let end = ends.get(&(&*begin.name, begin.fence)).copied().or(killed);
        let end = end.unwrap_or_else(|| panic!("a call has not ended: {begin:?}"));
        let stops = faults.stops.get(&begin.pid).into_iter().flatten();
        let stopped = stops.filter(|(at, resumed)| *at <= end && begin.at <= *resumed).map(|(at, _)| *at).min();
        // The call may begin between the request to stop and the signal.
        let end = stopped.unwrap_or(end).max(begin.at);
        changes.extend([(begin.at, true), (end, false)]);
    }
    // Of the same time, ends come first.
    changes.sort_unstable();
    let (mut running, mut most) = (0_usize, 0);
    for (_, begins) in changes {
        running = if begins { running + 1 } else { running - 1 };
        most = most.max(running);
    }
    most
}
