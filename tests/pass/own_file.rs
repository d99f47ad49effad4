//! An enum in a file of its own that has the name of the generated module.

mod order;

use fsm_runtime::prelude::*;
use order::Order;

#[test]
fn the_generated_items_are_those_of_the_file() {
    let open = order::Machine::new(order::Open { total: 5 });
    let refused = open.pay(4).unwrap_err();
    assert_eq!(refused.reason.to_string(), "too little");
    let paying = refused.machine.pay(5).unwrap();
    assert_eq!(paying.state(), order::State::Paying);
    assert_eq!(Order::from(paying.paid()), Order::Paid);
    let _event: order::Event = order::event::Pay { cents: 1 }.into();
}

#[tokio::test]
async fn a_durable_enum_in_a_file_of_its_own() {
    let store = Sqlite::in_memory().unwrap();
    let runtime = Runtime::builder(store).machine::<Order, _>(order::Bank).start().await.unwrap();
    let orders = runtime.machines::<Order>();
    orders.create("a", order::Open { total: 1 }).await.unwrap().pay(1).await.unwrap();
    let record = orders.wait_for("a", order::State::Paid, std::time::Duration::from_secs(20)).await.unwrap();
    assert!(matches!(record, order::AnyRecord::Paid(_)));
}
