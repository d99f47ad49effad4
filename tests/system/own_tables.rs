//! The application's own tables in a store's file, and an index on a field of the data, as `docs/sqlite.md` shows them.

use fsm_runtime::{
    Runtime,
    prelude::*,
    store::sqlite::{SqlValue, Sqlite},
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// An order of a customer.
#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Order {
    /// It can be paid.
    #[on(pay => Paid)]
    Open { customer: String, cents: u64 },
    /// Paid.
    #[state(end)]
    Paid { customer: String, cents: u64 },
}

const PAGE: &str = include_str!("../../docs/sqlite.md");
const INDEX: &str =
    "CREATE INDEX IF NOT EXISTS orders_customer ON fsm_instances (data ->> 'customer', id) WHERE machine = 'Order'";
const QUERY: &str = "SELECT id FROM fsm_instances WHERE machine = 'Order' AND data ->> 'customer' = ?1 ORDER BY id";

#[tokio::test]
async fn a_field_of_the_data_can_be_indexed() {
    assert!(PAGE.contains(INDEX) && PAGE.contains(QUERY), "the page shows these statements");
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("orders.db");
    let store = Sqlite::open(&path).await.unwrap();
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let orders = runtime.machines::<Order>();
    let order = |customer: &str| order::Open { customer: customer.to_owned(), cents: 100 };
    orders.create("1", order("ann")).await.unwrap();

    // At any time, also while the store is open.
    let own = Connection::open(&path).unwrap();
    own.execute_batch(INDEX).unwrap();
    orders.create("2", order("ann")).await.unwrap();
    orders.create("3", order("bob")).await.unwrap();
    orders.fire("2", order::event::Pay).await.unwrap();

    let steps: Vec<String> = own
        .prepare(&format!("EXPLAIN QUERY PLAN {QUERY}"))
        .unwrap()
        .query_map(["ann"], |row| row.get(3))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(steps, ["SEARCH fsm_instances USING INDEX orders_customer (<expr>=?)"]);
    let found = |sql: &fsm_runtime::store::sqlite::Sql<'_>| Ok(sql.query(QUERY, &["ann".into()])?);
    let (_, ids) = runtime.group().commit_with(&store, found).await.unwrap();
    assert_eq!(ids, Some(vec![vec![SqlValue::from("1")], vec![SqlValue::from("2")]]));
    assert!(store.integrity_check().await.unwrap().is_empty());

    // It is in a backup too, and a store with it opens.
    let copy = dir.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    drop(Sqlite::open(&copy).await.unwrap());
    let indexes: i64 = Connection::open(&copy)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'orders_customer'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(indexes, 1);
}

#[tokio::test]
async fn own_tables_are_made_beside_those_of_the_store() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("orders.db");
    // Before the store is opened, and after it.
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE customers (name TEXT); PRAGMA user_version = 7")
        .unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let own = Connection::open(&path).unwrap();
    own.execute_batch("CREATE TABLE receipts (order_id TEXT PRIMARY KEY, cents INTEGER NOT NULL)").unwrap();
    let mut group = runtime.group();
    group.add(runtime.machines::<Order>().create("1", order::Open { customer: "ann".into(), cents: 100 }));
    let receipt = "INSERT INTO receipts VALUES ('1', 100)";
    let (_, rows) = group.commit_with(&store, move |sql| Ok(sql.execute(receipt, &[])?)).await.unwrap();
    assert_eq!(rows, Some(1));
    let joined = "SELECT count(*) FROM receipts JOIN fsm_instances ON machine = 'Order' AND id = order_id";
    assert_eq!(own.query_row(joined, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    let version = own.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(version, 7, "the library leaves it to the application");
}
