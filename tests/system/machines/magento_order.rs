//! The order of Magento, with hold and unhold.

use fsm_core::StateMachine;

use super::typed::hold;

/// From the cart to the customer.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = New | PendingPayment | PaymentReview, derive(Clone, Debug, PartialEq))]
#[fsm(group(Holdable, on(hold => Holded), on(cancel => Canceled)))]
pub(crate) enum MagentoOrder {
    /// Placed.
    #[state(in = Holdable, name = "new")]
    #[on(process => Processing)]
    New,
    /// The customer pays elsewhere.
    #[state(in = Holdable, name = "pending_payment")]
    #[on(process => Processing)]
    PendingPayment,
    /// Somebody looks at the payment.
    #[state(name = "payment_review")]
    #[on(accept => Processing)]
    #[on(deny => Canceled)]
    PaymentReview,
    /// Paid.
    #[state(in = Holdable, name = "processing")]
    #[on(ship => Complete)]
    #[on(refund => Closed)]
    Processing,
    /// On hold.
    #[state(name = "holded")]
    #[on(unhold => history(Holdable))]
    Holded {
        /// What the source calls `hold_before_state`.
        before: magento_order::history::Holdable,
    },
    /// Shipped.
    #[state(name = "complete")]
    #[on(refund => Closed)]
    Complete,
    /// Paid back.
    #[state(end, name = "closed")]
    Closed,
    /// Never shipped.
    #[state(end, name = "canceled")]
    Canceled,
}

hold! {
    MagentoOrder in magento_order;
    states: [
        New, PendingPayment, PaymentReview, Processing, Holded { before: magento_order::New.into() },
        Holded { before: magento_order::PendingPayment.into() }, Holded { before: magento_order::Processing.into() },
        Complete, Closed, Canceled,
    ];
    events: [Process, Accept, Deny, Ship, Refund, Hold, Cancel, Unhold];
    choices: [HoldedUnhold(New, PendingPayment, Processing)];
}

#[test]
fn an_order_goes_on_where_it_was_held() {
    use magento_order::{Machine, New, choice::HoldedUnhold};
    let held = Machine::new(New).process().hold();
    let HoldedUnhold::Processing(processing) = held.unhold() else { panic!("it was processing") };
    assert_eq!(MagentoOrder::from(processing.ship()), MagentoOrder::Complete);
}
