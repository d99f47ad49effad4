//! The context: guards read it, a `with` changes it, and each transition carries it.

use std::cell::RefCell;

use fsm_core::StateMachine;

/// The shop of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Shop {
    open: bool,
    sold: u64,
}

/// An order.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Cart, context = Shop, derive(Clone, Debug, PartialEq))]
#[on(cancel => Cancelled)]
pub enum Order {
    #[on(add { cents: u64 } => Cart, with = add)]
    #[on(pay => Paid | Free, guard = is_open, with = pay)]
    Cart { cents: u64 },
    #[on(ship => Shipped)]
    Paid { cents: u64 },
    #[on(ship => Shipped)]
    Free,
    #[state(end)]
    Shipped,
    #[state(end)]
    Cancelled,
}

fn is_open(_: &order::Cart, _: &order::event::Pay, shop: &Shop) -> Result<(), &'static str> {
    if shop.open { Ok(()) } else { Err("it is closed") }
}

fn add(cart: order::Cart, event: order::event::Add, _: &mut Shop) -> order::Cart {
    order::Cart { cents: cart.cents + event.cents }
}

fn pay(cart: order::Cart, _: order::event::Pay, shop: &mut Shop) -> order::choice::CartPay {
    shop.sold += cart.cents;
    if cart.cents == 0 { order::Free.into() } else { order::Paid { cents: cart.cents }.into() }
}

fn shop(open: bool) -> Shop {
    Shop { open, sold: 0 }
}

#[test]
fn the_context_is_carried_and_changed_by_with_only() {
    let cart = order::Machine::new(order::Cart { cents: 0 }, shop(true)).add(5);
    let Ok(order::choice::CartPay::Paid(paid)) = cart.pay() else { panic!("it costs something") };
    assert_eq!((paid.cents, paid.context().sold), (5, 5));
    let shipped = paid.ship();
    let (order::Shipped, shop) = shipped.into_parts();
    assert_eq!(shop.sold, 5);
}

#[test]
fn a_refused_machine_returns_with_its_context() {
    let refused = order::Machine::new(order::Cart { cents: 1 }, shop(false)).pay().unwrap_err();
    assert_eq!(refused.to_string(), "refused by the guard: it is closed");
    let mut cart = refused.machine;
    assert_eq!(*cart.context(), shop(false));
    cart.context_mut().open = true;
    assert!(cart.fire(order::event::Pay).is_ok());
}

#[test]
fn the_enum_is_applied_and_restored_with_the_context() {
    let mut shop = shop(false);
    let rejected = Order::Cart { cents: 2 }.apply(order::event::Pay, &mut shop).unwrap_err();
    assert_eq!(rejected.to_string(), "`pay` was refused in state `Cart` of `Order`: it is closed");
    shop.open = true;
    let order = rejected.machine.apply(rejected.event, &mut shop).unwrap();
    assert_eq!((&order, shop.sold), (&Order::Paid { cents: 2 }, 2));

    let wrong = order::Machine::<order::Cart>::try_from((order, shop)).unwrap_err();
    assert_eq!(wrong.to_string(), "`Order` is in state `Paid`; expected `Cart`");
    let paid = order::Machine::<order::Paid>::try_from((wrong.machine, wrong.context)).unwrap();
    assert_eq!(paid, paid.clone());
    let mut any = order::Any::from(<(Order, Shop)>::from(paid));
    any.context_mut().sold += 1;
    assert_eq!((any.state(), any.context().sold), (order::State::Paid, 3));
    let (order, shop) = any.into();
    assert_eq!((order, shop.sold), (Order::Paid { cents: 2 }, 3));
}

#[test]
fn debug_omits_the_context_and_the_graph_names_its_type() {
    let cart = order::Machine::new(order::Cart { cents: 1 }, shop(true));
    assert_eq!(format!("{cart:?}"), "Machine(Cart { cents: 1 })");
    assert_eq!(Order::GRAPH.context, Some("Shop"));
}

#[test]
fn tables_and_paths_take_the_context() {
    fsm_core::assert_transitions! {
        (Order::Cart { cents: 1 }, order::event::Pay, shop(true)) => Order::Paid { cents } if cents == 1,
        (Order::Cart { cents: 1 }, order::event::Pay, shop(false)) => refused "it is closed",
        (Order::Free, order::event::Pay, shop(true)) => rejected,
    }
}

/// Has the name of a generated type, and implements no trait except `Debug`.
#[derive(Debug)]
pub struct State(std::sync::mpsc::Receiver<u8>);

/// A context that can do nothing, of a machine that is cloned and compared otherwise.
#[derive(StateMachine, Debug)]
#[fsm(initial = Closed, context = State, derive(Clone, Debug, PartialEq))]
pub enum Door {
    #[on(open => Open, guard = has_key)]
    Closed,
    #[on(close => Closed)]
    Open,
}

fn has_key(_: &door::Closed, _: &door::event::Open, keys: &State) -> Result<(), &'static str> {
    keys.0.try_recv().map(drop).map_err(|_| "no key")
}

#[test]
fn the_context_needs_no_traits() {
    let (send, keys) = std::sync::mpsc::channel();
    let closed = door::Machine::new(door::Closed, State(keys)).open().unwrap_err().machine;
    send.send(1).unwrap();
    assert_eq!(closed.open().unwrap().close().state(), door::State::Closed);
}

/// Generics and lifetimes of the caller, and a field and a payload with names of generated items.
#[derive(StateMachine, Debug)]
#[fsm(initial = Idle, context = &'b RefCell<Vec<T>>, derive(Debug))]
pub enum Conn<'b, T: Copy + PartialEq = u8, const N: usize = 2> {
    #[on(open { context: T, machine: [T; N] } => Up, guard = Self::may, with = Self::open)]
    Idle,
    #[on(close => Down)]
    Up { context: T, machine: [T; N], state: &'b str, event: u8 },
    #[state(end)]
    Down { context: T, machine: [T; N], event: u8 },
}

impl<'b, T: Copy + PartialEq, const N: usize> Conn<'b, T, N> {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "a guard gets a reference")]
    fn may(_: &conn::Idle, event: &conn::event::Open<T, N>, spent: &&'b RefCell<Vec<T>>) -> Result<(), &'static str> {
        if spent.borrow().contains(&event.context) { Err("it is spent") } else { Ok(()) }
    }

    fn open(_: conn::Idle, event: conn::event::Open<T, N>, spent: &mut &'b RefCell<Vec<T>>) -> conn::Up<'b, T, N> {
        let conn::event::Open { context, machine } = event;
        spent.borrow_mut().push(context);
        conn::Up { context, machine, state: "up", event: 3 }
    }
}

#[test]
fn the_context_may_be_generic_and_borrowed() {
    let spent = RefCell::new(vec![7]);
    let idle = conn::Machine::<'_, _, u8, 2>::new(conn::Idle, &spent);
    let idle = idle.open(7, [1, 2]).unwrap_err().machine;
    let down = idle.open(8, [1, 2]).unwrap().close();
    assert_eq!((down.context, down.machine, down.event), (8, [1, 2], 3));
    assert_eq!(*down.context().borrow(), [7, 8]);
}

/// One state, no event.
#[derive(StateMachine, Debug)]
#[fsm(initial = Only, context = Box<dyn Fn() -> u8>)]
pub enum Constant {
    #[state(end)]
    Only,
}

#[test]
fn the_context_may_be_any_type() {
    assert_eq!((constant::Machine::new(constant::Only, Box::new(|| 3)).context())(), 3);
}
