//! A shipped order does not accept `cancel`.
#[allow(dead_code)]
#[path = "../../src/bin/orders.rs"]
mod orders;

use orders::order_status::{Machine, Placed};

fn main() {
    let shipped = Machine::new(Placed).pay().ship();
    shipped.cancel();
}
