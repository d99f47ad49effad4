//! The machine that the cases misuse.
#![allow(dead_code)]
use fsm_core::StateMachine;

#[derive(StateMachine, Debug)]
#[fsm(initial = Idle, derive(Debug))]
pub enum Job {
    #[on(start { at: u64 } => Running)]
    Idle { id: u32 },
    #[on(stop => Idle)]
    #[on(check => Idle | Done, with = check)]
    Running { id: u32, at: u64 },
    #[state(end)]
    Done,
}

fn check(running: job::Running, _: job::event::Check) -> job::choice::RunningCheck {
    if running.at == 0 { job::Done.into() } else { job::Idle { id: running.id }.into() }
}
