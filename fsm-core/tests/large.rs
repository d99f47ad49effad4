//! A machine of thirty states: shared transitions are one arrow, so that the diagram stays readable.
#![allow(dead_code)]

use fsm_core::{StateMachine, diagram};

/// An order in a shop.
#[derive(StateMachine)]
#[fsm(
    initial = Cart | Imported,
    group(Checkout, on(abandon => Abandoned)),
    group(Fulfilment, on(stop_fulfilment => OnHold)),
    group(AfterSale)
)]
#[on(freeze => Frozen, except(Frozen, Abandoned))]
enum Order {
    /// The customer adds items.
    #[on(check_out => Address)]
    #[after("30d", expire)]
    #[on(expire => Expired)]
    Cart,
    /// Created by another system.
    #[on(accept_import => Paid)]
    #[on(expire => Expired)]
    Imported,
    /// The customer enters the address.
    #[state(in = Checkout)]
    #[on(address_given => Shipping)]
    Address,
    /// The customer chooses a carrier.
    #[state(in = Checkout)]
    #[on(shipping_chosen => Payment)]
    #[on(back => Address)]
    Shipping,
    /// The customer chooses a payment method.
    #[state(in = Checkout)]
    #[on(payment_chosen => Confirm)]
    #[on(back => Shipping)]
    Payment,
    /// The customer reviews the order.
    #[state(in = Checkout)]
    #[on(confirm => Authorising)]
    #[on(back => Payment)]
    Confirm,
    /// Waiting for the bank.
    #[state(work)]
    #[on(authorised => Authorised)]
    #[on(declined => PaymentFailed)]
    #[on(challenge => Challenged)]
    #[after("2m", declined)]
    Authorising,
    /// The customer authenticates.
    #[on(authorised => Authorised)]
    #[on(declined => PaymentFailed)]
    #[after("15m", declined)]
    Challenged,
    /// Declined by the bank.
    #[on(retry_payment => Payment)]
    #[on(expire => Expired)]
    PaymentFailed,
    /// The amount is reserved.
    #[on(capture => Capturing)]
    #[on(release => Cancelled)]
    Authorised,
    /// The amount is being captured.
    #[state(work)]
    #[on(captured => Paid)]
    #[on(declined => PaymentFailed)]
    Capturing,
    /// Ready for fulfilment.
    #[on(allocate => Allocating)]
    #[on(refund => Refunding)]
    Paid,
    /// Stock is being allocated.
    #[state(work, in = Fulfilment)]
    #[on(allocated => Picking)]
    #[on(short => Backordered)]
    Allocating,
    /// Waits for stock.
    #[state(in = Fulfilment)]
    #[on(restocked => Allocating)]
    #[on(refund => Refunding)]
    Backordered,
    /// Items are being picked.
    #[state(in = Fulfilment)]
    #[on(picked => Packing)]
    #[on(short => Backordered)]
    Picking,
    /// Items are being packed.
    #[state(in = Fulfilment)]
    #[on(packed => LabelPrinting)]
    Packing,
    /// Waiting for the carrier's label.
    #[state(work, in = Fulfilment)]
    #[on(labelled => ReadyToShip)]
    #[on(label_failed => Packing)]
    LabelPrinting,
    /// Waiting for pickup.
    #[state(in = Fulfilment)]
    #[on(picked_up => InTransit)]
    ReadyToShip,
    /// Fulfilment is paused.
    #[on(resume_fulfilment => Allocating)]
    #[on(refund => Refunding)]
    OnHold,
    /// In transit.
    #[on(delivered => Delivered)]
    #[on(lost => Lost)]
    #[on(delayed => Delayed)]
    InTransit,
    /// In transit for too long.
    #[on(delivered => Delivered)]
    #[on(lost => Lost)]
    Delayed,
    /// Lost by the carrier.
    #[on(resend => Allocating)]
    #[on(refund => Refunding)]
    Lost,
    /// Received by the customer.
    #[state(in = AfterSale)]
    #[on(request_return => ReturnRequested)]
    #[on(complete => Completed)]
    #[after("30d", complete)]
    Delivered,
    /// The customer has requested a return.
    #[state(in = AfterSale)]
    #[on(return_received => Inspecting)]
    #[on(complete => Completed)]
    ReturnRequested,
    /// The return is being inspected.
    #[state(in = AfterSale)]
    #[on(accept_return => Refunding)]
    #[on(reject_return => Delivered)]
    Inspecting,
    /// The refund is being paid.
    #[state(work)]
    #[on(refunded => Refunded)]
    Refunding,
    /// Under fraud investigation.
    #[on(thaw => OnHold)]
    #[on(void => Cancelled)]
    Frozen,
    #[state(end)]
    Refunded,
    #[state(end)]
    Completed,
    #[state(end)]
    Cancelled,
    #[state(end)]
    Expired,
    /// Abandoned by the customer.
    #[on(come_back => Cart)]
    #[on(expire => Expired)]
    Abandoned,
}

