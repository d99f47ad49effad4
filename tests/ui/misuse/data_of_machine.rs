#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let mut baking = job::Machine::new(job::Ordered { id: 1 }).start(1);
    baking.data.at = 2;
    baking.state.at = 2;
}
