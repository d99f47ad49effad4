#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn run(job: Job) {
    let _: job::Machine<job::Baking> = job.into();
}

fn back(baking: job::Baking) {
    let _ = job::Machine::from(baking);
}

fn main() {}
