//! The cost of operations on a store with 1,000 to 1,000,000 instances.
//!
//! - `cargo bench -p fsm-runtime --bench scale [-- ROWS…]` prints for each number of rows the median times to open the file, to
//!   start a controller on 100 due rows, to scan for them, to read, fire, list and count; and the bytes of each table and index
//!   for 1,000 instances. The rows, with one history entry each, are inserted by SQL, which is faster. All but 200 have
//!   nothing to do.
//! - `-- drain` prints the time in which 100,000 timers that are due at the same moment fire, and the latency of new work in the
//!   meantime. The first form includes it.

use fsm_runtime::{
    HistoryQuery, ListQuery,
    prelude::*,
    store::{Store, sqlite::Synchronous},
};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, Instant, SystemTime},
};

/// A device.
#[derive(StateMachine)]
#[fsm(initial = Off | On | Repairing, durable, derive(Serialize, Deserialize))]
enum Device {
    /// Three of five rows.
    #[on(turn => On)]
    Off { ballast: String },
    /// Two of five rows.
    #[on(turn => Off)]
    On { ballast: String },
    /// 100 rows that are due, and 100 that are parked.
    #[state(work)]
    #[on(repaired => Off)]
    Repairing { ballast: String },
}

/// Waits until it is cancelled. The benchmark measures the start of the worker.
struct WaitForCancel;

impl device::Workers for WaitForCancel {
    async fn repairing(&self, task: device::Task<device::Repairing>) -> Outcome<device::Repairing> {
        task.cancelled().await;
        Err("cancelled".into())
    }
}

const DUE: u32 = 100;

fn main() {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    if std::env::args().any(|argument| argument == "drain") {
        return executor.block_on(drain());
    }
    let mut sizes: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000, 100_000, 1_000_000];
    }
    let mut columns = Vec::new();
    for &rows in &sizes {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("devices.db");
        executor.block_on(async { drop(Sqlite::open(&path).await.expect("a store")) });
        fill(&path, rows).expect("rows");
        columns.push(executor.block_on(measure(&path, rows)));
        if Some(&rows) == sizes.last() {
            show_bytes(&path, rows).expect("bytes");
        }
    }
    print!("{:<34}", "rows");
    for rows in &sizes {
        print!("{rows:>12}");
    }
    println!("   growth");
    for (line, (what, first)) in columns[0].iter().enumerate() {
        print!("{what:<34}");
        for column in &columns {
            print!("{:>12}", format!("{:.1?}", column[line].1));
        }
        let last = columns[columns.len() - 1][line].1;
        println!("   {:>6.2}x", last.as_secs_f64() / first.as_secs_f64());
    }
    executor.block_on(drain());
}

/// An alarm clock.
#[derive(StateMachine)]
#[fsm(initial = Armed, durable, derive(Serialize, Deserialize))]
enum Alarm {
    /// The timer is running.
    #[on(ring => Rung)]
    #[on(check => Checking)]
    #[after("1s", ring)]
    Armed,
    /// A worker checks it.
    #[state(work)]
    #[on(checked => Rung)]
    Checking,
    /// The timer has fired.
    #[state(end)]
    Rung,
}

struct Checker;

impl alarm::Workers for Checker {
    async fn checking(&self, task: alarm::Task<alarm::Checking>) -> Outcome<alarm::Checking> {
        task.checked()
    }
}

