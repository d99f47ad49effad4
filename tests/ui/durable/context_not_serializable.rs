use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

pub struct Shop;

#[derive(StateMachine)]
#[fsm(initial = Cart, durable, context = Shop, derive(Serialize, Deserialize))]
pub enum Order {
    #[on(pay => Paid)]
    Cart,
    #[state(end)]
    Paid,
}

fn main() {}
