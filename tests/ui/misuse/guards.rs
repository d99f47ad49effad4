use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running, guard = without_event)]
    #[on(skip => Running, guard = returns_bool)]
    Idle,
    #[on(stop => Idle, guard = not_there)]
    #[on(halt => Idle, guard = refuses_with_u8)]
    Running,
}

fn without_event(_: &job::Idle) -> Result<(), &'static str> {
    Ok(())
}

fn returns_bool(_: &job::Idle, _: &job::event::Skip) -> bool {
    true
}

fn refuses_with_u8(_: &job::Running, _: &job::event::Halt) -> Result<(), u8> {
    Err(1)
}

fn main() {}
