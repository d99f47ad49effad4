//! The context: stored with the row, returned with each record, read by guards and changed by a `with`.

use fsm_runtime::{
    ListQuery, ReadError, RowError, Runtime, TransitionError, clock::ManualClock, store::sqlite::Sqlite,
};
use serde_json::json;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

mod plain {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An order without a context.
    #[derive(StateMachine)]
    #[fsm(initial = Cart, durable, derive(Serialize, Deserialize))]
    pub(super) enum Order {
        #[on(pay => Paid)]
        Cart { cents: u64 },
        #[state(end)]
        Paid { cents: u64 },
    }
}

mod shared {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// The shop of an order.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Shop {
        pub(super) name: String,
        pub(super) earned: u64,
    }

    /// An order.
    #[derive(StateMachine)]
    #[fsm(initial = Cart, version = 2, durable, context = Shop, derive(Serialize, Deserialize))]
    pub(super) enum Order {
        #[on(add { cents: u64 } => Cart, with = add)]
        #[on(pay => Paying | Paid, guard = is_known, with = pay)]
        #[after("1h", drop)]
        #[on(drop => Dropped, with = forget)]
        Cart { cents: u64 },
        #[state(work)]
        #[on(paid => Paid, with = paid)]
        Paying { cents: u64 },
        #[on(ship => Shipped)]
        Paid { cents: u64 },
        #[state(end, remove)]
        Shipped,
        #[state(end)]
        Dropped,
    }

    fn is_known(_: &order::Cart, _: &order::event::Pay, shop: &Shop) -> Result<(), String> {
        if shop.name.is_empty() { Err("the shop is unknown".to_owned()) } else { Ok(()) }
    }

    fn add(mut cart: order::Cart, order::event::Add { cents }: order::event::Add, _: &mut Shop) -> order::Cart {
        cart.cents += cents;
        cart
    }

    fn pay(order::Cart { cents }: order::Cart, _: order::event::Pay, shop: &mut Shop) -> order::choice::CartPay {
        if cents > 100 {
            return order::Paying { cents }.into();
        }
        shop.earned += cents;
        order::Paid { cents }.into()
    }

    fn paid(order::Paying { cents }: order::Paying, _: order::event::Paid, shop: &mut Shop) -> order::Paid {
        shop.earned += cents;
        order::Paid { cents }
    }

    fn forget(_: order::Cart, _: order::event::Drop, shop: &mut Shop) -> order::Dropped {
        shop.name = "forgotten".into();
        order::Dropped
    }

    /// Pays the shop of that name.
    pub(super) struct Bank(pub(super) &'static str);

    impl order::Workers for Bank {
        async fn paying(&self, task: order::Task<order::Paying>) -> Outcome<order::Paying> {
            assert_eq!((task.context().name.as_str(), task.cents), (self.0, 500));
            task.paid()
        }
    }
}

use shared::{Bank, Order, Shop, order};

fn shop(name: &str) -> Shop {
    Shop { name: name.to_owned(), earned: 0 }
}

fn cart(cents: u64, name: &str) -> (order::Cart, Shop) {
    (order::Cart { cents }, shop(name))
}

async fn client() -> Runtime {
    Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap()
}

