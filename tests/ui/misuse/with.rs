use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running, with = another_state)]
    #[on(skip => Running | Done, with = a_state_that_is_no_choice)]
    Idle,
    #[on(stop => Idle)]
    Running,
    #[state(end)]
    Done,
}

fn another_state(_: job::Idle, _: job::event::Start) -> job::Done {
    job::Done
}

fn a_state_that_is_no_choice(idle: job::Idle, _: job::event::Skip) -> job::choice::IdleSkip {
    idle.into()
}

fn main() {}
