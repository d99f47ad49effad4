use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Runing)]
    Idle,
    #[on(stop => Idle)]
    Running,
}

fn main() {
    let running = job::Machine::new(job::Idle).start();
    let job = Job::from(running).apply(job::event::Stop);
    println!("{:?}", job.unwrap().state());
}
