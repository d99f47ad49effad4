use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = On, context = Shop)]
enum Lamp {
    #[on(flip => On, with = flip)]
    On,
}

fn flip(on: lamp::On, _: lamp::event::Flip, _: &mut u8) -> lamp::On {
    on
}

fn main() {}
