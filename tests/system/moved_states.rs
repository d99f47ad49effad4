//! Migrations that rename, split or remove a state: rows that are stored in it start, work, and are listed as what they are now.

use fsm_runtime::{
    Builder, ListQuery, Migrated, OldState, Outcome, Runtime, StartError, clock::ManualClock, store::sqlite::Sqlite,
};
use std::time::{Duration, SystemTime};

const PATIENCE: Duration = Duration::from_secs(20);

mod first {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An order of the previous release.
    #[derive(StateMachine)]
    #[fsm(initial = Cart | Review | Waiting, durable, derive(Serialize, Deserialize))]
    pub(super) enum Order {
        /// Being filled.
        #[on(review { cents: u64 } => Review)]
        Cart,
        /// A person looks at it.
        #[on(back => Cart)]
        Review { cents: u64 },
        /// It waits.
        #[on(back => Cart)]
        Waiting,
    }
}

mod second {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An order of this release: `Review` is split by its amount, and `Waiting` has become `OnHold`.
    #[derive(StateMachine)]
    #[fsm(initial = Cart | Checking | UnderReview, version = 2, durable, derive(Serialize, Deserialize))]
    pub(super) enum Order {
        /// Being filled.
        #[on(hold => OnHold)]
        #[on(approve => Approved)]
        Cart,
        /// A small amount, which a worker approves.
        #[state(work)]
        #[on(approve => Approved)]
        Checking { cents: u64 },
        /// A large amount, which a person looks at.
        #[on(approve => Approved)]
        UnderReview { cents: u64 },
        /// It waits for an hour.
        #[on(expire => Cart)]
        #[after("1h", expire)]
        OnHold,
        /// Approved.
        #[state(end)]
        Approved,
    }
}

use first::order as old;
use second::{Order, order as new};

struct Approver;

