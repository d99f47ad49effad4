use fsm_core::StateMachine;

#[derive(StateMachine, Debug, Clone)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running)]
    Idle,
    #[on(stop => Idle)]
    Running,
}

fn main() {
    let idle = job::Machine::new(job::Idle);
    println!("{idle:?}");
    let copy = idle.clone();
    assert_eq!(copy, idle);
}
