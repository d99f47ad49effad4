use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running, guard = is_free)]
    Idle,
    #[on(stop => Idle)]
    Running,
}

fn is_free(_: &job::Idle, _: &job::event::Start) -> Result<(), &'static str> {
    Ok(())
}

enum Mistake {}

fn typed() -> Result<(), Mistake> {
    job::Machine::new(job::Idle).start()?;
    Ok(())
}

fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    job::Machine::new(job::Idle).start()?;
    Ok(())
}

fn dynamic() -> Result<(), Mistake> {
    Job::Idle.apply(job::event::Stop)?;
    Ok(())
}

fn nothing() {
    let _: job::Machine<job::Running> = job::Machine::new(job::Idle).start();
    job::Machine::new(job::Idle).start()?;
}

fn main() {}
