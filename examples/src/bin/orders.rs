//! `orders`: a plain enum without data, its transitions checked by the compiler where the state is known, and checked at
//! run time where it came out of a table; and a machine whose states share a context. Nothing but `fsm-core`: no run time,
//! no database of ours.

use fsm_core::StateMachine;
use std::error::Error;

/// What has become of an order.
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

    /// It is on its way.
    #[on(deliver => Delivered)]
    Shipped,

    /// The customer has it.
    #[state(end)]
    Delivered,

    /// Nobody will have it.
    #[state(end)]
    Cancelled,
}

/// Whom a refund is for: the same in each of its states.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Customer {
    name: String,
    credit: u32,
}

/// What becomes of an order that comes back.
#[derive(StateMachine)]
#[fsm(initial = Announced, context = Customer)]
pub(crate) enum Refund {
    /// The customer sends it back.
    #[on(receive { cents: u32 } => Received)]
    Announced,

    /// It is here, and looked at.
    #[on(accept => Settled, with = credit)]
    #[on(refuse => Settled)]
    Received { cents: u32 },

    /// It is done with.
    #[state(end)]
    Settled,
}

/// What it cost goes to the customer's credit.
#[allow(clippy::needless_pass_by_value, reason = "a `with` takes the state")]
fn credit(received: refund::Received, _: refund::event::Accept, customer: &mut Customer) -> refund::Settled {
    customer.credit += received.cents;
    refund::Settled
}

/// A row of your own table, which knows nothing of state machines.
struct Order {
    id: u32,
    status: String,
}

impl Order {
    /// Moves the order on; the row stays as it is when that is not legal.
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

/// Where the code itself knows the state, an illegal transition does not compile.
fn typed() {
    let placed = order_status::Machine::new(order_status::Placed);
    let paid = placed.pay();
    let shipped = paid.ship();
    // shipped.cancel(); // error[E0599]: no method named `cancel` found for struct `Machine<Shipped>`
    let delivered = shipped.deliver();
    println!("typed: an order ends as {}", delivered.state());
}

/// Where the state comes out of a table, it is checked when the program runs, and the row is only changed if it is legal.
fn plain() {
    use order_status::{Event, event};
    let table = ["Placed", "Paid", "Shipped", "Lost"];
    let events: [Event; 4] = [event::Pay.into(), event::Cancel.into(), event::Cancel.into(), event::Deliver.into()];
    for ((id, status), event) in (1..).zip(table).zip(events) {
        let mut order = Order { id, status: status.into() };
        let kind = event.kind();
        match order.advance(event) {
            Ok(()) => println!("order {}: {status} --{kind}--> {}", order.id, order.status),
            Err(error) => println!("order {}: stays {}, {error}", order.id, order.status),
        }
    }
}

/// What every state shares is the machine's context: no state declares it, and no transition copies it.
fn shared() {
    let customer = Customer { name: "Ada".into(), credit: 0 };
    let settled = refund::Machine::new(refund::Announced, customer).receive(1_250).accept();
    let (refund::Settled, customer) = settled.into_parts();
    println!("refund: {} has {} cents to her credit", customer.name, customer.credit);
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
    fn a_row_moves_only_as_declared() {
        let mut order = Order { id: 1, status: "Paid".into() };
        order.advance(order_status::event::Ship).expect("it is paid");
        assert_eq!(order.status, "Shipped");
        let error = order.advance(order_status::event::Cancel).expect_err("it is on its way");
        assert_eq!(
            error.to_string(),
            "`cancel` is not accepted in state `Shipped` of `OrderStatus`, which accepts `deliver`"
        );
        assert_eq!(order.status, "Shipped", "the row stays as it is");
    }

    #[test]
    fn only_some_states_may_be_cancelled() {
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
    fn every_name_has_its_value() {
        for name in order_status::State::ALL {
            assert_eq!(OrderStatus::from(*name).state(), *name);
        }
    }
}