#[tokio::test]
async fn the_context_is_stored_and_read_with_the_record() {
    let runtime = client().await;
    let orders = runtime.machines::<Order>();
    let cart = orders.create("a", cart(20, "Ada's")).await.unwrap().add(30).await.unwrap();
    assert_eq!((cart.cents, cart.context()), (50, &shop("Ada's")));
    let order::choice::CartPay::Paid(paid) = cart.pay().await.unwrap() else { panic!("it is little") };
    assert_eq!(paid.context().earned, 50);
    let row = orders.row("a").await.unwrap();
    assert_eq!(row.context.as_deref(), Some(r#"{"name":"Ada's","earned":50}"#));
    let again = orders.get("a").await.unwrap();
    assert_eq!(again.context(), &Shop { name: "Ada's".to_owned(), earned: 50 });
    assert_eq!(orders.list(&ListQuery::all()).await.unwrap().items[0].as_ref().unwrap().context().earned, 50);
    assert!(!format!("{again:?} {row:?} {paid:?}").contains("Ada"), "it is never printed");
}

#[tokio::test]
async fn a_guard_reads_the_context_and_a_refusal_keeps_it() {
    let runtime = client().await;
    let orders = runtime.machines::<Order>();
    let failure = orders.create("a", cart(20, "")).await.unwrap().pay().await.unwrap_err();
    assert_eq!(failure.to_string(), "`pay` was refused in state `Cart` of Order `a`: the shop is unknown");
    assert_eq!(failure.into_record().unwrap().context(), &shop(""));
    let failure = orders.fire("a", order::event::Pay).await.unwrap_err();
    assert_eq!(failure.to_string(), "`pay` was refused in state `Cart` of Order `a`: the shop is unknown");
    let dropped = orders.fire("a", order::event::Drop).await.unwrap();
    assert_eq!(dropped.context().name, "forgotten");
}

#[tokio::test]
async fn a_conflict_carries_the_context_of_the_winner() {
    let runtime = client().await;
    let orders = runtime.machines::<Order>();
    let mine = orders.create("a", cart(20, "Ada's")).await.unwrap();
    orders.fire("a", order::event::Drop).await.unwrap();
    let TransitionError::Conflict(conflict) = mine.pay().await.unwrap_err() else { panic!("it was dropped") };
    assert_eq!(conflict.current().context().name, "forgotten");
    let failure = orders.create("a", cart(1, "Bob's")).await.unwrap_err();
    assert_eq!(failure.into_record().unwrap().context().name, "forgotten");
}

/// The instance is removed: the history holds its context.
#[tokio::test]
async fn the_same_key_returns_the_first_context() {
    let runtime = client().await;
    let orders = runtime.machines::<Order>();
    let created = orders.create_with_key("a", cart(20, "Ada's"), "k0").await.unwrap();
    let replayed = orders.create_with_key("a", cart(20, "Ada's"), "k0").await.unwrap();
    assert_eq!((replayed.version(), replayed.context()), (1, &shop("Ada's")));
    let failure = orders.create_with_key("a", cart(20, "Bob's"), "k0").await.unwrap_err();
    assert!(matches!(failure, TransitionError::KeyReused { .. }), "{failure}");

    let order::AnyRecord::Cart(same) = orders.get("a").await.unwrap() else { panic!("it is a cart") };
    let order::choice::CartPay::Paid(paid) = created.with_key("k1").pay().await.unwrap() else {
        panic!("it is little")
    };
    paid.ship().await.unwrap();
    assert!(matches!(orders.get("a").await.unwrap_err(), ReadError::NotFound { .. }));
    let order::choice::CartPay::Paid(again) = same.with_key("k1").pay().await.unwrap() else { panic!("it is little") };
    assert_eq!((again.version(), again.context().earned), (2, 20));
}

#[tokio::test]
async fn a_worker_reads_the_context_and_its_event_changes_it() {
    let store = Sqlite::in_memory().unwrap();
    let runtime = Runtime::builder(store).machine::<Order, _>(Bank("Ada's")).start().await.unwrap();
    let orders = runtime.machines::<Order>();
    orders.create("a", cart(500, "Ada's")).await.unwrap().pay().await.unwrap();
    let paid = orders.wait_for("a", order::State::Paid, Duration::from_secs(20)).await.unwrap();
    assert_eq!(paid.context().earned, 500);
    runtime.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_timer_event_changes_the_context() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let builder = Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock());
    let runtime = builder.machine::<Order, _>(Bank("")).start().await.unwrap();
    let orders = runtime.machines::<Order>();
    orders.create("a", cart(1, "Ada's")).await.unwrap();
    clock.advance(Duration::from_hours(1));
    let dropped = orders.wait_for("a", order::State::Dropped, Duration::from_secs(20)).await.unwrap();
    assert_eq!(dropped.context().name, "forgotten");
    runtime.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_group_stores_each_context() {
    let runtime = client().await;
    let orders = runtime.machines::<Order>();
    let first = orders.create("a", cart(20, "Ada's")).await.unwrap();
    let mut group = runtime.group();
    let (dropped, made) = (group.add(first.drop()), group.add(orders.create("b", cart(1, "Bob's"))));
    let mut done = group.commit().await.unwrap();
    assert_eq!(done.take(dropped).unwrap().context().name, "forgotten");
    assert_eq!(done.take(made).unwrap().context().name, "Bob's");
    let many = orders.create_many((0..3).map(|n| (format!("m{n}"), cart(n, "C's")))).await;
    assert!(many.iter().all(|made| made.as_ref().unwrap().context().name == "C's"));
}

#[tokio::test]
async fn an_override_keeps_or_replaces_the_context() {
    let runtime = client().await;
    let orders = runtime.machines::<Order>().with_actor("ada");
    orders.create("a", cart(20, "Ada's")).await.unwrap();
    let seen = orders.row("a").await.unwrap();
    let dropped = orders.move_to(&seen, order::Dropped, "ticket 1").await.unwrap();
    assert_eq!(dropped.context(), &shop("Ada's"));
    let seen = orders.row("a").await.unwrap();
    let paid = orders.move_to_with(&seen, order::Paid { cents: 1 }, shop("Bob's"), "ticket 2").await.unwrap();
    assert_eq!(paid.context(), orders.get("a").await.unwrap().context());
    assert_eq!(paid.context(), &shop("Bob's"));

    let plain = runtime.machines::<plain::Order>();
    plain.create("b", plain::order::Cart { cents: 7 }).await.unwrap();
    let seen = plain.row("b").await.unwrap();
    let unread = orders.move_to(&seen, order::Dropped, "ticket 3").await.unwrap_err();
    assert!(matches!(unread, TransitionError::Row(RowError::Migrate(_))), "{unread}");
    orders.move_to_with(&seen, order::Dropped, shop("C's"), "ticket 3").await.unwrap();
    assert_eq!(orders.get("b").await.unwrap().context(), &shop("C's"));
}

#[tokio::test]
async fn older_rows_get_a_context_by_migration() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("orders.db");
    let before = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    let old = before.machines::<plain::Order>();
    old.create("a", plain::order::Cart { cents: 7 }).await.unwrap();
    old.create("b", plain::order::Cart { cents: 8 }).await.unwrap();
    before.shutdown(Duration::ZERO).await;

    let without = Runtime::builder(Sqlite::open(&path).await.unwrap()).migrate::<Order>(1, Ok).start().await.unwrap();
    let ReadError::Row(error) = without.machines::<Order>().get("a").await.unwrap_err() else { panic!("it has none") };
    assert!(matches!(error, RowError::Context { declared: "Shop", .. }));
    assert_eq!(
        error.to_string(),
        "the stored context of Order `a` cannot be read as `Shop` (invalid type: null, expected struct Shop at line 1 column 4); add `#[serde(default)]` to a new field, or raise the machine's `version` and add a migration (without a stored context, it gets `null`)"
    );
    without.shutdown(Duration::ZERO).await;

    let builder = Runtime::builder(Sqlite::open(&path).await.unwrap()).migrate::<Order>(1, |mut order| {
        assert!(order.context.is_null());
        order.context = json!({ "name": "the old one", "earned": order.data["cents"] });
        Ok(order)
    });
    let runtime = builder.start().await.unwrap();
    let orders = runtime.machines::<Order>();
    assert_eq!(orders.get("a").await.unwrap().context().earned, 7);
    assert_eq!(orders.row("b").await.unwrap().context, None);
    assert_eq!(orders.migrate_all(|_, _| ()).await.unwrap().left, 0);
    assert_eq!(orders.row("b").await.unwrap().context.as_deref(), Some(r#"{"name":"the old one","earned":8}"#));
    assert_eq!(orders.get("b").await.unwrap().context().name, "the old one");
}
