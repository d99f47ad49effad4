#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn run(any: job::Any) {
    let _ = Job::Ordered { id: 1 }.start(1);
    let _ = any.stop();
    let _ = any.fire(job::event::Stop);
    let _ = Job::Baked.fire(job::event::Stop);
    let _ = (job::Ordered { id: 1 }).start(1);
}

fn main() {}
