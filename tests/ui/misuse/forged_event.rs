#[path = "../job.rs"]
mod job_machine;
use job_machine::*;

struct Jump;

impl job::EventOf<job::Idle> for Jump {
    type Next = ();
    type Target = job::Done;
    const EVENT: job::EventKind = job::EventKind::Stop;
    fn fire(self, _: job::Machine<job::Idle>, _: job::seal::Seal) {}
    fn transition(self, _: job::Idle, _: job::seal::Seal) -> Result<job::Done, fsm_core::Refused<job::Idle, Self>> {
        Ok(job::Done)
    }
}

fn main() {}
