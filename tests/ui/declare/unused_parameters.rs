//! A parameter that no state uses is reported by the derive and by rustc, and causes no further errors.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Open)]
enum Ticket<'a, T, const N: usize> {
    #[on(close { by: T, at: &'a str } => Open)]
    Open,
}

fn main() {}
