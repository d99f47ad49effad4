//! What is written instead of the pair of an initial state and the context.
use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Shop;

#[derive(StateMachine)]
#[fsm(initial = Cart, durable, context = Shop, derive(Serialize, Deserialize))]
enum Order {
    #[on(pay => Paid)]
    Cart,
    #[state(end)]
    Paid,
}

async fn run(orders: Machines<Order>) {
    let _ = orders.create("swapped", (Shop, order::Cart)).await;
    let _ = orders.create("enum", (Order::Cart, Shop)).await;
    let _ = orders.create("enum alone", Order::Cart).await;
}

fn main() {}
