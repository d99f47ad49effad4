//! What is not an event cannot be fired by id.
#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(jobs: Machines<Job>) -> Result<(), fsm_runtime::TransitionError<Job>> {
    jobs.fire("a", "start").await.map(drop)
}

fn main() {}
