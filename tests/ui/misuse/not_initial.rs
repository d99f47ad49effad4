#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let _ = job::Machine::new(job::Baking { id: 1, at: 2 });
}
