//! A parameter of the enum that no state holds: rustc's word for it is enough beside ours.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Open)]
enum Ticket<'a, T, const N: usize> {
    #[on(close { by: T, at: &'a str } => Open)]
    Open,
}

fn main() {}
