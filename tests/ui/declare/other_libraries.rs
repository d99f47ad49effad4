//! Options of other libraries that have no counterpart of the same form.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Off, transitions = all, end = Broken)]
enum Lamp {
    #[on(flip => On, unless = broken)]
    #[on(dim => On, from = Off)]
    #[on(push => On, event = press)]
    #[state(after = "5s")]
    Off,
    #[on(flip => Off)]
    #[state(on = flip, parallel)]
    On,
    #[state(end)]
    Broken,
}

fn main() {}
