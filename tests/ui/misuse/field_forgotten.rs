#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let _ = job::Machine::new(job::Ordered {});
    let _ = job::Machine::new(job::Ordered { idd: 1 });
    let _ = job::Machine::new(job::Ordered { id: 1 }).start();
}
