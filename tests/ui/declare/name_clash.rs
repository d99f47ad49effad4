use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Machine)]
enum Job {
    #[on(fire => Event)]
    Machine,
    #[on(go_on => Machine)]
    #[on(go__on => Machine)]
    Event,
}

fn main() {}
