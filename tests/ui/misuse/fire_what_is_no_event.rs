#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let _ = job::Machine::new(job::Idle { id: 1 }).fire("start");
}