impl new::Workers for Approver {
    async fn checking(&self, task: new::Task<new::Checking>) -> Outcome<new::Checking> {
        task.approve()
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn step(mut old: OldState) -> Result<OldState, BoxError> {
    old.state = match old.state.as_str() {
        "Review" => match old.data["cents"].as_u64() {
            Some(13) => return Err("thirteen cents".into()),
            Some(0..100) => "Checking".to_owned(),
            _ => "UnderReview".to_owned(),
        },
        "Waiting" => "OnHold".to_owned(),
        _ => old.state,
    };
    Ok(old)
}

struct World {
    store: Sqlite,
    clock: ManualClock,
}

impl World {
    /// Orders of the previous release: two that wait, and one in review for each amount.
    async fn new(cents: impl IntoIterator<Item = u64>) -> Self {
        let store = Sqlite::in_memory().unwrap();
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let builder = Runtime::builder(store.clone()).clock(clock.clock());
        let runtime = builder.machine::<first::Order, _>(()).start().await.unwrap();
        let orders = runtime.machines::<first::Order>();
        let _ = orders.create("cart", old::Cart).await.unwrap();
        for id in ["w1", "w2"] {
            let _ = orders.create(id, old::Waiting).await.unwrap();
        }
        for cents in cents {
            let _ = orders.create(&format!("r{cents:04}"), old::Review { cents }).await.unwrap();
        }
        runtime.shutdown(Duration::ZERO).await;
        Self { store, clock }
    }

    fn client(&self) -> Builder {
        Runtime::builder(self.store.clone()).clock(self.clock.clock()).migrate::<Order>(1, step)
    }

    fn builder(&self) -> Builder {
        self.client().machine::<Order, _>(Approver)
    }
}

async fn ids(runtime: &Runtime, state: new::State, limit: usize) -> Vec<String> {
    let (mut query, mut ids) = (ListQuery::in_state(state).limit(limit), Vec::new());
    loop {
        let page = runtime.machines::<Order>().rows(&query).await.unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.iter().map(|row| row.key.id.to_string()));
        let Some(next) = page.next else { return ids };
        query = query.after(next);
    }
}

async fn counts(runtime: &Runtime) -> Vec<(String, u64)> {
    let counts = runtime.machines::<Order>().count().await.unwrap();
    counts.into_iter().map(|count| (count.name, count.instances)).collect()
}

#[tokio::test]
async fn c11_states_that_a_migration_moves_start_and_work() {
    let world = World::new([5, 500]).await;
    let runtime = world.builder().start().await.unwrap();
    assert_eq!(runtime.unknown_rows().await.unwrap(), []);
    let orders = runtime.machines::<Order>();
    // Its state has work now.
    orders.wait_for("r0005", new::State::Approved, PATIENCE).await.unwrap();
    assert_eq!(orders.get("r0500").await.unwrap().state(), new::State::UnderReview);
    orders.fire("r0500", new::event::Approve).await.unwrap();
    // Its state has a timer now.
    let row = orders.row("w1").await.unwrap();
    assert_eq!((row.schema, row.timer_at), (1, Some(SystemTime::UNIX_EPOCH + Duration::from_hours(1))));
    world.clock.advance(Duration::from_hours(1));
    orders.wait_for("w1", new::State::Cart, PATIENCE).await.unwrap();
    let entry = orders.history("w1", &fsm_runtime::HistoryQuery::new().newest_first()).await.unwrap().items.remove(0);
    assert_eq!((entry.from.as_deref(), entry.to.as_str()), (Some("OnHold"), "Cart"));
}

#[tokio::test]
async fn lists_and_counts_show_states_that_a_migration_moves() {
    let world = World::new((20..100).flat_map(|n| [n, 1000 + 2 * n, 1001 + 2 * n])).await;
    let client = world.client().start().await.unwrap();
    let all: Vec<String> = {
        let page = client.machines::<Order>().rows(&ListQuery::all().limit(1000)).await.unwrap();
        page.items.iter().map(|row| row.key.id.to_string()).collect()
    };
    let large: Vec<String> = all.iter().filter(|id| id.starts_with("r1")).cloned().collect();
    let small: Vec<String> = all.iter().filter(|id| id.starts_with("r00")).cloned().collect();
    assert_eq!((large.len(), small.len()), (160, 80));
    for limit in [1, 7, 1000] {
        let mut found = ids(&client, new::State::UnderReview, limit).await;
        found.sort();
        assert_eq!(found, large, "{limit}");
    }
    let mut found = ids(&client, new::State::Checking, 50).await;
    found.sort();
    assert_eq!(found, small);
    assert_eq!(ids(&client, new::State::OnHold, 1).await, ["w1", "w2"]);
    assert_eq!(ids(&client, new::State::Cart, 1).await, ["cart"]);
    let expected = [("Cart", 1), ("Checking", small.len()), ("OnHold", 2), ("UnderReview", large.len())];
    assert_eq!(counts(&client).await, expected.map(|(state, rows)| (state.to_owned(), rows as u64)));
}

#[tokio::test]
async fn c11_rows_that_no_migration_can_carry_are_named_at_start() {
    let world = World::new([5, 13, 500]).await;
    let error = world.builder().start().await.unwrap_err();
    let StartError::Unmigrated { machine: "Order", known: 2, rows } = &error else { panic!("{error}") };
    assert_eq!(rows.iter().map(|(key, _)| key.id.to_string()).collect::<Vec<_>>(), ["r0013"]);
    assert_eq!(
        error.to_string(),
        "rows of `Order` cannot be migrated to schema version 2: Order `r0013`: the migration from schema version 1 failed: \
         thirteen cents; correct the steps that are given to `Builder::migrate`"
    );
    let lost = |_: OldState| -> Result<OldState, BoxError> { panic!("lost") };
    let builder = Runtime::builder(world.store.clone()).migrate::<Order>(1, lost).machine::<Order, _>(Approver);
    let error = builder.start().await.unwrap_err().to_string();
    assert!(error.contains("it panicked: lost"), "{error}");
    // Tolerated, the row is left as it is, and the others are worked on.
    let runtime = world.builder().tolerate_unknown().start().await.unwrap();
    let orders = runtime.machines::<Order>();
    orders.wait_for("r0005", new::State::Approved, PATIENCE).await.unwrap();
    let [unknown] = &runtime.unknown_rows().await.unwrap()[..] else { panic!() };
    assert_eq!((unknown.state.as_str(), unknown.schema, unknown.rows), ("Review", 1, 1));
    assert_eq!(orders.row("r0013").await.unwrap().version, 1);
}

#[tokio::test]
async fn a_bulk_migration_arms_the_rows_that_it_moves() {
    let world = World::new([5]).await;
    let client = world.client().start().await.unwrap();
    let orders = client.machines::<Order>();
    let done: Migrated = orders.migrate_all(|_, _| {}).await.unwrap();
    assert_eq!((done.seen, done.rewritten, done.left), (4, 4, 0));
    let row = orders.row("r0005").await.unwrap();
    assert_eq!((row.state.as_str(), row.schema, row.version, row.retry_at.is_some()), ("Checking", 2, 1, true));
    assert!(orders.row("w1").await.unwrap().timer_at.is_some());
    let row = orders.row("cart").await.unwrap();
    assert!(row.retry_at.is_none() && row.timer_at.is_none());
}
