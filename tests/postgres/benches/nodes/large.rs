//! Calls on a million instances, compared with ten thousand, and the load of nodes that have nothing to do.

use super::{at, line, work::Errand};
use fsm_runtime::{
    Runtime,
    prelude::*,
    store::{Buckets, Filter, Key, Only, Scope, Store, postgres::Postgres},
};
use std::time::{Duration, Instant, SystemTime};
use tests_postgres::Server;

const FEW: u32 = 10_000;
const MANY: u32 = 1_000_000;
const NODES: usize = 8;
const IDLE: Duration = Duration::from_secs(15);
const CALLS: usize = 21;

/// Rows that rest. 100 of them are parked.
const ROWS: &str = "
INSERT INTO {schema}.instances (machine, id, incarnation, state, version, entered, schema, data, fence, attempt, parked, parked_at,
    shard, bucket, created, updated)
SELECT 'Errand', lpad(n::text, 8, '0'), gen_random_uuid(), 'Waiting', 1, 1, 1, 'null', 0, 0,
    CASE WHEN n % ({rows} / 100) = 0 THEN 'p' END, CASE WHEN n % ({rows} / 100) = 0 THEN now() END,
    (n::bigint * 2654435761 % 65536)::int, ((n::bigint * 2654435761 % 65536)::int >> 6)::smallint, now(), now()
FROM generate_series(1, {rows}) n;
VACUUM (ANALYZE) {schema}.instances";

/// 100 rows that are due for a machine that no node works on.
const DUE: &str = "
INSERT INTO {schema}.instances (machine, id, incarnation, state, version, entered, schema, data, fence, attempt, retry_at, shard, bucket,
    created, updated)
SELECT 'Other', n::text, gen_random_uuid(), 'Waiting', 1, 1, 1, 'null', 0, 0, now(), n * 600, (n * 600) >> 6, now(), now()
FROM generate_series(1, 100) n;
VACUUM (ANALYZE) {schema}.instances";

struct Idle;

impl super::work::errand::Workers for Idle {
    async fn todo(
        &self,
        task: super::work::errand::Task<super::work::errand::Todo>,
    ) -> Outcome<super::work::errand::Todo> {
        task.finish()
    }
}

pub(super) async fn print(server: &Server) {
    let few = measured(server, FEW).await;
    let (many, schema) = {
        let many = measured(server, MANY).await;
        (many.0, many.1)
    };
    for ((what, few), (_, many)) in few.0.iter().zip(&many) {
        let growth = many.as_secs_f64() / few.as_secs_f64();
        line(&format!("{what}, {MANY} rows"), &format!("{many:.1?}"), "");
        line(&format!("  against {FEW} rows"), &format!("{growth:.2}x"), "<= 2.00x");
    }
    let idle = idle(server, &schema).await;
    line(&format!("statements of {NODES} idle nodes, {MANY} resting rows"), &format!("{idle:.0}/s"), "<= 100/s");
}

/// The medians of calls on a store with `rows` rows, and its schema.
async fn measured(server: &Server, rows: u32) -> (Vec<(&'static str, Duration)>, String) {
    let schema = server.new_schema();
    let open = || Postgres::options(server.url()).schema(&schema).state_index(true).open();
    let store = open().await.expect("the store opens");
    let client = server.connect().await;
    for statements in [ROWS, DUE] {
        let filled = statements.replace("{schema}", &schema).replace("{rows}", &rows.to_string());
        // A vacuum is not part of a transaction.
        for statement in filled.split(";\n") {
            client.batch_execute(statement).await.expect("rows");
        }
    }
    let now = SystemTime::now() + Duration::from_secs(1);
    let scope = || Scope { machines: vec!["Other".into()], buckets: Buckets::ALL };
    let all = Filter {
        machine: "Errand".into(),
        id_prefix: None,
        states: None,
        entered_before: None,
        only: None,
        newest_first: false,
        after: None,
        limit: 100,
    };
    let by_state = Filter { states: Some(vec!["Waiting".into()]), ..all.clone() };
    let newest = Filter { newest_first: true, ..all.clone() };
    let parked = Filter { only: Some(Only::Parked), ..all.clone() };
    let mut results = Vec::new();
    results.push((
        "scan of 100 due",
        median(|| async { assert_eq!(store.due(scope(), now, None, 200).await.expect("due").len(), 100) }).await,
    ));
    results.push((
        "get",
        median(|| async { assert!(store.get(Key::new("Errand", "00005000")).await.expect("a row").is_some()) }).await,
    ));
    for (what, list) in
        [("list", all), ("list of a state", by_state), ("list, newest first", newest), ("list of parked", parked)]
    {
        let time =
            median(|| async { assert_eq!(store.list(list.clone()).await.expect("a list").items.len(), 100) }).await;
        results.push((what, time));
    }
    let start = median(|| async {
        let runtime = Runtime::builder(store.clone()).machine::<Errand, _>(Idle).start().await.expect("a controller");
        runtime.shutdown(Duration::from_secs(1)).await;
    });
    results.push(("start and shutdown", start.await));
    drop(store);
    (results, schema)
}

async fn median<F: Future<Output = ()>>(call: impl Fn() -> F) -> Duration {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        call().await;
        times.push(began.elapsed());
    }
    at(&mut times, 50)
}

/// The transactions of the database in a second, most of which are one statement.
async fn idle(server: &Server, schema: &str) -> f64 {
    let mut nodes = Vec::with_capacity(NODES);
    for n in 0..NODES {
        let store = Postgres::options(server.url()).schema(schema).open().await.expect("the store opens");
        let builder = Runtime::builder(store).machine::<Errand, _>(Idle).node(format!("node {n}"));
        nodes.push(builder.start().await.expect("a controller"));
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    let before = transactions(server).await;
    tokio::time::sleep(IDLE).await;
    let made = transactions(server).await - before;
    for node in nodes {
        node.shutdown(Duration::from_secs(1)).await;
    }
    f64::from(i32::try_from(made).expect("a count")) / IDLE.as_secs_f64()
}

async fn transactions(server: &Server) -> i64 {
    // Idle connections report theirs within a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let client = server.connect().await;
    let text = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    client.query_one(text, &[]).await.expect("a number").get(0)
}
