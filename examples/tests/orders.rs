//! A test that runs the `orders` example.

use std::process::Command;

#[test]
fn it_prints_the_history_of_each_order() {
    let output = Command::new(env!("CARGO_BIN_EXE_orders")).output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("it is text");
    assert!(output.status.success());
    let (lines, diagram) = text.split_once("\n\n").expect("an empty line before the diagram");
    assert_eq!(
        lines.lines().collect::<Vec<_>>(),
        [
            "typed: the order is Delivered",
            "order 1: Placed --pay--> Paid",
            "order 2: Paid --cancel--> Cancelled",
            "order 3: remains Shipped: `cancel` is not accepted in state `Shipped` of `OrderStatus`, which accepts \
             `deliver`",
            "order 4: remains Lost: unknown state of `OrderStatus`: `Lost`; expected `Placed`, `Paid`, `Shipped`, \
             `Delivered` or `Cancelled`",
            "refund: Ada has a credit of 1250 cents",
        ]
    );
    assert!(diagram.starts_with("stateDiagram-v2\n"));
}
