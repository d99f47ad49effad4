use fsm_core::StateMachine;

pub struct Shop;

#[derive(StateMachine)]
#[fsm(initial = Cart, context = Shop)]
enum Order {
    #[on(pay => Paid, guard = without)]
    #[on(give => Paid, guard = of_another)]
    #[on(ship => Paid, with = unchanging)]
    Cart,
    #[state(end)]
    Paid,
}

fn without(_: &order::Cart, _: &order::event::Pay) -> Result<(), &'static str> {
    Ok(())
}

fn of_another(_: &order::Cart, _: &order::event::Give, _: &u8) -> Result<(), &'static str> {
    Ok(())
}

fn unchanging(_: order::Cart, _: order::event::Ship, _: &Shop) -> order::Paid {
    order::Paid
}

fn main() {}
