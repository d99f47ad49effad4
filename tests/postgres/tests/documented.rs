//! The statements in `docs/postgres.md`, run on a store.

#![cfg(server)]

use fsm_runtime::store::{
    Cause, Change, Claim, Create, Entering, Group, HistoryQuery, Key, Origin, Row, Store, Verdict, postgres::Postgres,
};
use std::{process::Command, time::SystemTime};
use tests_postgres::Server;
use uuid::Uuid;

/// The blocks of SQL on the page.
fn blocks() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/postgres.md");
    let page = std::fs::read_to_string(page).expect("the page");
    page.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

async fn create(store: &Postgres, id: &str) -> Row {
    let into = Entering {
        state: "Closed".into(),
        data: "{}".into(),
        context: None,
        schema: 1,
        timers: Vec::new(),
        work: true,
        remove: false,
    };
    commit(
        store,
        Change::Create(Create {
            key: Key::new("Door", id),
            incarnation: Uuid::now_v7(),
            into,
            cause: Cause::Caller,
            idempotency_key: None,
            origin: Origin::default(),
        }),
    )
    .await
}

async fn claim(store: &Postgres, row: &Row) -> Row {
    let Row { key, incarnation, version, fence, .. } = row.clone();
    commit(store, Change::Claim(Claim { key, incarnation, version, fence, owner: "me".to_owned() })).await
}

async fn commit(store: &Postgres, change: Change) -> Row {
    match store.commit(vec![Group::from(change)], SystemTime::now()).await.unwrap().remove(0) {
        Verdict::Committed { mut rows } => rows.remove(0),
        other => panic!("{other:?}"),
    }
}

/// A database of its own, for a store with the default schema.
async fn database(name: &str) -> (String, tokio_postgres::Client) {
    let server = Server::shared();
    server.connect().await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = server.url().replace("/postgres", &format!("/{name}"));
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    (url, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_block_of_sql_runs() {
    let (url, client) = database("documented").await;
    let store = Postgres::open(url).await.unwrap();
    let row = create(&store, "a").await;
    claim(&store, &row).await;
    client.batch_execute("CREATE ROLE app").await.unwrap();
    let blocks = blocks();
    assert!(blocks.len() >= 3, "{blocks:?}");
    for block in blocks {
        client.batch_execute(&block).await.unwrap_or_else(|error| panic!("{error:?} in\n{block}"));
    }
}

/// A restored dump: rows and history are there, and fences and numbers go on far above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_dump_goes_on_above() {
    let ((url, _client), (to, restored)) = (database("dumped").await, database("restored").await);
    let store = Postgres::open(&url).await.unwrap();
    let row = create(&store, "a").await;
    let claimed = claim(&store, &row).await;
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(Server::shared().program(program)).args(arguments).output().expect("it runs");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump").display().to_string();
    run("pg_dump", &["--format=custom", "--schema=fsm", "--file", &file, &url]);
    run("pg_restore", &["--dbname", &to, &file]);
    let after =
        blocks().into_iter().find(|block| block.contains("setval")).expect("the block of the section on backups");
    restored.batch_execute(&after).await.unwrap();

    let copy = Postgres::open(to).await.unwrap();
    assert_eq!(copy.get(row.key.clone()).await.unwrap().as_ref(), Some(&claimed));
    assert_eq!(copy.history(HistoryQuery::new()).await.unwrap(), store.history(HistoryQuery::new()).await.unwrap());
    let again = claim(&copy, &claimed).await;
    assert!(again.fence > claimed.fence + 1_000_000_000_000, "{}", again.fence);
    let last = store.last_sequence().await.unwrap();
    create(&copy, "b").await;
    assert!(copy.last_sequence().await.unwrap() > last + 1_000_000_000_000);
}
