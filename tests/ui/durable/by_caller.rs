//! What is `by = worker` is fired by no caller: not by record, not by id.
use fsm_runtime::{TransitionError, prelude::*};
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Placed, durable, derive(Serialize, Deserialize))]
enum Order {
    #[on(pay => Charging)]
    Placed,
    #[state(work)]
    #[on(paid { receipt: String } => Paid, by = worker)]
    #[on(cancel => Cancelled)]
    Charging,
    #[state(end)]
    Paid { receipt: String },
    #[state(end)]
    Cancelled,
}

async fn by_method(order: order::Record<order::Charging>) -> Result<(), TransitionError<Order>> {
    order.paid("forged".into()).await.map(drop)
}

async fn by_record(order: order::Record<order::Charging>) -> Result<(), TransitionError<Order>> {
    order.fire(order::event::Paid { receipt: "forged".into() }).await.map(drop)
}

async fn undeclared(order: order::Record<order::Charging>) -> Result<(), TransitionError<Order>> {
    order.fire(order::event::Pay).await.map(drop)
}

fn asked(order: order::Record<order::Charging>) -> bool {
    order.would_accept(&order::event::Paid { receipt: "forged".into() }).is_ok()
}

async fn by_id(orders: Machines<Order>) -> Result<(), TransitionError<Order>> {
    orders.fire("a", order::event::Paid { receipt: "forged".into() }).await.map(drop)
}

async fn by_id_with_key(orders: Machines<Order>) -> Result<(), TransitionError<Order>> {
    orders.fire_with_key("a", order::event::Paid { receipt: "forged".into() }, "key").await.map(drop)
}

async fn other_type(orders: Machines<Order>) -> Result<(), TransitionError<Order>> {
    orders.fire("a", "paid").await.map(drop)
}

fn main() {}
