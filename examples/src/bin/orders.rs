//! `orders`: an enum without data, whose transitions are checked at compile time where the state is known, and at run time
//! where it comes from a table; and a machine with a context that its states share. It depends on `fsm-core` only, without the
//! runtime and its store.

use fsm_core::StateMachine;
use std::error::Error;

/// The status of an order.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq, Eq)]
#[fsm(initial = Placed, derive(Clone, Copy, Debug, PartialEq, Eq))]
pub(crate) enum OrderStatus {
    /// The customer has not paid yet.
    #[on(pay => Paid)]
    #[on(cancel => Cancelled)]
    Placed,

    /// The warehouse packs it.
    #[on(ship => Shipped)]
    #[on(cancel => Cancelled)]
    Paid,

    /// The carrier has it.
    #[on(deliver => Delivered)]
    Shipped,

    /// The customer has it.
    #[state(end)]
    Delivered,

    /// The order was cancelled.
    #[state(end)]
    Cancelled,
}

/// The customer of a refund, shared by all its states.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Customer {
    name: String,
    credit: u32,
}

/// The refund of a returned order.
#[derive(StateMachine)]
#[fsm(initial = Announced, context = Customer)]
pub(crate) enum Refund {
    /// The customer has announced the return.
    #[on(receive { cents: u32 } => Received)]
    Announced,

    /// The warehouse inspects the return.
    #[on(accept => Settled, with = credit)]
    #[on(refuse => Settled)]
    Received { cents: u32 },

    /// The refund is accepted or refused.
    #[state(end)]
    Settled,
}

/// Adds the price to the customer's credit.
#[allow(clippy::needless_pass_by_value, reason = "`with` functions take the state by value")]
fn credit(received: refund::Received, _: refund::event::Accept, customer: &mut Customer) -> refund::Settled {
    customer.credit += received.cents;
    refund::Settled
}

/// A row of the application's own table.
struct Order {
    id: u32,
    status: String,
}

impl Order {
    /// Applies an event. If the transition is illegal, the row does not change.
    fn advance(&mut self, event: impl Into<order_status::Event>) -> Result<(), Box<dyn Error>> {
        let now = OrderStatus::from(self.status.parse::<order_status::State>()?);
        let next = now.apply(event)?;
        self.status = next.state().to_string();
        Ok(())
    }
}

fn main() {
    typed();
    plain();
    shared();
    println!("\n{}", OrderStatus::GRAPH.mermaid());
}

/// The state is known at compile time: an illegal transition does not compile.
fn typed() {
    let placed = order_status::Machine::new(order_status::Placed);
    let paid = placed.pay();
    let shipped = paid.ship();
    // shipped.cancel(); // error[E0599]: no method named `cancel` found for struct `Machine<Shipped>`
    let delivered = shipped.deliver();
    println!("typed: the order is {}", delivered.state());
}

/// The state comes from a table: an illegal transition is an error, and the row does not change.
fn plain() {
    use order_status::{Event, event};
    let table = ["Placed", "Paid", "Shipped", "Lost"];
    let events: [Event; 4] = [event::Pay.into(), event::Cancel.into(), event::Cancel.into(), event::Deliver.into()];
    for ((id, status), event) in (1..).zip(table).zip(events) {
        let mut order = Order { id, status: status.into() };
        let kind = event.kind();
        match order.advance(event) {
            Ok(()) => println!("order {}: {status} --{kind}--> {}", order.id, order.status),
            Err(error) => println!("order {}: remains {}: {error}", order.id, order.status),
        }
    }
}

/// All states share the context: no state declares it, and no transition copies it.
fn shared() {
    let customer = Customer { name: "Ada".into(), credit: 0 };
    let settled = refund::Machine::new(refund::Announced, customer).receive(1_250).accept();
    let (refund::Settled, customer) = settled.into_parts();
    println!("refund: {} has a credit of {} cents", customer.name, customer.credit);
}

#[cfg(test)]
mod tests {
    use super::{
        order_status::event::{Cancel, Deliver, Pay, Ship},
        *,
    };
    use fsm_core::{assert_transitions, testing};

    fsm_core::diagram!(OrderStatus in "README.md");

    #[test]
    fn a_row_changes_by_declared_transitions_only() {
        let mut order = Order { id: 1, status: "Paid".into() };
        order.advance(order_status::event::Ship).expect("it is paid");
        assert_eq!(order.status, "Shipped");
        let error = order.advance(order_status::event::Cancel).expect_err("it is shipped");
        assert_eq!(
            error.to_string(),
            "`cancel` is not accepted in state `Shipped` of `OrderStatus`, which accepts `deliver`"
        );
        assert_eq!(order.status, "Shipped", "the row is unchanged");
    }

    #[test]
    fn only_unshipped_orders_can_be_cancelled() {
        assert_transitions! {
            (OrderStatus::Placed, Cancel) => OrderStatus::Cancelled,
            (OrderStatus::Paid, Cancel) => OrderStatus::Cancelled,
            (OrderStatus::Shipped, Cancel) => rejected,
            (OrderStatus::Delivered, Cancel) => rejected,
            (OrderStatus::Cancelled, Cancel) => rejected,
        }
    }

    #[test]
    fn a_row_follows_every_declared_transition() {
        for path in testing::transition_paths::<OrderStatus>() {
            let mut order = Order { id: 1, status: path.start.to_string() };
            for event in path.events() {
                let event: order_status::Event = match event {
                    order_status::EventKind::Pay => Pay.into(),
                    order_status::EventKind::Cancel => Cancel.into(),
                    order_status::EventKind::Ship => Ship.into(),
                    order_status::EventKind::Deliver => Deliver.into(),
                };
                order.advance(event).expect("it is declared");
            }
            assert_eq!(order.status, path.end().as_str(), "{path}");
        }
    }

    #[test]
    fn only_accepted_returns_are_credited() {
        let received = || {
            let customer = Customer { name: "Ada".into(), credit: 50 };
            refund::Machine::new(refund::Announced, customer).receive(1_250)
        };
        assert_eq!(received().refuse().context().credit, 50);
        assert_eq!(received().accept().context().credit, 1_300);
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let mut order = Order { id: 1, status: "paid".into() };
        let error = order.advance(order_status::event::Ship).expect_err("names are exact");
        assert!(
            error.to_string().starts_with("unknown state of `OrderStatus`: `paid`; expected `Placed`, "),
            "{error}"
        );
    }

    #[test]
    fn every_state_converts_to_its_variant() {
        for name in order_status::State::ALL {
            assert_eq!(OrderStatus::from(*name).state(), *name);
        }
    }
}
