#![allow(unused_mut)]
#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

fn main() {
    let mut baking = job::Machine::new(job::Ordered { id: 1 }).start(1);
    baking.at = 2;
    baking.data().at = 2;
}
