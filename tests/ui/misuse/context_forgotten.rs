use fsm_core::StateMachine;

pub struct Shop;

#[derive(StateMachine)]
#[fsm(initial = Cart, context = Shop)]
enum Order {
    #[on(pay => Paid)]
    Cart,
    #[state(end)]
    Paid,
}

fn main() {
    let _ = order::Machine::new(order::Cart);
    let _ = order::Machine::new(order::Cart, 7);
    let _ = Order::Cart.apply(order::event::Pay);
    let _ = order::Any::from(Order::Cart);
}
