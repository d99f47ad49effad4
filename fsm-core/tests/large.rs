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
    /// The customer collects items.
    #[on(check_out => Address)]
    #[after("30d", expire)]
    #[on(expire => Expired)]
    Cart,
    /// It came from another system.
    #[on(accept_import => Paid)]
    #[on(expire => Expired)]
    Imported,
    /// Where to send it.
    #[state(in = Checkout)]
    #[on(address_given => Shipping)]
    Address,
    /// How to send it.
    #[state(in = Checkout)]
    #[on(shipping_chosen => Payment)]
    #[on(back => Address)]
    Shipping,
    /// How to pay for it.
    #[state(in = Checkout)]
    #[on(payment_chosen => Confirm)]
    #[on(back => Shipping)]
    Payment,
    /// The customer looks at all of it.
    #[state(in = Checkout)]
    #[on(confirm => Authorising)]
    #[on(back => Payment)]
    Confirm,
    /// The bank is asked.
    #[state(work)]
    #[on(authorised => Authorised)]
    #[on(declined => PaymentFailed)]
    #[on(challenge => Challenged)]
    #[after("2m", declined)]
    Authorising,
    /// The customer proves who they are.
    #[on(authorised => Authorised)]
    #[on(declined => PaymentFailed)]
    #[after("15m", declined)]
    Challenged,
    /// The bank said no.
    #[on(retry_payment => Payment)]
    #[on(expire => Expired)]
    PaymentFailed,
    /// The money is reserved.
    #[on(capture => Capturing)]
    #[on(release => Cancelled)]
    Authorised,
    /// The money is taken.
    #[state(work)]
    #[on(captured => Paid)]
    #[on(declined => PaymentFailed)]
    Capturing,
    /// It can be prepared.
    #[on(allocate => Allocating)]
    #[on(refund => Refunding)]
    Paid,
    /// Stock is looked for.
    #[state(work, in = Fulfilment)]
    #[on(allocated => Picking)]
    #[on(short => Backordered)]
    Allocating,
    /// Waits for stock.
    #[state(in = Fulfilment)]
    #[on(restocked => Allocating)]
    #[on(refund => Refunding)]
    Backordered,
    /// Somebody walks the shelves.
    #[state(in = Fulfilment)]
    #[on(picked => Packing)]
    #[on(short => Backordered)]
    Picking,
    /// It is put in a box.
    #[state(in = Fulfilment)]
    #[on(packed => LabelPrinting)]
    Packing,
    /// The carrier gives a number.
    #[state(work, in = Fulfilment)]
    #[on(labelled => ReadyToShip)]
    #[on(label_failed => Packing)]
    LabelPrinting,
    /// It stands at the door.
    #[state(in = Fulfilment)]
    #[on(picked_up => InTransit)]
    ReadyToShip,
    /// Stopped by somebody.
    #[on(resume_fulfilment => Allocating)]
    #[on(refund => Refunding)]
    OnHold,
    /// On its way.
    #[on(delivered => Delivered)]
    #[on(lost => Lost)]
    #[on(delayed => Delayed)]
    InTransit,
    /// On its way, too long.
    #[on(delivered => Delivered)]
    #[on(lost => Lost)]
    Delayed,
    /// The carrier lost it.
    #[on(resend => Allocating)]
    #[on(refund => Refunding)]
    Lost,
    /// The customer has it.
    #[state(in = AfterSale)]
    #[on(request_return => ReturnRequested)]
    #[on(complete => Completed)]
    #[after("30d", complete)]
    Delivered,
    /// The customer wants to send it back.
    #[state(in = AfterSale)]
    #[on(return_received => Inspecting)]
    #[on(complete => Completed)]
    ReturnRequested,
    /// Somebody looks at what came back.
    #[state(in = AfterSale)]
    #[on(accept_return => Refunding)]
    #[on(reject_return => Delivered)]
    Inspecting,
    /// The money goes back.
    #[state(work)]
    #[on(refunded => Refunded)]
    Refunding,
    /// Fraud is looked into.
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
    /// The customer went away.
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
