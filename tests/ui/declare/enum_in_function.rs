fn main() {
    use fsm_core::StateMachine;

    #[derive(StateMachine)]
    #[fsm(initial = Idle)]
    enum Job {
        #[on(start => Running)]
        Idle,
        #[on(stop => Idle)]
        Running,
    }

    println!("{}", Job::Idle.state());
}
