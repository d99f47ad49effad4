#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let running = job::Machine::new(job::Ordered { id: 1 }).start(1);
    match running.check() {
        job::choice::BakingCheck::Ordered(_) => {}
    }
}
