//! U4: processes that work on sagas are killed at random. By the tables of the providers, each trip is booked completely, or undone
//! completely, in reverse order.

use crate::{
    machine::{Agency, Trip, trip},
    providers::{Provider, Providers},
};
use fsm_runtime::{ListQuery, Machines, TransitionError, prelude::*};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Set for a process that is killed: the folder of the stores.
pub(crate) const VICTIM: &str = "FSM_CRASH_SAGA";
/// The limit for the last trips, after the last kill.
const PATIENCE: Duration = Duration::from_mins(2);
const LEASE: Duration = Duration::from_secs(3);

/// Works on trips until it is killed.
pub(crate) async fn book_until_killed(dir: &Path) {
    let store = Sqlite::open(dir.join("trips.db")).await.expect("the store");
    let agency = Agency(Providers::open(&dir.join("providers.db")).expect("the providers"));
    let builder = Runtime::builder(store).machine::<Trip, _>(agency).lease_ttl(LEASE).max_attempts(1_000_000);
    let builder = builder.backoff(Duration::from_millis(1), Duration::from_millis(20));
    let _runtime = builder.start().await.expect("a controller");
    std::future::pending::<()>().await;
}

fn start(dir: &Path) -> Child {
    let this = std::env::current_exe().expect("this binary");
    Command::new(this).env(VICTIM, dir).stdin(Stdio::null()).spawn().expect("a process")
}

fn kill(mut victim: Child) {
    victim.kill().expect("SIGKILL");
    victim.wait().expect("it is gone");
}

/// Cancels a trip, unless it has ended or is on its way back.
async fn cancel(trips: &Machines<Trip>, id: &str) {
    match trips.fire(id, trip::event::Cancel { reason: "the traveller stays".into() }).await {
        Ok(_) | Err(TransitionError::NotAccepted { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn killed_trips_are_booked_or_undone(kills: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let providers = Providers::open(&dir.path().join("providers.db")).expect("the providers");
    let store = Sqlite::open(dir.path().join("trips.db")).await.expect("a store");
    let runtime = Runtime::builder(store).start().await.expect("a client");
    let trips = runtime.machines::<Trip>();
    let mut victims = [start(dir.path()), start(dir.path())];
    let (mut made, mut unanswered) = (0_u32, Vec::new());
    for round in 0..kills {
        let begin = made;
        for _ in 0..10 {
            made += 1;
            let id = made.to_string();
            if fastrand::bool() {
                let provider = Provider::ALL[fastrand::usize(0..3)].name();
                let answers = fastrand::u32(0..4) > 0;
                providers.request(&id, provider, if answers { "refuse" } else { "lose" }).expect("it is requested");
                unanswered.extend((!answers).then(|| id.clone()));
            }
            trips.create(&id, trip::Reserving).await.expect("it is created");
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..200))).await;
        let id = fastrand::u32(begin + 1..=made).to_string();
        cancel(&trips, &id).await;
        kill(std::mem::replace(&mut victims[(round % 2) as usize], start(dir.path())));
    }
    for id in &unanswered {
        cancel(&trips, id).await;
    }
    let (mut booked, mut undone) = (0, 0);
    for id in (1..=made).map(|id| id.to_string()) {
        let is_end = |state| matches!(state, trip::State::Booked | trip::State::Cancelled);
        let end = trips.wait_until(&id, PATIENCE, "its end", is_end).await.expect("it ends").state();
        let calls = providers.calls(&id).expect("the tables");
        let (made, taken_back): (Vec<&str>, Vec<&str>) =
            calls.iter().map(String::as_str).partition(|call| call.starts_with('+'));
        if end == trip::State::Booked {
            booked += 1;
            assert_eq!(calls, ["+airline", "+bank", "+hotel"], "trip {id}");
        } else {
            undone += 1;
            let reverse: Vec<String> = made.iter().rev().map(|call| call.replace('+', "-")).collect();
            assert_eq!(taken_back, reverse, "trip {id}: {calls:?}");
            assert!(calls[..made.len()].iter().all(|call| call.starts_with('+')), "trip {id}: {calls:?}");
        }
    }
    let half = trips.rows(&ListQuery::all().half_undone()).await.expect("a list").items;
    assert!(half.is_empty(), "{half:?}");
    victims.into_iter().for_each(kill);
    format!("{kills} kills, {booked} trips booked, {undone} undone, {} without an answer", unanswered.len())
}
