//! Migrations of older rows: applied on read, stored with the next transition or all at once.

use fsm_runtime::{
    HistoryQuery, ListQuery, MigrateError, ReadError, Retention, RowError, Runtime, StartError, TransitionError,
    store::sqlite::Sqlite,
};
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

mod first {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An order of the previous release.
    #[derive(StateMachine)]
    #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    pub(super) enum Order {
        /// Being filled.
        #[on(pay => Done)]
        Open { euros: u64 },
        /// Paid.
        #[state(end)]
        Done { euros: u64 },
    }
}

mod third {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An order of this release: cents, a currency, and `Done` is called `Paid`.
    #[derive(StateMachine)]
    #[fsm(initial = Open, version = 3, durable, derive(Serialize, Deserialize))]
    pub(super) enum Order {
        /// Being filled.
        #[on(pay => Paid)]
        Open { cents: u64, currency: String },
        /// Paid.
        #[state(end, was = "Done")]
        Paid { cents: u64, currency: String },
    }
}

use first::order as old;
use third::order as new;

async fn old_rows(path: &Path) -> Runtime {
    let store = Sqlite::open(path).await.unwrap();
    let runtime = Runtime::builder(store).machine::<first::Order, _>(()).start().await.unwrap();
    let orders = runtime.machines::<first::Order>();
    for n in 0..600_u64 {
        orders.create(&format!("{n:03}"), old::Open { euros: n }).await.unwrap();
    }
    orders.fire("007", old::event::Pay).await.unwrap();
    runtime
}

fn builder(store: Sqlite) -> fsm_runtime::Builder {
    Runtime::builder(store)
        .migrate::<third::Order>(1, |mut order| {
            let euros = order.data["euros"].as_u64().ok_or("there are no euros")?;
            order.data = json!({ "cents": euros * 100 });
            Ok(order)
        })
        .migrate::<third::Order>(2, |mut order| {
            order.data["currency"] = json!("EUR");
            Ok(order)
        })
}

#[tokio::test]
async fn older_rows_are_migrated_on_read_and_stored_on_write() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("orders.db");
    let old = old_rows(&path).await;
    old.shutdown(std::time::Duration::ZERO).await;
    let runtime = builder(Sqlite::open(&path).await.unwrap()).machine::<third::Order, _>(()).start().await.unwrap();
    let orders = runtime.machines::<third::Order>();
    let new::AnyRecord::Open(open) = orders.get("042").await.unwrap() else { panic!() };
    assert_eq!((open.cents, open.currency.as_str()), (4_200, "EUR"));
    let new::AnyRecord::Paid(paid) = orders.get("007").await.unwrap() else { panic!() };
    assert_eq!(paid.cents, 700);
    assert_eq!(orders.row("042").await.unwrap().schema, 1, "reading writes nothing");
    open.pay().await.unwrap();
    assert_eq!(orders.row("042").await.unwrap().schema, 3);
    // The older code leaves it untouched.
    let error = old.machines::<first::Order>().get("042").await.unwrap_err();
    assert!(matches!(error, ReadError::Row(RowError::Newer { found: 3, known: 1, .. })), "{error:?}");
    let failure = old.machines::<first::Order>().fire("042", old::event::Pay).await.unwrap_err();
    assert!(matches!(failure, TransitionError::Row(RowError::Newer { .. })), "{failure:?}");
}

#[tokio::test]
async fn all_rows_are_migrated_on_request() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("orders.db");
    old_rows(&path).await.shutdown(std::time::Duration::ZERO).await;
    let store = Sqlite::open(&path).await.unwrap();
    let runtime = builder(store.clone()).machine::<third::Order, _>(()).start().await.unwrap();
    let orders = runtime.machines::<third::Order>();
    let mut reports = Vec::new();
    let done = orders.migrate_all(|progress, left| reports.push((progress.seen, left.len()))).await.unwrap();
    assert_eq!((done.seen, done.rewritten, done.changed_meanwhile, done.left), (600, 600, 0, 0));
    assert!(reports.len() > 1 && reports.is_sorted(), "{reports:?}");
    let row = orders.row("007").await.unwrap();
    assert_eq!((row.schema, row.version, row.state.as_str()), (3, 2, "Paid"));
    assert_eq!(
        orders.history("007", &HistoryQuery::new().limit(10)).await.unwrap().items.len(),
        2,
        "a migration is not a transition"
    );
    let again = orders.migrate_all(|_, _| {}).await.unwrap();
    assert_eq!((again.seen, again.rewritten), (600, 0));
    // No row needs the migrations.
    runtime.shutdown(std::time::Duration::ZERO).await;
    Runtime::builder(store).machine::<third::Order, _>(()).start().await.unwrap();
}

