//! A derive of the generated types that a field's type does not have is reported at the field.
use fsm_core::StateMachine;

pub struct Secret;

#[derive(StateMachine)]
#[fsm(initial = Open, derive(Clone))]
pub enum Safe {
    #[on(close { code: Secret } => Closed)]
    Open,
    #[state(end)]
    Closed { code: Secret },
}

#[derive(StateMachine)]
#[fsm(initial = Open, derive(PartialEq))]
enum Tuple {
    #[on(close => Open)]
    Open(u8, Secret),
}

fn main() {}
