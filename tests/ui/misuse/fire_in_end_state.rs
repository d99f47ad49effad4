#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn late(done: job::Machine<job::Baked>) {
    let _ = done.fire(job::event::Start { at: 1 });
}

fn main() {}
