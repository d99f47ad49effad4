//! An instance is created from the generated struct of its state, not from a value of the enum.
#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(jobs: Machines<Job>) {
    let _ = jobs.create("a", Job::Ordered { id: 1 }).await;
    let _ = jobs.create_with_key("a", Job::Ordered { id: 1 }, "key").await;
}

fn main() {}
