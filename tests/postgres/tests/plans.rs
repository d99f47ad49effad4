//! No call of a store scans a whole table of many rows.

#![cfg(server)]

use fsm_runtime::store::{
    Attempts, Buckets, Cause, Change, Claim, Create, Entering, Filter, HistoryQuery, Key, Only, Origin, Process, Prune,
    Release, Row, Scope, Store, Transition, Verdict, postgres::Postgres,
};
use std::time::{Duration, Instant, SystemTime};
use tests_postgres::Server;
use tokio_postgres::Client;
use uuid::Uuid;

/// Rows of two machines in many states of work, their history, and keys of some entries.
const ROWS: &str = "
INSERT INTO {schema}.instances (machine, id, incarnation, state, version, entered, schema, data, retry_at, owner, fence, attempt, parked,
    parked_at, hold, shard, bucket, created, updated)
SELECT m, n::text, gen_random_uuid(), 'S' || n % 5, 1, 1, 1, '{}', CASE WHEN n % 50 = 0 THEN now() END,
    CASE WHEN n % 97 = 0 THEN 'owner ' || n % 3 END, 0, CASE WHEN n % 100 = 0 THEN 1 ELSE 0 END, CASE WHEN n % 89 = 0 THEN 'p' END,
    CASE WHEN n % 89 = 0 THEN now() END, CASE WHEN n % 83 = 0 THEN 'h' END, (n * 2654435761 % 65536)::int,
    ((n * 2654435761 % 65536)::int >> 6)::smallint, now(), now() - n * interval '1 second'
FROM generate_series(1, 20000) n, unnest(ARRAY['Door', 'Gate']) m;
INSERT INTO {schema}.history (sequence, machine, id, incarnation, kind, version, schema, fence, at, to_state, cause, bucket)
SELECT nextval('{schema}.sequence'), i.machine, i.id, i.incarnation, 'transition', 1, 1, 0, i.updated, i.state,
    CASE WHEN i.id::int % 500 = 0 THEN 'operator' ELSE 'caller' END, i.bucket
FROM {schema}.instances i ORDER BY i.updated;
INSERT INTO {schema}.keys (machine, id, incarnation, key, sequence, at)
SELECT h.machine, h.id, h.incarnation, 'k', h.sequence, h.at FROM {schema}.history h WHERE h.sequence > 20000;
ANALYZE {schema}.instances; ANALYZE {schema}.history; ANALYZE {schema}.keys";

