//! A fieldless enum, typed and as a plain value.

use fsm_core::{Name, StateKind, StateMachine};

/// Where an order stands.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq, Eq)]
#[fsm(initial = Placed, derive(Clone, Copy, Debug, PartialEq, Eq))]
#[on(cancel => Cancelled, except(Shipped))]
pub enum OrderStatus {
    /// It came in.
    #[on(pay => Paid)]
    Placed,
    /// The money is there.
    #[on(ship => Shipped)]
    Paid,
    /// On its way.
    #[on(arrive => Delivered)]
    #[on(lose => Paid)]
    Shipped,
    /// The customer has it.
    #[state(end)]
    Delivered,
    /// Cancelled.
    #[state(end)]
    Cancelled,
}

#[test]
fn fieldless_states_typed() {
    let placed = order_status::Machine::new(order_status::Placed);
    let shipped = placed.pay().ship();
    assert_eq!(shipped.state(), order_status::State::Shipped);
    let paid = shipped.fire(order_status::event::Lose);
    let order: OrderStatus = paid.cancel().into();
    assert_eq!(order, OrderStatus::Cancelled);
}

#[test]
fn fieldless_states_as_a_value() {
    let order = OrderStatus::Paid;
    assert!(order.can(order_status::EventKind::Ship) && !order.can(order_status::EventKind::Pay));
    assert_eq!(order.apply(order_status::event::Ship).unwrap(), OrderStatus::Shipped);
    let rejected = order.apply(order_status::event::Arrive).unwrap_err();
    assert_eq!(rejected.machine, order);
    assert_eq!(
        rejected.to_string(),
        "`arrive` is not accepted in state `Paid` of `OrderStatus`, which accepts `ship` and `cancel`"
    );
}

#[test]
fn fieldless_states_restored() {
    let paid = order_status::Machine::<order_status::Paid>::try_from(OrderStatus::Paid).unwrap();
    let order_status::Any::Shipped(shipped) = order_status::Any::from(OrderStatus::from(paid.ship())) else {
        panic!("it was shipped")
    };
    let wrong = order_status::Machine::<order_status::Paid>::try_from(OrderStatus::from(shipped)).unwrap_err();
    assert_eq!(wrong.to_string(), "`OrderStatus` is in state `Shipped`; expected `Paid`");
}

#[test]
fn fieldless_names_and_graph() {
    use order_status::{EventKind, State};
    assert_eq!("Shipped".parse(), Ok(State::Shipped));
    let unknown = "Shiped".parse::<State>().unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "unknown state of `OrderStatus`: `Shiped`; expected `Placed`, `Paid`, `Shipped`, `Delivered` or `Cancelled`"
    );
    assert_eq!(
        EventKind::ALL.iter().map(|event| event.as_str()).collect::<Vec<_>>(),
        ["pay", "ship", "arrive", "lose", "cancel"]
    );
    assert_eq!(<State as Name>::ALL[State::Paid.index()], State::Paid);
    assert_eq!(format!("{:>8}", State::Paid), "    Paid");
    let graph = OrderStatus::GRAPH;
    assert_eq!(graph.state("Delivered").unwrap().kind, StateKind::End);
    assert_eq!(graph.transition("Paid", "ship").unwrap().to, ["Shipped"]);
    assert_eq!(
        graph.transitions_from("Shipped").map(|transition| transition.event).collect::<Vec<_>>(),
        ["arrive", "lose"]
    );
    for state in State::ALL {
        let accepted = state.accepts().iter().map(|event| event.as_str());
        assert!(accepted.eq(graph.transitions_from(state.as_str()).map(|transition| transition.event)));
    }
}

#[test]
fn a_fieldless_state_from_its_name() {
    let order = OrderStatus::from("Paid".parse::<order_status::State>().unwrap());
    assert_eq!(order, OrderStatus::Paid);
    let kind: order_status::EventKind = "ship".parse().unwrap();
    assert_eq!(order.apply(kind).unwrap(), OrderStatus::Shipped);
    assert!(order_status::State::ALL.iter().all(|state| OrderStatus::from(*state).state() == *state));
    assert!(order_status::EventKind::ALL.iter().all(|kind| order_status::Event::from(*kind).kind() == *kind));
}
