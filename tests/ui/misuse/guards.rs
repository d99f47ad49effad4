use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running, guard = no_event)]
    #[on(skip => Running, guard = no_result)]
    Idle,
    #[on(stop => Idle, guard = not_there)]
    #[on(halt => Idle, guard = no_reason)]
    Running,
}

fn no_event(_: &job::Idle) -> Result<(), &'static str> {
    Ok(())
}

fn no_result(_: &job::Idle, _: &job::event::Skip) -> bool {
    true
}

fn no_reason(_: &job::Running, _: &job::event::Halt) -> Result<(), u8> {
    Err(1)
}

fn main() {}