/// Waits until the store's connections have ended and reported what they did.
async fn reported(client: &Client) {
    // What this connection itself has done is reported at once.
    client.execute("SELECT pg_stat_force_next_flush()", &[]).await.unwrap();
    let began = Instant::now();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'fsm %'";
    while client.query_one(open, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "the connections of the store stay open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The scans of the tables so far.
async fn scans(client: &Client, schema: &str) -> Vec<(String, i64)> {
    reported(client).await;
    let scans = "SELECT relname::text, coalesce(seq_scan, 0) FROM pg_stat_user_tables
        WHERE schemaname = $1 AND relname IN ('instances', 'history', 'keys') ORDER BY 1";
    let rows = client.query(scans, &[&schema]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n38_no_call_scans_a_whole_table() {
    // The server of this test alone: the connections of other tests would be waited for.
    let (server, schema) = (Server::start(), "fsm");
    let client = server.connect().await;
    let open = || Postgres::options(server.url()).state_index(true).open();
    drop(open().await.unwrap());
    client.batch_execute(&ROWS.replace("{schema}", schema)).await.unwrap();
    let before = scans(&client, schema).await;
    let store = open().await.unwrap();
    for _ in 0..2 {
        reads(&store).await;
    }
    writes(&store).await;
    drop(store);
    assert_eq!(scans(&client, schema).await, before);
}

async fn reads(store: &Postgres) {
    let now = SystemTime::now();
    let all = Filter {
        machine: "Door".into(),
        id_prefix: None,
        states: None,
        entered_before: None,
        only: None,
        newest_first: false,
        after: None,
        limit: 20,
    };
    let by_state = Filter { states: Some(vec!["S1".into(), "S2".into()]), ..all.clone() };
    let lists = [
        all.clone(),
        Filter { id_prefix: Some("19".into()), ..all.clone() },
        by_state.clone(),
        Filter { id_prefix: Some("199".into()), ..by_state },
        Filter { entered_before: Some(now - Duration::from_mins(10)), ..all.clone() },
        Filter { newest_first: true, ..all.clone() },
        Filter { only: Some(Only::Parked), ..all.clone() },
        Filter { only: Some(Only::BackingOff), ..all.clone() },
        Filter { only: Some(Only::Held), newest_first: true, ..all },
    ];
    for list in lists {
        let first = store.list(list.clone()).await.unwrap();
        assert!(!first.items.is_empty(), "{list:?}");
        store.list(Filter { after: first.next, ..list }).await.unwrap();
    }
    assert_eq!(store.states_in_use("Door".into()).await.unwrap().len(), 5);
    let half: Buckets = (0..512).collect();
    for buckets in [Buckets::ALL, half] {
        let scope = Scope { machines: vec!["Door".into(), "Gate".into()], buckets };
        let due = store.due(scope.clone(), now, None, 50).await.unwrap();
        store.due(scope.clone(), now, due.last().cloned(), 50).await.unwrap();
        let orphaned = store.orphaned(scope.clone(), None, 20, now).await.unwrap();
        assert!(!due.is_empty() && !orphaned.is_empty());
        store.orphaned(scope, orphaned.last().cloned(), 20, now).await.unwrap();
        store.changed(39_000, buckets, 100).await.unwrap();
    }
    assert_eq!(store.held_by("owner 1".into(), None, 9).await.unwrap().len(), 9);
    assert_eq!(store.claims("Door".into(), Some("5".into()), 9).await.unwrap().len(), 9);
    let key = || Key::new("Door", "7");
    assert!(store.get(key()).await.unwrap().is_some());
    let of_key = HistoryQuery { key: Some(key()), ..HistoryQuery::new() };
    for query in [HistoryQuery::new(), HistoryQuery::new().newest_first(), HistoryQuery::new().by_operators(), of_key] {
        assert!(!store.history(query.limit(10)).await.unwrap().is_empty());
    }
    store.find_by_idempotency_key(key(), "k".into()).await.unwrap();
    assert_eq!(store.last_sequence().await.unwrap(), 40_000);
}

async fn writes(store: &Postgres) {
    let (now, ttl) = (SystemTime::now(), Duration::from_secs(15));
    store.take_lease(Process::new("me", "process"), ttl, now).await.unwrap();
    for id in ["1", "2", "3"] {
        let row = store.get(Key::new("Gate", id)).await.unwrap().unwrap();
        let (key, incarnation, version, fence) = (row.key, row.incarnation, row.version, row.fence);
        let claim = Claim { key: key.clone(), incarnation, version, fence, owner: "me".into() };
        let verdict = store.commit(vec![Change::Claim(claim).into()], now).await.unwrap().remove(0);
        let Verdict::Committed { rows } = verdict else { panic!("{verdict:?}") };
        let release = Release {
            key,
            incarnation,
            version,
            fence: rows[0].fence,
            owner: Some("me".into()),
            retry: None,
            attempts: Attempts::Keep,
            error: None,
            parked: None,
            note: None,
        };
        store.commit(vec![Change::Release(release).into()], now).await.unwrap();
    }
    let old = now - Duration::from_hours(1);
    let prune = Prune {
        history_before: Some(old),
        keys_before: Some(old),
        ended: vec![("Door".into(), "S3".into())],
        ended_before: Some(old),
        gone: Some(Key::new("Door", "nothing")),
        operations_before: Some(old),
        limit: 10,
    };
    assert!(store.prune(prune).await.unwrap() > 0);
    store.end_leases(vec!["me".into()], now).await.unwrap();
}

/// Such an update needs no entry in any index, and its old version is removed without a vacuum.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n39_transitions_of_resting_instances_are_hot_updates() {
    let (server, schema) = (Server::start(), "fsm");
    let client = server.connect().await;
    let store = Postgres::open(server.url()).await.unwrap();
    let mut rows: Vec<Row> = commit(&store, (0..50).map(|n| created(&n.to_string())).collect()).await;
    for state in ["Shut", "Open"].into_iter().cycle().take(20) {
        rows = commit(&store, rows.into_iter().map(|row| moved(row, state)).collect()).await;
    }
    drop(store);
    reported(&client).await;
    let updates =
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'instances'";
    let row = client.query_one(updates, &[&schema]).await.unwrap();
    let (all, hot): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(all, 50 * 20);
    // Some find no room in their page.
    assert!(hot >= all * 9 / 10, "{hot} of {all}");
}

async fn commit(store: &Postgres, changes: Vec<Change>) -> Vec<Row> {
    let groups = changes.into_iter().map(Into::into).collect();
    let verdicts = store.commit(groups, SystemTime::now()).await.unwrap();
    let row = |verdict| match verdict {
        Verdict::Committed { mut rows } => rows.remove(0),
        other => panic!("{other:?}"),
    };
    verdicts.into_iter().map(row).collect()
}

fn entering(state: &str) -> Entering {
    Entering {
        state: state.into(),
        data: format!("\"{}\"", "x".repeat(100)),
        context: None,
        schema: 1,
        timers: Vec::new(),
        work: false,
        remove: false,
    }
}

fn created(id: &str) -> Change {
    Change::Create(Create {
        key: Key::new("Door", id),
        incarnation: Uuid::now_v7(),
        into: entering("Open"),
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    })
}

fn moved(row: Row, state: &str) -> Change {
    Change::Transition(Transition {
        key: row.key,
        incarnation: row.incarnation,
        version: row.version,
        fence: None,
        from: row.state,
        event: "turn".into(),
        payload: "null".into(),
        into: entering(state),
        internal: false,
        cause: Cause::Caller,
        not_before: None,
        idempotency_key: None,
        origin: Origin::default(),
    })
}
