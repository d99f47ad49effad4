use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running, guard = is_free)]
    #[on(skip => Running, with = skip)]
    Idle,
    #[on(stop => Idle)]
    Running,
}

async fn is_free(_: &job::Idle, _: &job::event::Start) -> Result<(), &'static str> {
    Ok(())
}

async fn skip(_: job::Idle, _: job::event::Skip) -> job::Running {
    job::Running
}

fn main() {}
