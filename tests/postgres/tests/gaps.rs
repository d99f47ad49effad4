//! The history is read in order, whatever order its transactions end in.

#![cfg(server)]

use fsm_runtime::store::{HistoryQuery, Store, postgres::Postgres};
use tests_postgres::Server;
use tokio_postgres::Client;

/// Writes an entry with the next number, as a transition does.
async fn insert(client: &Client, schema: &str) {
    let entry = format!(
        "INSERT INTO {schema}.history (sequence, machine, id, incarnation, kind, version, schema, fence, at, to_state, cause, bucket)
         VALUES (nextval('{schema}.sequence'), 'Door', 'a', gen_random_uuid(), 'transition', 1, 1, 0, now(), 'Open', 'caller', 0)"
    );
    client.batch_execute(&entry).await.unwrap();
}

/// Begins a transaction of the store: it locks the table of lanes, and has its id before it takes a number.
async fn begin(client: &Client, schema: &str) {
    let begin = format!("BEGIN; UPDATE {schema}.lanes SET batch = 0 WHERE false; SELECT pg_current_xact_id()");
    client.batch_execute(&begin).await.unwrap();
}

async fn sequences(store: &Postgres) -> Vec<u64> {
    let entries = store.history(HistoryQuery::new()).await.unwrap();
    entries.iter().map(|entry| entry.sequence).collect()
}

/// The transaction that owns the earlier number has the later id: no snapshot that is taken meanwhile knows of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n22_an_earlier_number_of_a_later_transaction_is_read() {
    let (server, schema) = (Server::start(), "fsm");
    let store = Postgres::open(server.url()).await.unwrap();
    let (early, late) = (server.connect().await, server.connect().await);
    begin(&early, schema).await;
    begin(&late, schema).await;
    insert(&late, schema).await;
    insert(&early, schema).await;
    early.batch_execute("COMMIT").await.unwrap();
    for _ in 0..3 {
        assert_eq!(sequences(&store).await, [0; 0], "the first entry may still come");
        assert_eq!(store.last_sequence().await.unwrap(), 0);
    }
    late.batch_execute("COMMIT").await.unwrap();
    assert_eq!(sequences(&store).await, [1, 2]);
}

/// A transaction that is prepared for a two-phase commit has no process any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n22_a_prepared_transaction_holds_back_later_numbers() {
    let (server, schema) = (Server::start(), "fsm");
    let store = Postgres::open(server.url()).await.unwrap();
    let (prepared, other) = (server.connect().await, server.connect().await);
    begin(&prepared, schema).await;
    insert(&prepared, schema).await;
    prepared.batch_execute("PREPARE TRANSACTION 'later'").await.unwrap();
    begin(&other, schema).await;
    insert(&other, schema).await;
    other.batch_execute("COMMIT").await.unwrap();
    for _ in 0..3 {
        assert_eq!(sequences(&store).await, [0; 0], "the first entry may still come");
    }
    prepared.batch_execute("COMMIT PREPARED 'later'").await.unwrap();
    assert_eq!(sequences(&store).await, [1, 2]);
}

/// A number of a transaction that was rolled back holds nothing back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n22_a_number_that_was_rolled_back_is_left_out() {
    let (server, schema) = (Server::start(), "fsm");
    let store = Postgres::open(server.url()).await.unwrap();
    let (early, late) = (server.connect().await, server.connect().await);
    begin(&early, schema).await;
    begin(&late, schema).await;
    insert(&late, schema).await;
    insert(&early, schema).await;
    early.batch_execute("COMMIT").await.unwrap();
    assert_eq!(sequences(&store).await, [0; 0]);
    late.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(sequences(&store).await, [2]);
    assert_eq!(store.last_sequence().await.unwrap(), 2);
}
