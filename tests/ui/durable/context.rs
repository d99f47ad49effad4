use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Shop;

#[derive(StateMachine)]
#[fsm(initial = Cart, durable, context = Shop, derive(Serialize, Deserialize))]
pub enum Order {
    #[on(pay => Paid)]
    Cart,
    #[state(end)]
    Paid,
}

async fn run(runtime: Runtime) {
    let orders = runtime.machines::<Order>();
    let _ = orders.create("a", order::Cart).await;
    let _ = orders.create("a", (order::Cart, 7)).await;
    let _ = orders.create("a", (order::Paid, Shop)).await;
}

fn main() {}
