use fsm_core::StateMachine;

pub struct Shop;

#[derive(StateMachine)]
#[fsm(initial = Cart, context = Shop)]
enum Order {
    #[on(pay => Paid, guard = without_context)]
    #[on(give => Paid, guard = with_other_context)]
    #[on(ship => Paid, with = with_shared_context)]
    Cart,
    #[state(end)]
    Paid,
}

fn without_context(_: &order::Cart, _: &order::event::Pay) -> Result<(), &'static str> {
    Ok(())
}

fn with_other_context(_: &order::Cart, _: &order::event::Give, _: &u8) -> Result<(), &'static str> {
    Ok(())
}

fn with_shared_context(_: order::Cart, _: order::event::Ship, _: &Shop) -> order::Paid {
    order::Paid
}

fn main() {}
