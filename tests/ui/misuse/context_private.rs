use fsm_core::StateMachine;

struct Secret;

#[derive(StateMachine)]
#[fsm(initial = On, context = Secret)]
pub enum Lamp {
    #[on(flip => On)]
    On,
}

fn main() {}
