#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

struct Jump;

impl job::__EventOf<job::Ordered> for Jump {
    type Next = ();
    type Target = job::Baked;
    fn __fire(self, _: job::Machine<job::Ordered>, _: job::__seal::__Seal) {}
    fn transition(self, _: job::Ordered, _: job::__seal::__Seal) -> Result<job::Baked, fsm_core::GuardError<job::Ordered, Self>> {
        Ok(job::Baked)
    }
}

fn main() {}
