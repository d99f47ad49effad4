//! `enter` takes a function on the state's data; words of other libraries have one error each.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Wrong {
    #[state(enter = by_value)]
    #[on(go => B)]
    A,
    #[state(enter)]
    #[on(go => A)]
    B,
}

fn by_value(_: wrong::A) {}

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Words {
    #[state(on_entry = begin)]
    #[on(go => B)]
    A,
    #[state(exit = end)]
    #[on(go => A)]
    B,
}

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Signature {
    #[state(enter = by_name)]
    #[on(go => A)]
    A,
}

fn by_name(_: signature::A) {}

fn main() {}
