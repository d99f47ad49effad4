//! G1 to G4 and C24: processes that lock, lead, call once, register, and work in slots are killed, and stopped for longer than their leases, at random. What they
//! did is in a file that all of them append to, outside of the store: see [`witness`].
//!
//! `FSM_CHAOS_SECONDS=600` sets how long each of the tests runs (default 2). The tests of the PostgreSQL store share these.

mod calls;
mod leaders;
mod locks;
mod processes;
mod services;
mod slots;
mod witness;

pub(crate) use self::{
    calls::killed_processes_call_once,
    leaders::killed_and_stopped_leaders_are_followed,
    locks::killed_and_stopped_holders_lose_their_locks,
    processes::{PROCESS, Place, StoreAt, run},
    services::killed_services_are_gone,
    slots::killed_and_stopped_processes_keep_to_the_slots,
};

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// The limit for what is certain to happen.
const PATIENCE: Duration = Duration::from_mins(1);
/// How much later than its lease says something may happen on a loaded machine.
const LATE: Duration = Duration::from_secs(5);

/// How long random faults go on.
///
/// # Panics
/// If the variable is set to something other than a number.
fn chaos() -> Duration {
    let seconds = std::env::var("FSM_CHAOS_SECONDS").map_or(2, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// Microseconds of one clock for all processes, which goes on while they are stopped.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000).expect("after the start of the machine")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("it is short")
}

/// A random time.
async fn moment(from: u64, to: u64) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(from..to))).await;
}

/// Waits until `found` is something, and returns it; `None` if it is nothing in time.
async fn within<T>(limit: Duration, mut found: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = found().await {
            return Some(found);
        }
        if began.elapsed() > limit {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until `found` is something, and returns it.
///
/// # Panics
/// If it is nothing in time.
async fn until<T>(what: &str, found: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, found).await.unwrap_or_else(|| panic!("not in time: {what}"))
}
