use fsm_core::StateMachine;

pub struct Shop;

#[derive(StateMachine)]
#[fsm(initial = On, context)]
enum NoType {
    #[on(flip => On)]
    On,
}

#[derive(StateMachine)]
#[fsm(initial = On, context = Shop, context = u8)]
enum Twice {
    #[on(into_parts => On)]
    On,
}

fn main() {
    let _ = no_type::Machine::new(no_type::On, Shop).context();
    let _ = Twice::On.apply(twice::event::IntoParts, &mut Shop);
}
