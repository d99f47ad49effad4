//! An order of Magento, which can be held and resumed.

use fsm_core::StateMachine;

use super::typed::hold;

/// An order, by its state. The status that a shop sees is a label of it.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = New, derive(Clone, Copy, Debug, PartialEq))]
pub(crate) enum MagentoOrder {
    /// Placed.
    #[state(name = "new")]
    #[on(process => Processing)]
    #[on(hold => Holded, with = hold_new)]
    #[on(cancel => Canceled, guard = |new, _| new.to_invoice > 0 else "every item is invoiced")]
    New {
        /// The number of items that are not invoiced.
        to_invoice: u32,
    },
    /// Paid or shipped in part.
    #[state(name = "processing")]
    #[on(complete => Complete)]
    #[on(close => Closed)]
    #[on(hold => Holded, with = hold_processing)]
    #[on(cancel => Canceled, guard = |processing, _| processing.to_invoice > 0 else "every item is invoiced")]
    Processing {
        /// The number of items that are not invoiced.
        to_invoice: u32,
    },
    /// Held by the shop.
    #[state(name = "holded")]
    #[on(unhold => New | Processing, with = unhold)]
    Holded {
        /// Where it was held.
        before: magento_order::State,
        /// The number of items that are not invoiced.
        to_invoice: u32,
    },
    /// Invoiced and shipped.
    #[state(name = "complete")]
    #[on(close => Closed)]
    Complete,
    /// Refunded.
    #[state(end, name = "closed")]
    Closed,
    /// Canceled before it was invoiced.
    #[state(end, name = "canceled")]
    Canceled,
}

fn hold_new(new: magento_order::New, _: magento_order::event::Hold) -> magento_order::Holded {
    magento_order::Holded { before: magento_order::State::New, to_invoice: new.to_invoice }
}

fn hold_processing(processing: magento_order::Processing, _: magento_order::event::Hold) -> magento_order::Holded {
    magento_order::Holded { before: magento_order::State::Processing, to_invoice: processing.to_invoice }
}

fn unhold(held: magento_order::Holded, _: magento_order::event::Unhold) -> magento_order::choice::HoldedUnhold {
    let to_invoice = held.to_invoice;
    match held.before {
        magento_order::State::New => magento_order::New { to_invoice }.into(),
        _ => magento_order::Processing { to_invoice }.into(),
    }
}

hold! {
    MagentoOrder in magento_order;
    states: [
        New { to_invoice: 2 }, New { to_invoice: 0 }, Processing { to_invoice: 1 }, Processing { to_invoice: 0 },
        Holded { before: magento_order::State::New, to_invoice: 2 },
        Holded { before: magento_order::State::Processing, to_invoice: 1 }, Complete, Closed, Canceled,
    ];
    events: [Process, Complete, Close, Hold, Unhold, Cancel];
    choices: [HoldedUnhold(New, Processing)];
}

#[test]
fn a_held_order_goes_on_where_it_was() {
    use magento_order::{Machine, New, choice::HoldedUnhold};
    let held = Machine::new(New { to_invoice: 2 }).process().hold();
    let HoldedUnhold::Processing(processing) = held.unhold() else { panic!("it was held while it was processed") };
    assert_eq!(processing.to_invoice, 2);
    assert_eq!(MagentoOrder::from(processing.complete().close()), MagentoOrder::Closed);
}

#[test]
fn an_invoiced_order_is_not_canceled() {
    let refused = magento_order::Machine::new(magento_order::New { to_invoice: 0 }).cancel().unwrap_err();
    assert_eq!(refused.reason.as_str(), "every item is invoiced");
}
