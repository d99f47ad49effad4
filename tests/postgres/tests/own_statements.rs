//! The caller's own statements in the transaction of a group.

#![cfg(server)]

use fsm_runtime::{
    GroupError, Runtime,
    prelude::*,
    store::postgres::{Postgres, Sql, SqlError, SqlValue},
};
use serde::{Deserialize, Serialize};
use std::error::Error;
use tests_postgres::Server;

/// An order.
#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Order {
    /// Not paid.
    #[on(pay => Paid)]
    Open,
    /// Paid.
    #[on(reopen => Open)]
    Paid,
}

struct World {
    store: Postgres,
    runtime: Runtime,
    /// The table of receipts.
    receipts: String,
    schema: String,
}

impl World {
    async fn new() -> Self {
        let (server, schema) = (Server::shared(), Server::shared().new_schema());
        let receipts = format!("receipts_{schema}");
        let table = format!("CREATE TABLE {receipts} (text text PRIMARY KEY, price int)");
        server.connect().await.batch_execute(&table).await.unwrap();
        let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
        let runtime = Runtime::builder(store.clone()).start().await.unwrap();
        Self { store, runtime, receipts, schema }
    }

    /// Pays a new order with `statements`.
    async fn pay<T: Send + 'static>(
        &self,
        id: &str,
        statements: impl FnOnce(&Sql<'_>) -> Result<T, Box<dyn Error + Send + Sync>> + Send + 'static,
    ) -> Result<Option<T>, GroupError> {
        let order = self.runtime.machines::<Order>().create(id, order::Open).await.unwrap();
        let mut group = self.runtime.group();
        let paid = group.add(order.pay());
        let (mut done, made) = group.commit_with(&self.store, statements).await?;
        assert_eq!(done.take(paid).unwrap().version(), 2);
        Ok(made)
    }

    async fn state(&self, id: &str) -> order::State {
        self.runtime.machines::<Order>().get(id).await.unwrap().state()
    }

    async fn count(&self) -> i64 {
        let rows = Server::shared().connect().await;
        let rows = rows.query_one(&format!("SELECT count(*) FROM {}", self.receipts), &[]).await.unwrap();
        rows.get(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_commit_with_the_group() {
    let world = World::new().await;
    let receipts = world.receipts.clone();
    let made = world.pay("a", move |sql| {
        let insert = format!("INSERT INTO {receipts} VALUES ($1, $2::int), ($3, NULL)");
        assert_eq!(sql.execute(&insert, &["one".into(), 7.into(), "two".into()])?, 2);
        let rows = sql.query(&format!("SELECT text, price FROM {receipts} ORDER BY text"), &[])?;
        assert_eq!(rows[0], [SqlValue::Text("one".into()), SqlValue::Integer(7)]);
        assert_eq!(rows[1], [SqlValue::Text("two".into()), SqlValue::Null]);
        Ok(rows.len())
    });
    assert_eq!(made.await.unwrap(), Some(2));
    assert_eq!((world.state("a").await, world.count().await), (order::State::Paid, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_statements_undoes_the_group() {
    let world = World::new().await;
    let insert = format!("INSERT INTO {} VALUES ('x')", world.receipts);
    let refused = world.pay("a", {
        let insert = insert.clone();
        move |sql| {
            sql.execute(&insert, &[])?;
            Err::<(), _>("no".into())
        }
    });
    assert!(matches!(refused.await, Err(GroupError::Statements(error)) if error.to_string() == "no"));
    // A failed statement counts, even if its error is dropped.
    let dropped = world.pay("b", {
        let insert = insert.clone();
        move |sql| {
            sql.execute(&insert, &[])?;
            assert!(sql.execute(&insert, &[]).is_err());
            Ok(())
        }
    });
    assert!(matches!(dropped.await, Err(GroupError::Statements(_))));
    let panics = world.pay("c", |_| -> Result<(), _> { panic!("in the statements") });
    assert!(matches!(panics.await, Err(GroupError::Statements(_))));
    for id in ["a", "b", "c"] {
        assert_eq!(world.state(id).await, order::State::Open);
    }
    assert_eq!(world.count().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tables_of_the_store_are_only_read() {
    let world = World::new().await;
    let schema = world.schema.clone();
    let statements = [
        format!("UPDATE {schema}.instances SET state = 'Paid'"),
        format!("DO $$ BEGIN DELETE FROM {schema}.history; END $$"),
        format!("TRUNCATE {schema}.keys"),
        format!("CREATE INDEX own ON {schema}.instances (data)"),
        format!("DROP TABLE {schema}.subscribers"),
        "COMMIT".to_owned(),
        "/* x */ rollback".to_owned(),
        "SET search_path = public".to_owned(),
    ];
    for (n, statement) in statements.into_iter().enumerate() {
        let shown = statement.clone();
        let refused = world.pay(&n.to_string(), move |sql| Ok(sql.execute(&statement, &[])?)).await;
        let Err(GroupError::Statements(error)) = refused else { panic!("{shown}: {refused:?}") };
        assert!(matches!(error.downcast_ref(), Some(SqlError::NotAllowed { .. })), "{shown}: {error}");
        assert_eq!(world.state(&n.to_string()).await, order::State::Open, "{shown}");
    }
    let schema = world.schema.clone();
    let read = world.pay("read", move |sql| Ok(sql.query(&format!("SELECT count(*) FROM {schema}.instances"), &[])?));
    assert_eq!(read.await.unwrap(), Some(vec![vec![SqlValue::Integer(9)]]));
}
