use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running, with = returns_other_state)]
    #[on(skip => Running | Done, with = returns_other_choice)]
    Idle,
    #[on(stop => Idle)]
    Running,
    #[state(end)]
    Done,
}

fn returns_other_state(_: job::Idle, _: job::event::Start) -> job::Done {
    job::Done
}

fn returns_other_choice(idle: job::Idle, _: job::event::Skip) -> job::choice::IdleSkip {
    idle.into()
}

fn main() {}
