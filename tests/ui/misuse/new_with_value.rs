#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let _ = job::Machine::new(Job::Ordered { id: 1 });
}
