//! Values that are no state of the machine.
#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(jobs: Machines<Job>) {
    let _ = jobs.create("a", "Ordered").await;
    let _ = jobs.create("a", (job::Ordered { id: 1 }, 1)).await;
    let _ = jobs.create("a", job::State::Ordered).await;
}

fn main() {}
