use fsm_core::StateMachine;

#[derive(StateMachine, Debug)]
#[fsm(initial = A, group(Active, on(hold => Held)))]
enum Job {
    #[state(in = Active)]
    #[on(go => A)]
    A,
    #[on(resume => history(Active))]
    Held { was: job::history::Active },
}

fn main() {}
