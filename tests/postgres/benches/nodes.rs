//! The rate of transitions on PostgreSQL, compared with bare statements of the same shape.
//!
//! `cargo bench -p tests-postgres --bench nodes` prints both, for one node, and skips without a server.

use fsm_runtime::store::{
    Cause, Change, Create, Entering, Group, Key, Origin, Row, Store, Transition, Verdict, postgres::Postgres,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tests_postgres::Server;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Concurrent callers, and rows of a bare statement.
const CALLERS: usize = 256;
const LANES: usize = 2;
const TIME: Duration = Duration::from_secs(4);
const DATA_BYTES: usize = 200;

fn main() {
    if cfg!(not(server)) {
        println!("skipped: {}", tests_postgres::MISSING);
        return;
    }
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    executor.block_on(async {
        let server = Server::shared();
        let (bare, store) = (bare(server).await, transitions(server).await);
        println!("transitions a second, {CALLERS} callers, {LANES} connections");
        println!("bare statements with unnest  {bare:>8.0}");
        println!("store                        {store:>8.0}  {:.2}x", store / bare);
    });
}

fn entering(data: &str) -> Entering {
    Entering {
        state: "Open".into(),
        data: data.into(),
        context: None,
        schema: 1,
        timers: Vec::new(),
        work: false,
        remove: false,
    }
}

/// Each caller moves an instance of its own, again and again.
async fn transitions(server: &Server) -> f64 {
    let store = Postgres::options(server.url()).schema("bench").lanes(LANES).open().await.expect("the store opens");
    let data = format!("\"{}\"", "x".repeat(DATA_BYTES - 2));
    let count = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    let until = Instant::now() + TIME;
    for n in 0..CALLERS {
        let (store, data, count) = (store.clone(), data.clone(), count.clone());
        callers.spawn(async move {
            let key = Key::new("Door", format!("door-{n}"));
            let create = Create {
                key,
                incarnation: Uuid::now_v7(),
                into: entering(&data),
                cause: Cause::Caller,
                idempotency_key: None,
                origin: Origin::default(),
            };
            let mut row = commit(&store, Change::Create(create)).await;
            while Instant::now() < until {
                let transition = Transition {
                    key: row.key.clone(),
                    incarnation: row.incarnation,
                    version: row.version,
                    fence: None,
                    from: row.state.clone(),
                    event: "open".into(),
                    payload: "null".into(),
                    into: entering(&data),
                    internal: false,
                    cause: Cause::Caller,
                    not_before: None,
                    idempotency_key: None,
                    origin: Origin::default(),
                };
                row = commit(&store, Change::Transition(transition)).await;
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    callers.join_all().await;
    rate(count.load(Ordering::Relaxed))
}

async fn commit(store: &Postgres, change: Change) -> Row {
    let verdicts = store.commit(vec![Group { changes: vec![change] }], SystemTime::now()).await;
    match verdicts.expect("the server answers").remove(0) {
        Verdict::Committed { mut rows } => rows.remove(0),
        other => panic!("{other:?}"),
    }
}

/// One statement for each batch: an update of the rows by key and version, and a row of history for each.
async fn bare(server: &Server) -> f64 {
    let client = server.connect().await;
    let tables = "CREATE SCHEMA bare; CREATE SEQUENCE bare.sequence;
        CREATE TABLE bare.rows (id text PRIMARY KEY, version bigint NOT NULL, data text NOT NULL) WITH (fillfactor = 70);
        CREATE TABLE bare.history (sequence bigint PRIMARY KEY, id text NOT NULL, version bigint NOT NULL, data text NOT NULL);
        CREATE INDEX ON bare.history (id, sequence)";
    client.batch_execute(tables).await.expect("tables");
    let until = Instant::now() + TIME;
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let client = server.connect().await;
        lanes.spawn(async move {
            let ids: Vec<String> = (0..CALLERS / LANES).map(|n| format!("door-{lane}-{n}")).collect();
            let data = vec!["x".repeat(DATA_BYTES); ids.len()];
            let insert =
                "INSERT INTO bare.rows SELECT a.id, 0, a.data FROM unnest($1::text[], $2::text[]) AS a(id, data)";
            client.execute(insert, &[&ids, &data]).await.expect("rows");
            let update = "WITH moved AS (
                    UPDATE bare.rows r SET version = r.version + 1, data = a.data
                    FROM unnest($1::text[], $2::bigint[], $3::text[]) AS a(id, version, data)
                    WHERE r.id = a.id AND r.version = a.version RETURNING r.id, r.version, r.data)
                INSERT INTO bare.history SELECT nextval('bare.sequence'), m.id, m.version, m.data FROM moved m
                RETURNING sequence";
            let update = client.prepare(update).await.expect("a statement");
            let (mut version, mut count) = (0_i64, 0_u64);
            while Instant::now() < until {
                let versions = vec![version; ids.len()];
                let rows = client.query(&update, &[&ids, &versions, &data]).await.expect("an update");
                assert_eq!(rows.len(), ids.len());
                (version, count) = (version + 1, count + rows.len() as u64);
            }
            count
        });
    }
    rate(lanes.join_all().await.into_iter().sum())
}

#[allow(clippy::cast_precision_loss)]
fn rate(count: u64) -> f64 {
    count as f64 / TIME.as_secs_f64()
}
