//! An order in Solidus: a checkout, and events that are accepted in every state.

use fsm_core::StateMachine;

use super::typed::hold;

/// An order in a shop.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Cart, derive(Clone, Debug, PartialEq))]
#[on(cancel { shipped: bool } => Canceled, guard = allow_cancel)]
#[on(merge => Merged)]
#[on(authorize_return => AwaitingReturn)]
pub(crate) enum SolidusOrder {
    /// Being filled.
    #[state(name = "cart")]
    #[on(next => Address)]
    Cart { total: u32 },
    /// Address.
    #[state(name = "address")]
    #[on(next => Delivery)]
    Address { total: u32 },
    /// Delivery.
    #[state(name = "delivery")]
    #[on(next => Payment | Confirm, with = payment_required)]
    Delivery { total: u32 },
    /// Payment.
    #[state(name = "payment")]
    #[on(next => Confirm)]
    Payment { total: u32 },
    /// Confirmation.
    #[state(name = "confirm")]
    #[on(complete => Complete)]
    #[on(payment_failed => Payment)]
    Confirm { total: u32 },
    /// Ordered.
    #[state(name = "complete")]
    #[on(r#return { outstanding: u32 } => Returned, guard = all_inventory_units_returned)]
    Complete,
    /// Cancelled.
    #[state(name = "canceled")]
    #[on(resume => Resumed)]
    #[on(r#return => Returned, guard = all_inventory_units_returned)]
    Canceled,
    /// Resumed.
    #[state(name = "resumed")]
    Resumed,
    /// Return expected.
    #[state(name = "awaiting_return")]
    #[on(r#return => Returned, guard = all_inventory_units_returned)]
    AwaitingReturn,
    /// Returned.
    #[state(name = "returned")]
    #[on(r#return => Returned, guard = all_inventory_units_returned)]
    Returned,
    /// Merged into another order.
    #[state(end, name = "merged")]
    Merged,
}

fn payment_required(
    solidus_order::Delivery { total }: solidus_order::Delivery,
    _: solidus_order::event::Next,
) -> solidus_order::choice::DeliveryNext {
    if total > 0 { solidus_order::Payment { total }.into() } else { solidus_order::Confirm { total }.into() }
}

fn allow_cancel<S>(_: &S, event: &solidus_order::event::Cancel) -> Result<(), &'static str> {
    (!event.shipped).then_some(()).ok_or("it was shipped")
}

fn all_inventory_units_returned<S>(_: &S, event: &solidus_order::event::Return) -> Result<(), String> {
    match event.outstanding {
        0 => Ok(()),
        outstanding => Err(format!("{outstanding} are not back")),
    }
}

hold! {
    SolidusOrder in solidus_order;
    states: [
        Cart { total: 5 }, Address { total: 5 }, Delivery { total: 5 }, Delivery { total: 0 }, Payment { total: 5 },
        Confirm { total: 5 }, Complete, Canceled, Resumed, AwaitingReturn, Returned, Merged,
    ];
    events: [
        Next, Complete, PaymentFailed, Resume, Return { outstanding: 0 }, Return { outstanding: 2 },
        Cancel { shipped: true }, Cancel { shipped: false }, Merge, AuthorizeReturn,
    ];
    choices: [DeliveryNext(Payment, Confirm)];
}

#[test]
fn a_free_order_skips_payment() {
    use solidus_order::{Cart, Machine, choice::DeliveryNext};
    let DeliveryNext::Confirm(confirm) = Machine::new(Cart { total: 0 }).next().next().next() else {
        panic!("there is nothing to pay")
    };
    let refused = confirm.complete().r#return(2).unwrap_err();
    assert_eq!(refused.reason.as_str(), "2 are not back");
    let returned = refused.machine.authorize_return().r#return(0);
    assert_eq!(returned.map(SolidusOrder::from).unwrap(), SolidusOrder::Returned);
}
