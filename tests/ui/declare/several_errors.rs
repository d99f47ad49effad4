//! Errors of all phases are reported together, and code that uses the machine causes no further errors.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle, verson = 2)]
pub enum Job {
    #[on(start => Runing)]
    #[on(fire => Running)]
    Idle,
    #[on(stop => Idle)]
    #[on(stop => Idle)]
    Running { since: u64 },
}

mod uses {
    use crate::Job;
    use crate::job::*;

    pub fn typed(machine: Machine<Idle>) -> Machine<Running> {
        let running = machine.start(7);
        println!("{}", running.since);
        running.fire(event::Stop).start(8)
    }

    pub fn by_value(job: Job) -> Option<State> {
        match Any::from(job.apply(event::Start { since: 1 }).ok()?) {
            Any::Idle(idle) => Some(idle.state()),
            Any::Running(_) if Job::GRAPH.states.is_empty() => None,
            other => other.state().accepts().first().map(|_| other.state()),
        }
    }
}

fn main() {}
