//! The rate of transitions, compared with bare statements of the same shape: the same tables, and the columns that a transition writes.

use super::{line, median};
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
use tokio::{
    sync::{Barrier, mpsc, oneshot},
    task::JoinSet,
};
use uuid::Uuid;

/// Concurrent callers, and rows of a round of bare statements.
const CALLERS: usize = 256;
const LANES: usize = 2;
const NODES: usize = 8;
const TIME: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
const DATA_BYTES: usize = 200;

pub(super) async fn print(server: &Server) {
    let [mut bare, mut bare_many, mut queued, mut small, mut one, mut many, mut calls] = [const { Vec::new() }; 7];
    for _ in 0..ROUNDS {
        bare.push(bare_statements(server, 1, BARE).await);
        queued.push(queued_statements(server).await);
        one.push(transitions(server, 1, CALLERS).await);
        many.push(transitions(server, NODES, CALLERS).await);
        bare_many.push(bare_statements(server, NODES, BARE).await);
        calls.push(transitions(server, 1, LANES).await);
        small.push(bare_statements(server, 1, SMALL).await);
    }
    let over = |rates: &[f64], others: &[f64]| {
        let ratios: Vec<f64> = rates.iter().zip(others).map(|(rate, other)| rate / other).collect();
        format!("{:.2}x", median(&ratios))
    };
    let rate = |rates: &[f64]| format!("{:.0}/s", median(rates));
    line(&format!("bare statements, {CALLERS} rows, {LANES} connections"), &rate(&bare), "");
    line(&format!("transitions of one node, {CALLERS} callers"), &rate(&one), "");
    line("  against bare statements", &over(&one, &bare), ">= 0.80x");
    line(&format!("transitions of {NODES} nodes, {CALLERS} callers each"), &rate(&many), "");
    line("  against bare statements of one node", &over(&many, &bare), ">= 1.00x");
    line(&format!("bare statements of {NODES} nodes, {CALLERS} rows each"), &rate(&bare_many), "");
    line(&format!("  transitions of {NODES} nodes against these"), &over(&many, &bare_many), "");
    line(&format!("transitions of one node, {LANES} calls of {} groups", CALLERS / LANES), &rate(&calls), "");
    line("  against bare statements", &over(&calls, &bare), "");
    line(&format!("the same bare statements by hand for {CALLERS} callers"), &rate(&queued), "");
    line("  transitions of one node against these", &over(&one, &queued), "");
    line("bare statements on tables of three columns", &rate(&small), "");
}

