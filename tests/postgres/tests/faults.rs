//! What a store on PostgreSQL answers when connections break.

#![cfg(server)]

use fsm_runtime::store::{
    Cause, Change, Create, Entering, Group, HistoryQuery, Key, Origin, Row, Store, Transition, Verdict,
    postgres::Postgres,
};
use std::time::SystemTime;
use tests_postgres::{Proxy, Server};
use uuid::Uuid;

fn entering(state: &str) -> Entering {
    Entering {
        state: state.into(),
        data: "{}".into(),
        context: None,
        schema: 1,
        timer: None,
        work: false,
        remove: false,
    }
}

fn create(id: &str) -> Create {
    Create {
        key: Key::new("Door", id),
        incarnation: Uuid::now_v7(),
        into: entering("Closed"),
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    }
}

fn fire(row: &Row, to: &str) -> Transition {
    Transition {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: None,
        from: row.state.clone(),
        event: "go".into(),
        payload: "null".into(),
        into: entering(to),
        cause: Cause::Caller,
        not_before: None,
        idempotency_key: None,
        origin: Origin::default(),
    }
}

async fn commit(store: &Postgres, changes: Vec<Change>) -> Verdict {
    store.commit(vec![Group { changes }], SystemTime::now()).await.expect("no error reaches the caller").remove(0)
}

async fn committed(store: &Postgres, changes: Vec<Change>) -> Vec<Row> {
    match commit(store, changes).await {
        Verdict::Committed { rows } => rows,
        other => panic!("{other:?}"),
    }
}

/// The answer of every other COMMIT is lost. Each change is made once, and each caller learns how it ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_commit_is_resolved() {
    let server = Server::shared();
    let proxy = Proxy::start(server.port()).await;
    let options = Postgres::options(server.url_at(proxy.port())).schema(server.new_schema()).lanes(1);
    let store = options.open().await.unwrap();
    let mut row = committed(&store, vec![Change::Create(create("a"))]).await.remove(0);
    for n in 0..20 {
        proxy.cut_next_commit();
        let mut stale = row.clone();
        stale.version = 99;
        row = committed(&store, vec![Change::Transition(fire(&row, &format!("S{n}")))]).await.remove(0);
        assert_eq!((row.version, &*row.state), (n + 2, &*format!("S{n}")));
        if n % 4 == 0 {
            proxy.cut_next_commit();
            let missed = commit(&store, vec![Change::Transition(fire(&stale, "Nowhere"))]).await;
            assert!(matches!(missed, Verdict::Conflict { .. }), "{missed:?}");
            proxy.cut_next_commit();
            let (b, c) = (create(&format!("b{n}")), create(&format!("c{n}")));
            assert_eq!(committed(&store, vec![Change::Create(b), Change::Create(c)]).await.len(), 2);
        }
    }
    assert_eq!(proxy.cut(), 30, "each of them was lost");
    let history = store.history(HistoryQuery::new().limit(1_000)).await.unwrap();
    assert_eq!(history.len(), 1 + 20 + 10, "each change has one entry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_reaches_no_caller() {
    let server = Server::start();
    let store = Postgres::options(server.url()).open().await.unwrap();
    let row = committed(&store, vec![Change::Create(create("a"))]).await.remove(0);
    server.restart("fast");
    let row = committed(&store, vec![Change::Transition(fire(&row, "Open"))]).await.remove(0);
    server.restart("immediate");
    assert_eq!(store.get(row.key.clone()).await.unwrap(), Some(row));
}
