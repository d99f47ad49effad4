//! Events and transitions whose generated type names are invalid or clash.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Steps {
    #[on(_1 => AB)]
    #[on(b_c => A | AB, with = choose)]
    A,
    #[on(c => A | AB, with = choose)]
    AB,
}

fn main() {}