fn data() -> String {
    format!("\"{}\"", "x".repeat(DATA_BYTES - 2))
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

/// `callers` of each node move 256 instances again and again, as many in each call. Each node has an executor of its own, and a store
/// object, with a thread and connections of its own.
async fn transitions(server: &Server, nodes: usize, callers: usize) -> f64 {
    let (schema, count) = (server.new_schema(), Arc::new(AtomicU64::new(0)));
    let ready = Arc::new(Barrier::new(nodes * callers));
    let node = |node: usize| {
        let options = Postgres::options(server.url()).schema(&schema).lanes(LANES);
        let (count, ready) = (count.clone(), ready.clone());
        tokio::task::spawn_blocking(move || {
            let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            executor.expect("tokio").block_on(async {
                let store = options.open().await.expect("the store opens");
                let tasks = (0..callers).map(|caller| {
                    let ids = (0..CALLERS / callers).map(|instance| format!("door-{node}-{caller}-{instance}"));
                    moves(store.clone(), ids.collect(), ready.clone(), count.clone())
                });
                tasks.collect::<JoinSet<()>>().join_all().await;
            });
        })
    };
    for end in (0..nodes).map(node).collect::<Vec<_>>() {
        end.await.expect("the node ends");
    }
    rate(count.load(Ordering::Relaxed))
}

/// Moves the instances again and again, all of them in each call, when all callers are ready.
async fn moves(store: Postgres, ids: Vec<String>, ready: Arc<Barrier>, count: Arc<AtomicU64>) {
    let data = data();
    let mut rows = commit(&store, ids.iter().map(|id| creation(id, &data)).collect()).await;
    ready.wait().await;
    let until = Instant::now() + TIME;
    while Instant::now() < until {
        rows = commit(&store, rows.into_iter().map(|row| transition(row, &data)).collect()).await;
        count.fetch_add(ids.len() as u64, Ordering::Relaxed);
    }
}

fn creation(id: &str, data: &str) -> Group {
    let create = Create {
        key: Key::new("Door", id),
        incarnation: Uuid::now_v7(),
        into: entering(data),
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    };
    Change::Create(create).into()
}

fn transition(row: Row, data: &str) -> Group {
    let transition = Transition {
        key: row.key,
        incarnation: row.incarnation,
        version: row.version,
        fence: None,
        from: row.state,
        event: "open".into(),
        payload: "null".into(),
        into: entering(data),
        internal: false,
        cause: Cause::Caller,
        not_before: None,
        idempotency_key: None,
        origin: Origin::default(),
    };
    Change::Transition(transition).into()
}

async fn commit(store: &Postgres, groups: Vec<Group>) -> Vec<Row> {
    let verdicts = store.commit(groups, SystemTime::now()).await.expect("the server answers");
    let row = |verdict| match verdict {
        Verdict::Committed { mut rows } => rows.remove(0),
        other => panic!("{other:?}"),
    };
    verdicts.into_iter().map(row).collect()
}

/// The tables, the rows of `$1` (ids) and `$2` (data), and one statement for a batch of ids, versions and data.
#[derive(Clone, Copy)]
struct Bare {
    tables: &'static str,
    rows: &'static str,
    update: &'static str,
}

/// The tables of a store, with what a transition writes to them.
const BARE: Bare = Bare {
    tables: "",
    rows: "INSERT INTO {schema}.instances (machine, id, incarnation, state, version, entered, schema, data, fence, attempt, shard,
               bucket, created, updated)
           SELECT 'Door', a.id, gen_random_uuid(), 'Open', 0, 0, 1, a.data, 0, 0, hashtext(a.id) & 65535, (hashtext(a.id) & 65535) >> 6,
               now(), now()
           FROM unnest($1::text[], $2::text[]) AS a(id, data)",
    update: "WITH moved AS (
            UPDATE {schema}.instances i SET state = a.state, version = i.version + 1, entered = i.version + 1, data = a.data,
                updated = greatest(clock_timestamp(), i.updated)
            FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
                AS a(id, version, data, machine, state, event, payload)
            WHERE i.machine = a.machine AND i.id = a.id AND i.version = a.version RETURNING i.*, a.event, a.payload)
        INSERT INTO {schema}.history (sequence, machine, id, incarnation, kind, version, schema, fence, from_state, event, to_state,
            payload, data, cause, at, bucket)
        SELECT nextval('{schema}.sequence'), m.machine, m.id, m.incarnation, 'transition', m.version, m.schema, m.fence, m.state,
            m.event, m.state, m.payload, m.data, 'caller', m.updated, m.bucket
        FROM moved m RETURNING sequence",
};

/// Tables of three and four columns.
const SMALL: Bare = Bare {
    tables: "CREATE TABLE {schema}.few_columns (id text PRIMARY KEY, version bigint NOT NULL, data text NOT NULL) WITH (fillfactor = 70);
        CREATE TABLE {schema}.few_entries (sequence bigint PRIMARY KEY, id text NOT NULL, version bigint NOT NULL, data text NOT NULL);
        CREATE INDEX ON {schema}.few_entries (id, sequence)",
    rows: "INSERT INTO {schema}.few_columns SELECT a.id, 0, a.data FROM unnest($1::text[], $2::text[]) AS a(id, data)",
    update: "WITH moved AS (
            UPDATE {schema}.few_columns r SET version = r.version + 1, data = a.data
            FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
                AS a(id, version, data, machine, state, event, payload)
            WHERE r.id = a.id AND r.version = a.version RETURNING r.id, r.version, r.data)
        INSERT INTO {schema}.few_entries SELECT nextval('{schema}.sequence'), m.id, m.version, m.data FROM moved m
        RETURNING sequence",
};

