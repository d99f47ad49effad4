use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
struct Job;

#[derive(StateMachine)]
enum Empty {}

#[derive(StateMachine)]
#[fsm(initial = Only)]
#[state(end)]
enum Misplaced {
    #[state(end)]
    Only {
        #[on(go => Only)]
        field: u8,
    },
}

fn main() {}