#[tokio::test]
async fn rows_that_fail_to_migrate_are_reported_and_skipped() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("orders.db");
    old_rows(&path).await.shutdown(std::time::Duration::ZERO).await;
    // An unknown state, and data that the first migration cannot read.
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.execute_batch(
        "UPDATE fsm_instances SET state = 'Lost' WHERE id IN ('001', '300');
         UPDATE fsm_instances SET data = '{\"pounds\":1}' WHERE id = '599'",
    )
    .unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    let tolerant = || builder(store.clone()).machine::<third::Order, _>(()).tolerate_unknown();
    let runtime = tolerant().start().await.unwrap();
    let orders = runtime.machines::<third::Order>();
    let mut reports = Vec::new();
    let done = orders.migrate_all(|progress, left| reports.push((progress, left))).await.unwrap();
    assert_eq!((done.seen, done.rewritten, done.changed_meanwhile, done.left), (600, 597, 0, 3));
    assert_eq!(reports.last().unwrap().0, done);
    assert_eq!(reports[0].0.left, 1, "it is reported with its batch");
    let left: Vec<RowError> = reports.into_iter().flat_map(|(_, left)| left).collect();
    for (error, id) in left.iter().zip(["001", "300"]) {
        let RowError::UnknownState { key, state, .. } = error else { panic!("{error:?}") };
        assert_eq!((&*key.id, state.as_str()), (id, "Lost"));
    }
    let RowError::Migrate(MigrateError::Step { key, from: 1, cause }) = &left[2] else { panic!("{:?}", left[2]) };
    assert_eq!((&*key.id, cause.to_string().as_str()), ("599", "there are no euros"));
    for (id, schema) in [("001", 1), ("300", 1), ("599", 1), ("002", 3), ("598", 3)] {
        assert_eq!(orders.row(id).await.unwrap().schema, schema, "{id}");
    }
    // The next run migrates the repaired rows, and skips the rest again.
    sql.execute_batch("UPDATE fsm_instances SET state = 'Open' WHERE id = '300'").unwrap();
    let again = orders.migrate_all(|_, _| {}).await.unwrap();
    assert_eq!((again.rewritten, again.left), (1, 2));
}

#[tokio::test]
async fn a_missing_migration_refuses_the_start() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("orders.db");
    old_rows(&path).await.shutdown(std::time::Duration::ZERO).await;
    let store = Sqlite::open(&path).await.unwrap();
    let error = Runtime::builder(store.clone())
        .migrate::<third::Order>(1, Ok)
        .machine::<third::Order, _>(())
        .start()
        .await
        .unwrap_err();
    assert!(matches!(&error, StartError::NoMigration { known: 3, missing, .. } if *missing == [2]), "{error:?}");
    assert_eq!(
        error.to_string(),
        "rows of `Order` were written under older schema versions than 3, which this code declares: `Done` under version 1 \
         (for example Order `007`), `Open` under version 1 (for example Order `000`); there is no migration from version 2; declare it with \
         `Builder::migrate` (return `Ok` if nothing changes)"
    );
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let error = runtime.machines::<third::Order>().get("001").await.unwrap_err();
    assert!(matches!(error, ReadError::Row(RowError::Migrate(MigrateError::NoStep { missing: 1, .. }))), "{error:?}");
    let runtime = Runtime::builder(store.clone())
        .migrate::<third::Order>(1, |_| Err("the rate is not known".into()))
        .migrate::<third::Order>(2, Ok)
        .start()
        .await
        .unwrap();
    let error = runtime.machines::<third::Order>().get("001").await.unwrap_err();
    assert_eq!(error.to_string(), "Order `001`: the migration from schema version 1 failed: the rate is not known");
    let runtime = Runtime::builder(store.clone())
        .migrate::<third::Order>(1, Ok)
        .migrate::<third::Order>(2, |mut old| {
            old.data = serde_json::json!({ "yen": 1 });
            Ok(old)
        })
        .start()
        .await
        .unwrap();
    let error = runtime.machines::<third::Order>().get("001").await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("the data of Order `001`, migrated from schema version 1, cannot be read as state `"),
        "{text}"
    );
    assert!(text.ends_with("); correct the step that is given to `Builder::migrate`"), "{text}");
    let error = Runtime::builder(store).migrate::<third::Order>(3, Ok).start().await.unwrap_err();
    assert!(matches!(error, StartError::Setting { setting: "migrate", .. }), "{error}");
}

#[tokio::test]
async fn rows_under_an_earlier_state_name_count_as_the_present_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("orders.db");
    old_rows(&path).await.shutdown(std::time::Duration::ZERO).await;
    let store = Sqlite::open(&path).await.unwrap();
    let runtime = builder(store.clone()).machine::<third::Order, _>(()).start().await.unwrap();
    let orders = runtime.machines::<third::Order>();
    orders.fire("008", new::event::Pay).await.unwrap();
    let paid = orders.list(&ListQuery::in_state(new::State::Paid)).await.unwrap();
    let ids: Vec<_> = paid.items.iter().map(|order| order.as_ref().unwrap().id().to_owned()).collect();
    assert_eq!(ids, ["007", "008"], "stored as `Done` and as `Paid`, oldest first");
    assert_eq!(counts(&orders).await, [("Open".to_owned(), 598), ("Paid".to_owned(), 2)]);
    runtime.shutdown(std::time::Duration::ZERO).await;
    drop(runtime);

    let retention = Retention::default().ended(std::time::Duration::ZERO);
    let runtime = builder(store).machine::<third::Order, _>(()).retention(retention).start().await.unwrap();
    let orders = runtime.machines::<third::Order>();
    while counts(&orders).await != [("Open".to_owned(), 598)] {
        tokio::task::yield_now().await;
    }
}

async fn counts(orders: &fsm_runtime::Machines<third::Order>) -> Vec<(String, u64)> {
    orders.count().await.unwrap().into_iter().map(|count| (count.name, count.instances)).collect()
}
