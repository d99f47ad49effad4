#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let _ = job::Machine::new(job::Running { id: 1, at: 2 });
}
