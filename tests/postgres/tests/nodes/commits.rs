//! Answers to COMMIT that are lost.

use super::soon;
use fsm_runtime::store::{
    Cause, Change, Create, Entering, Group, HistoryQuery, Key, Origin, Row, Store, Transition, Verdict,
    postgres::Postgres,
};
use std::time::SystemTime;
use tests_postgres::{Proxy, Server};
use tokio::task::JoinSet;
use uuid::Uuid;

pub(crate) fn entering(state: &str) -> Entering {
    Entering {
        state: state.into(),
        data: "{}".into(),
        context: None,
        schema: 1,
        timers: Vec::new(),
        work: false,
        remove: false,
    }
}

pub(crate) fn create(id: &str) -> Change {
    Change::Create(Create {
        key: Key::new("Door", id),
        incarnation: Uuid::now_v7(),
        into: entering("S1"),
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    })
}

/// Moves the instance to the state of its next version.
pub(crate) fn fire(row: &Row) -> Change {
    Change::Transition(Transition {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: None,
        from: row.state.clone(),
        event: "go".into(),
        payload: "null".into(),
        into: entering(&format!("S{}", row.version + 1)),
        internal: false,
        cause: Cause::Caller,
        not_before: None,
        idempotency_key: None,
        origin: Origin::default(),
    })
}

pub(crate) async fn commit(store: &Postgres, change: Change) -> Verdict {
    let verdicts = store.commit(vec![change.into()], SystemTime::now()).await;
    verdicts.expect("no error reaches the caller").remove(0)
}

pub(crate) async fn committed(store: &Postgres, change: Change) -> Row {
    match commit(store, change).await {
        Verdict::Committed { mut rows } => rows.remove(0),
        other => panic!("{other:?}"),
    }
}

/// Each node sends its changes one after the other, and the answer to each is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n8_a_thousand_lost_answers_are_resolved() {
    const NODES: u64 = 8;
    const CHANGES: u64 = 125;
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let mut nodes = JoinSet::new();
    for node in 0..NODES {
        let (server_port, schema) = (server.port(), schema.clone());
        nodes.spawn(async move {
            let proxy = Proxy::start(server_port).await;
            let options = Postgres::options(server.trusted_url_at(proxy.port())).schema(schema).lanes(1);
            let store = options.open().await.unwrap();
            let mut row = committed(&store, create(&node.to_string())).await;
            for n in 1..=CHANGES {
                proxy.cut_next_commit();
                row = committed(&store, fire(&row)).await;
                assert_eq!((row.version, &*row.state), (n + 1, &*format!("S{}", n + 1)));
            }
            (
                proxy.cut(),
                store.history(HistoryQuery { key: Some(row.key), ..HistoryQuery::new() }.limit(1_000)).await.unwrap(),
            )
        });
    }
    let mut cut = 0;
    while let Some(node) = soon("a node", nodes.join_next()).await {
        let (of_node, history) = node.unwrap();
        cut += of_node;
        let versions: Vec<u64> = history.iter().map(|entry| entry.version).collect();
        assert_eq!(versions, (1..=CHANGES + 1).collect::<Vec<_>>(), "each change has one entry");
    }
    assert_eq!(u64::from(cut), NODES * CHANGES, "each answer was lost");
}

/// The transaction whose answer was lost waits for a lock, so that it is open when the node asks how it ended. A transaction of several
/// statements has locked the lane's row before, and is waited for. One of a single statement has not: it is fenced off, and the change
/// is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n9_an_open_transaction_is_waited_for_or_fenced_off() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let proxy = Proxy::start(server.port()).await;
    let store = Postgres::options(server.url_at(proxy.port())).schema(&schema).open().await.unwrap();
    let mut rows = [committed(&store, create("a")).await, committed(&store, create("b")).await];
    // In a transaction, a session sees the activity of its beginning.
    let (foreign, observer) = (server.connect().await, server.connect().await);
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fsm lane' AND wait_event_type = 'Lock'";
    // It can go on; or the server ends it, because it waits for too long.
    for (is_released, changed) in [(true, 1), (false, 1), (true, 2), (false, 2)] {
        foreign.batch_execute(&format!("BEGIN; SELECT 1 FROM {schema}.instances FOR UPDATE")).await.unwrap();
        proxy.cut_next_commit();
        let committing = tokio::spawn({
            let (store, changes) = (store.clone(), rows[..changed].iter().map(fire).collect());
            async move { store.commit(vec![Group { changes }], SystemTime::now()).await.unwrap().remove(0) }
        });
        let (cut, waiters) = (proxy.cut(), if is_released { 2 } else { 1 });
        super::until("the transaction, and what follows it, wait", async || {
            proxy.cut() >= cut && observer.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) >= waiters
        })
        .await;
        if !is_released {
            super::until("the server ends it", async || {
                observer.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0
            })
            .await;
        }
        foreign.batch_execute("COMMIT").await.unwrap();
        let Verdict::Committed { rows: now } = soon("the answer", committing).await.unwrap() else {
            panic!("not committed")
        };
        for (row, now) in rows.iter_mut().zip(now) {
            assert_eq!((now.version, &now.key), (row.version + 1, &row.key));
            *row = now;
        }
    }
    for row in rows {
        let version = row.version;
        let history = store.history(HistoryQuery { key: Some(row.key), ..HistoryQuery::new() }).await.unwrap();
        assert!(history.iter().map(|entry| entry.version).eq(1..=version), "{history:?}");
    }
    assert_eq!(proxy.cut(), 4);
}

/// A batch of one statement has taken its number and is still open. Later numbers of other nodes are not read before it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n22_an_open_single_statement_holds_back_later_numbers() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let open = || Postgres::options(server.url()).schema(&schema).lanes(1).open();
    let (first, second) = (open().await.unwrap(), open().await.unwrap());
    let (a, b) = (committed(&first, create("a")).await, committed(&first, create("b")).await);
    // The statement of `a` waits when it has added its entry.
    let (admin, observer) = (server.connect().await, server.connect().await);
    let waits = format!(
        "CREATE FUNCTION {schema}.wait() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('{schema}')); RETURN NULL; END $$;
         CREATE TRIGGER waits AFTER INSERT ON {schema}.history FOR EACH ROW WHEN (NEW.id = 'a') EXECUTE FUNCTION {schema}.wait();
         SELECT pg_advisory_lock(hashtext('{schema}'))"
    );
    admin.batch_execute(&waits).await.unwrap();
    let changing = tokio::spawn({
        let (first, change) = (first.clone(), fire(&a));
        async move { committed(&first, change).await }
    });
    let waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)";
    super::until("it has its number", async || observer.query_one(waiting, &[]).await.unwrap().get(0)).await;
    let versions = async || {
        let history = second.history(HistoryQuery::new()).await.unwrap();
        history.iter().map(|entry| (entry.key.id.to_string(), entry.version)).collect::<Vec<_>>()
    };
    let entries =
        |entries: &[(&str, u64)]| entries.iter().map(|(id, version)| (id.to_string(), *version)).collect::<Vec<_>>();
    committed(&second, fire(&b)).await;
    for _ in 0..3 {
        assert_eq!(versions().await, entries(&[("a", 1), ("b", 1)]));
    }
    admin.batch_execute(&format!("SELECT pg_advisory_unlock(hashtext('{schema}'))")).await.unwrap();
    soon("its end", changing).await.unwrap();
    assert_eq!(versions().await, entries(&[("a", 1), ("b", 1), ("a", 2), ("b", 2)]));
}
