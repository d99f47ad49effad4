//! Many nodes on one PostgreSQL server, which crash, stall, are cut off and restart while their server does the same. Behaviours N of
//! `tests/BEHAVIOURS.md`.
//!
//! `FSM_CHAOS_SECONDS=600 cargo test -p tests-postgres --test nodes` sets how long the tests of random faults run (default 15). Their
//! processes are this binary, started again.

#![cfg(server)]

mod blocked;
#[cfg(faketime)]
mod clocks;
mod commits;
mod contention;
mod coordination;
mod failover;
mod kills;
mod locks;
mod network;
mod process;
mod restarts;
mod stops;
mod versions;
mod witness;
mod work;

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The limit for what is certain to happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long random faults go on.
///
/// # Panics
/// If the variable is set to something other than a number.
fn chaos() -> Duration {
    let seconds =
        std::env::var("FSM_CHAOS_SECONDS").map_or(15, |text| text.parse().expect("FSM_CHAOS_SECONDS is a number"));
    Duration::from_secs(seconds)
}

/// Waits until `condition` holds.
///
/// # Panics
/// If it does not hold in time.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The output of `future`.
///
/// # Panics
/// If it is not ready in time.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}
