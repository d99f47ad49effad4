#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let idle = job::Machine::new(job::Ordered { id: 1 });
    let _ = idle.start(1);
    let _ = idle.start(2);
}
