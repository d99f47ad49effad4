#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(runtime: Runtime, jobs: Machines<Job>) {
    let mut group = runtime.group();
    let _ = group.add(jobs.fire("a", job::event::Stop));
    let _ = group.add(jobs.create("a", job::Ordered { id: 1 }).await);
}

fn main() {}
