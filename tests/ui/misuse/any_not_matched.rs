#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn run(any: job::Any) {
    match any {
        job::Any::Ordered(_) => {}
        job::Any::Baked(_) => {}
    }
}

fn main() {}
