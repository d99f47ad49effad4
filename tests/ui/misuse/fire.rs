#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let idle = job::Machine::new(job::Ordered { id: 1 });
    let next = idle.fire(job::event::Stop);
    println!("{}", next.state());
}