/// Measures how long it takes to fire 100,000 timers that are due at the same moment, and how long new work takes in the
/// meantime, from its event to its end.
async fn drain() {
    const TIMERS: u64 = 100_000;
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("alarms.db");
    let store = Sqlite::open(&path).await.expect("a store");
    let client = Runtime::builder(store.clone()).start().await.expect("a client");
    let alarms = client.machines::<Alarm>();
    let ids = (0..TIMERS).map(|n| (format!("{n:06}"), alarm::Armed));
    assert!(alarms.create_many(ids).await.iter().all(Result::is_ok));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let runtime = Runtime::builder(store).machine::<Alarm, _>(Checker).start().await.expect("a controller");
    let alarms = runtime.machines::<Alarm>();
    let mut new = Vec::new();
    loop {
        let counts = alarms.count().await.expect("counts");
        if counts.iter().all(|count| count.name != "Armed" || count.instances == 0) {
            break;
        }
        let id = format!("new-{}", new.len());
        let armed = alarms.create(&id, alarm::Armed).await.expect("an alarm");
        let fired = Instant::now();
        armed.check().await.expect("work");
        alarms.wait_for(&id, alarm::State::Rung, Duration::from_mins(5)).await.expect("the work is done");
        new.push(fired.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (took, times) = (began.elapsed(), new.len());
    let worst = new.iter().max().copied().unwrap_or_default();
    println!("{TIMERS} timers due at the same moment: fired in {took:.1?}, {:.0} per second", 1e5 / took.as_secs_f64());
    println!(
        "new work in the meantime, from its event to its end, {times} times: median {:.1?}, at most {worst:.1?}",
        median(new)
    );
}

fn fill(path: &Path, rows: u32) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN IMMEDIATE")?;
    let data = format!("{{\"ballast\":\"{}\"}}", "x".repeat(186));
    connection.execute(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
         INSERT INTO fsm_instances (machine, id, incarnation, state, version, entered, schema, data, retry_at, fence,
             attempt, parked, parked_at, shard, created, updated)
         SELECT 'Device', printf('%08d', i), randomblob(16),
             CASE WHEN i < 2 * ?2 THEN 'Repairing' WHEN i % 5 < 3 THEN 'Off' ELSE 'On' END,
             1, 1, 1, ?3, iif(i < ?2, i, NULL), 0, 0,
             iif(i BETWEEN ?2 AND 2 * ?2 - 1, 'broken', NULL), iif(i BETWEEN ?2 AND 2 * ?2 - 1, i, NULL), 0, i, i
         FROM n",
        params![rows, DUE, data],
    )?;
    connection.execute(
        "INSERT INTO fsm_history (machine, id, incarnation, kind, version, schema, fence, to_state, data, cause, at)
         SELECT machine, id, incarnation, 'transition', 1, 1, 0, state, data, 'caller', created FROM fsm_instances",
        [],
    )?;
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
}

/// Resets the rows to their state before a controller worked on them.
fn due_again(path: &Path) -> rusqlite::Result<usize> {
    Connection::open(path)?.execute(
        "UPDATE fsm_instances SET retry_at = 1, owner = NULL, attempt = 0, error = NULL, parked = NULL, parked_at = NULL
         WHERE machine = 'Device' AND id < printf('%08d', ?1)",
        [DUE],
    )
}

type Column = Vec<(&'static str, Duration)>;

async fn measure(path: &Path, rows: u32) -> Column {
    let mut column = Column::new();
    let open = async || Sqlite::options().synchronous(Synchronous::Normal).open(path).await.expect("a store");
    column.push(("open", timed(9, async || drop(open().await)).await));

    let store = open().await;
    let now = SystemTime::now();
    let machine = || "Device".to_owned();
    let scan = async || {
        let due = store.due(vec![machine()].into(), now, None, 500).await.expect("due rows");
        assert_eq!(due.len(), DUE as usize);
    };
    column.push(("scan, 100 due", timed(99, scan).await));
    let in_use = async || assert_eq!(store.states_in_use(machine()).await.expect("states").len(), 3);
    column.push(("states and versions in use", timed(99, in_use).await));

    let mut starts = Vec::new();
    for _ in 0..9 {
        let store = open().await;
        due_again(path).expect("rows");
        let began = Instant::now();
        let runtime = Runtime::builder(store).machine::<Device, _>(WaitForCancel).start().await.expect("a controller");
        starts.push(began.elapsed());
        runtime.shutdown(Duration::ZERO).await;
    }
    column.push(("start, 100 due", median(starts)));

    let runtime = Runtime::builder(store.clone()).start().await.expect("a client");
    let devices = runtime.machines::<Device>();
    let any = || format!("{:08}", fastrand::u32(2 * DUE..rows));
    column.push(("get", timed(999, async || drop(devices.get(&any()).await.expect("a device"))).await));
    let list = async |listing: ListQuery<device::State>, least: usize| {
        let page = devices.list(&listing).await.expect("a page");
        assert!(page.items.len() >= least.min(100), "{}", page.items.len());
    };
    column.push(("list, 100 of all states", timed(99, async || list(ListQuery::all(), 0).await).await));
    let on = ListQuery::in_state(device::State::On);
    column.push(("list, 100 of one state", timed(99, async || list(on.clone(), 100).await).await));
    let middle = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::from(rows / 2));
    let old = on.clone().entered_before(middle);
    column.push(("list, 100 of one state and age", timed(99, async || list(old.clone(), 100).await).await));
    let parked = ListQuery::all().parked();
    column.push(("list, 100 parked", timed(99, async || list(parked.clone(), 100).await).await));
    let parked = ListQuery::in_state(device::State::Repairing).parked();
    column.push(("list, 100 parked of one state", timed(99, async || list(parked.clone(), 100).await).await));
    column.push((
        "history of one",
        timed(99, async || drop(devices.history(&any(), &HistoryQuery::new().limit(100)).await.expect("it").items))
            .await,
    ));
    column.push(("count by state", timed(9, async || drop(devices.count().await.expect("counts"))).await));
    let fire = async || drop(devices.fire(&any(), device::event::Turn).await.expect("a turn"));
    column.push(("get and fire, synchronous=NORMAL", timed(999, fire).await));
    column
}

async fn timed(times: usize, mut what: impl AsyncFnMut()) -> Duration {
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        what().await;
        taken.push(began.elapsed());
    }
    median(taken)
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

fn show_bytes(path: &Path, rows: u32) -> rusqlite::Result<()> {
    println!("bytes for 1,000 instances of 200 bytes of data and about 1,000 history entries, of {rows} rows");
    let connection = Connection::open(path)?;
    let mut tables = connection.prepare(
        "SELECT name, sum(pgsize) * 1000 / ?1 FROM dbstat WHERE name LIKE 'fsm_instances%' OR name LIKE 'fsm_history%'
             OR name LIKE 'sqlite_autoindex_fsm_instances%' GROUP BY name ORDER BY 2 DESC",
    )?;
    for table in tables.query_map([rows], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))? {
        let (name, bytes) = table?;
        println!("{name:<40} {bytes:>10}");
    }
    println!();
    Ok(())
}
