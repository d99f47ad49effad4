//! How a state is entered: at creation, by an event, by a timer, before the process started; and timers of zero delay.

use super::{HOUR, PATIENCE, SECOND};
use fsm_runtime::{Runtime, clock::ManualClock, prelude::*, store::sqlite::Sqlite};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet};

/// A visit, which has work from its creation on.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Begun, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
enum Visit {
    /// It is handled.
    #[state(work)]
    #[on(ask => Asked)]
    #[after("1h", remind)]
    #[on(remind => Reminded)]
    Begun,
    /// It waits for an answer.
    #[state(work)]
    #[on(answer => Begun)]
    Asked,
    /// It takes too long.
    #[state(work)]
    #[on(leave => Over)]
    Reminded,
    /// It is over.
    #[state(end)]
    Over,
}

/// Reports each state that it works for; only the last one ends by itself.
struct Hosts(mpsc::UnboundedSender<(String, visit::State)>);

impl Hosts {
    async fn until_told<S: fsm_runtime::DurableState<Machine = Visit>>(&self, task: &visit::Task<S>) -> WorkError {
        let _ = self.0.send((task.id().to_owned(), task.state()));
        task.cancelled().await;
        "told to end".into()
    }
}

impl visit::Workers for Hosts {
    async fn begun(&self, task: visit::Task<visit::Begun>) -> Outcome<visit::Begun> {
        Err(self.until_told(&task).await)
    }

    async fn asked(&self, task: visit::Task<visit::Asked>) -> Outcome<visit::Asked> {
        Err(self.until_told(&task).await)
    }

    async fn reminded(&self, task: visit::Task<visit::Reminded>) -> Outcome<visit::Reminded> {
        let _ = self.0.send((task.id().to_owned(), task.state()));
        task.leave()
    }
}

async fn hosts(path: &Path, clock: &ManualClock) -> (Runtime, mpsc::UnboundedReceiver<(String, visit::State)>) {
    let (sender, calls) = mpsc::unbounded_channel();
    let builder = Runtime::builder(Sqlite::open(path).await.unwrap()).clock(clock.clock()).lease_ttl(HOUR * 100);
    (builder.machine::<Visit, Hosts>(Hosts(sender)).start().await.unwrap(), calls)
}

#[tokio::test]
async fn c5_a_work_state_gets_its_worker_however_entered() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("visits.db");
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let next = async |calls: &mut mpsc::UnboundedReceiver<(String, visit::State)>| {
        tokio::time::timeout(PATIENCE, calls.recv()).await.expect("a worker starts").unwrap()
    };
    let worked = |id: &str, state| (id.to_owned(), state);

    // At creation, by an event, and by an event back into an earlier state.
    let (runtime, mut calls) = hosts(&path, &clock).await;
    let visits = runtime.machines::<Visit>();
    let begun = visits.create("a", visit::Begun).await.unwrap();
    assert_eq!(next(&mut calls).await, worked("a", visit::State::Begun));
    let asked = begun.ask().await.unwrap();
    assert_eq!(next(&mut calls).await, worked("a", visit::State::Asked));
    let _ = asked.answer().await.unwrap();
    assert_eq!(next(&mut calls).await, worked("a", visit::State::Begun));

    // Entered by a client while no controller runs.
    runtime.shutdown(Duration::ZERO).await;
    let client = Runtime::builder(Sqlite::open(&path).await.unwrap()).clock(clock.clock()).start().await.unwrap();
    let _ = client.machines::<Visit>().create("b", visit::Begun).await.unwrap().ask().await.unwrap();
    let (runtime, mut calls) = hosts(&path, &clock).await;
    let mut found = [next(&mut calls).await, next(&mut calls).await];
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, [worked("a", visit::State::Begun), worked("b", visit::State::Asked)]);

    // By a timer.
    clock.advance(HOUR);
    assert_eq!(next(&mut calls).await, worked("a", visit::State::Reminded));
    runtime.machines::<Visit>().wait_for("a", visit::State::Over, PATIENCE).await.unwrap();
}

const AT_ONCE: Duration = Duration::from_nanos(1);

/// A fuse that blows at once unless it is swapped first; the new one has no timer but accepts the event.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Old, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
enum Fuse {
    /// It blows.
    #[on(blow => Blown)]
    #[on(swap => Fresh)]
    #[after(AT_ONCE, blow)]
    Old,
    /// The event must not come from a timer.
    #[on(blow => Wrong)]
    Fresh,
    /// The event came from a caller.
    #[state(end)]
    Blown,
    /// A timer was delivered to a state that has none.
    #[state(end)]
    Wrong,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c14_a_timer_of_zero_delay_fires_in_its_own_state_only() {
    let dir = TempDir::new().unwrap();
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let store = Sqlite::open(dir.path().join("fuses.db")).await.unwrap();
    let runtime = Runtime::builder(store).clock(clock.clock()).machine::<Fuse, _>(()).start().await.unwrap();
    let fuses = runtime.machines::<Fuse>();
    let mut tasks = JoinSet::new();
    for n in 0..200 {
        let fuses = fuses.clone();
        tasks.spawn(async move {
            let old = fuses.create(&n.to_string(), fuse::Old).await.unwrap();
            (n.to_string(), old.swap().await.is_ok())
        });
    }
    let outcomes = tasks.join_all().await;
    // The next scan finds everything that is due.
    clock.advance(SECOND * 5);
    runtime.run_until_idle().await.unwrap();
    for (id, swapped) in outcomes {
        let state = fuses.get(&id).await.unwrap().state();
        assert_eq!(state, if swapped { fuse::State::Fresh } else { fuse::State::Blown }, "{id}");
    }
}