/// One statement for each batch: an update of the rows by key and version, and a row of history for each. Each node has as many connections
/// as a store has lanes.
async fn bare_statements(server: &Server, nodes: usize, bare: Bare) -> f64 {
    let schema = server.new_schema();
    let filled = |text: &str| text.replace("{schema}", &schema);
    drop(Postgres::options(server.url()).schema(&schema).open().await.expect("the tables"));
    server.connect().await.batch_execute(&filled(bare.tables)).await.expect("tables");
    let ready = Arc::new(Barrier::new(LANES * nodes));
    let mut lanes = JoinSet::new();
    for lane in 0..LANES * nodes {
        let client = connect(server).await;
        let ready = ready.clone();
        let (insert, update) = (filled(bare.rows), filled(bare.update));
        lanes.spawn(async move {
            let ids: Vec<String> = (0..CALLERS / LANES).map(|n| format!("door-{lane}-{n}")).collect();
            let data = vec![data(); ids.len()];
            client.execute(&insert, &[&ids, &data]).await.expect("rows");
            let update = client.prepare(&update).await.expect("a statement");
            let all = |text: &'static str| vec![text; CALLERS / LANES];
            let (machine, state, event, payload) = (all("Door"), all("Open"), all("open"), all("null"));
            let (mut version, mut count) = (0_i64, 0_u64);
            ready.wait().await;
            let until = Instant::now() + TIME;
            while Instant::now() < until {
                let versions = vec![version; ids.len()];
                let rows = client.query(&update, &[&ids, &versions, &data, &machine, &state, &event, &payload]).await;
                let rows = rows.expect("an update");
                assert_eq!(rows.len(), ids.len());
                (version, count) = (version + 1, count + rows.len() as u64);
            }
            count
        });
    }
    rate(lanes.join_all().await.into_iter().sum())
}

/// An update that waits in a queue: the row, its version, and the reply.
type Queued = (usize, i64, oneshot::Sender<()>);

/// The bare statements as an application would use them: a queue for each connection, and callers that wait for their own rows. What
/// waits in a queue is updated by one statement.
async fn queued_statements(server: &Server) -> f64 {
    let schema = server.new_schema();
    let filled = |text: &str| text.replace("{schema}", &schema);
    drop(Postgres::options(server.url()).schema(&schema).open().await.expect("the tables"));
    let mut queues = Vec::new();
    for lane in 0..LANES {
        let client = connect(server).await;
        let ids: Vec<String> = (0..CALLERS / LANES).map(|n| format!("door-{lane}-{n}")).collect();
        client.execute(&filled(BARE.rows), &[&ids, &vec![data(); ids.len()]]).await.expect("rows");
        let update = client.prepare(&filled(BARE.update)).await.expect("a statement");
        let (queue, mut waiting) = mpsc::channel::<Queued>(CALLERS);
        queues.push(queue);
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while waiting.recv_many(&mut batch, CALLERS).await > 0 {
                let all = |text: &'static str| vec![text; batch.len()];
                let (machine, state, event, payload) = (all("Door"), all("Open"), all("open"), all("null"));
                let versions: Vec<i64> = batch.iter().map(|(_, version, _)| *version).collect();
                let ids: Vec<&str> = batch.iter().map(|(n, ..)| &*ids[*n]).collect();
                let data = vec![data(); batch.len()];
                let rows = client.query(&update, &[&ids, &versions, &data, &machine, &state, &event, &payload]).await;
                assert_eq!(rows.expect("an update").len(), batch.len());
                for (_, _, reply) in batch.drain(..) {
                    let _ = reply.send(());
                }
            }
        });
    }
    let count = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    let until = Instant::now() + TIME;
    for n in 0..CALLERS {
        let (queue, count) = (queues[n % LANES].clone(), count.clone());
        callers.spawn(async move {
            let mut version = 0;
            while Instant::now() < until {
                let (reply, done) = oneshot::channel();
                queue.send((n / LANES, version, reply)).await.expect("the queue is open");
                done.await.expect("an answer");
                version += 1;
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    callers.join_all().await;
    rate(count.load(Ordering::Relaxed))
}

/// A connection with the settings of the store's own.
async fn connect(server: &Server) -> tokio_postgres::Client {
    let client = server.connect().await;
    let settings = "SET enable_seqscan = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan";
    client.batch_execute(settings).await.expect("settings");
    client
}

#[allow(clippy::cast_precision_loss)]
fn rate(count: u64) -> f64 {
    count as f64 / TIME.as_secs_f64()
}