diagram!(Order in "tests/large.md");

#[test]
fn shared_transitions_are_drawn_once() {
    let picture = Order::GRAPH.mermaid().to_string();
    let lines = |event: &str| picture.lines().filter(|line| line.ends_with(event)).map(str::trim).collect::<Vec<_>>();
    assert_eq!(lines(": freeze"), ["every_Frozen_Abandoned --> Frozen : freeze"]);
    assert_eq!(lines(": abandon"), ["Checkout --> Abandoned : abandon"]);
    assert_eq!(lines(": stop_fulfilment"), ["Fulfilment --> OnHold : stop_fulfilment"]);
    assert!(
        picture.contains("state \"every state except Frozen, Abandoned and end states\" as every_Frozen_Abandoned")
    );
    // Timed transitions have their own arrows, and so do transitions that few states share.
    assert_eq!(lines(": declined (after 2m)"), ["Authorising --> PaymentFailed : declined (after 2m)"]);
    assert_eq!(lines(": refund").len(), 4);
}

/// No end states, no exceptions, and a superstate whose transitions stay inside it.
#[derive(StateMachine)]
#[fsm(initial = A, group(Inner, on(first => B), on(out => A)), group(Pair, on(out => A)))]
#[on(reset => A)]
enum Ring {
    #[on(go => B)]
    A,
    #[state(in = Inner)]
    #[on(go => C)]
    B,
    #[state(in = Inner)]
    #[on(go => D)]
    C,
    #[state(in = Inner)]
    #[on(go => E)]
    D,
    #[state(in = Pair)]
    #[on(go => F)]
    E,
    #[state(in = Pair)]
    #[on(go => G)]
    F,
    #[on(go => H)]
    G,
    #[on(go => Every)]
    H,
    #[on(go => A)]
    #[state(name = "every")]
    Every,
}

#[test]
fn ambiguous_transitions_are_drawn_separately() {
    let picture = Ring::GRAPH.mermaid().to_string();
    let lines = |event: &str| picture.lines().filter(|line| line.ends_with(event)).map(str::trim).collect::<Vec<_>>();
    assert!(picture.contains("state \"every state\" as every_\n"), "the box has an identifier of its own:\n{picture}");
    assert_eq!(lines(": reset"), ["every_ --> A : reset"]);
    assert_eq!(lines(": first"), ["B --> B : first", "C --> B : first", "D --> B : first"]);
    assert_eq!(lines(": out"), ["Inner --> A : out", "E --> A : out", "F --> A : out"]);
}

#[test]
fn graphviz_has_the_same_arrows() {
    let dot = Order::GRAPH.dot().to_string();
    let lines = |part: &str| dot.lines().filter(|line| line.contains(part)).map(str::trim).collect::<Vec<_>>();
    assert_eq!(lines("\"freeze\""), ["\"every state except Frozen, Abandoned\" -> \"Frozen\" [label=\"freeze\"];"]);
    assert_eq!(
        lines("label=\"every"),
        [
            "\"every state except Frozen, Abandoned\" [label=\"every state except Frozen, Abandoned and end states\", style=\"rounded,dotted\"];"
        ]
    );
    assert_eq!(lines("\"abandon\""), ["\"Address\" -> \"Abandoned\" [label=\"abandon\", ltail=cluster_0];"]);
    assert_eq!(lines("compound"), ["compound=true;"], "Graphviz clips arrows at clusters only with this");
    let picture = Order::GRAPH.mermaid().to_string();
    let arrows = picture.lines().filter(|line| line.contains(" --> ") && line.contains(" : ")).count();
    assert_eq!(lines(" [label=").iter().filter(|line| line.contains(" -> ")).count(), arrows);
}
