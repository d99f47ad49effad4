//! The `orders` example, run as a program.

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
            "typed: an order ends as Delivered",
            "order 1: Placed --pay--> Paid",
            "order 2: Paid --cancel--> Cancelled",
            "order 3: stays Shipped, `cancel` is not accepted in state `Shipped` of `OrderStatus`, which accepts \
             `deliver`",
            "order 4: stays Lost, unknown state of `OrderStatus`: `Lost`; expected `Placed`, `Paid`, `Shipped`, \
             `Delivered` or `Cancelled`",
            "refund: Ada has 1250 cents to her credit",
        ]
    );
    assert!(diagram.starts_with("stateDiagram-v2\n"));
}
