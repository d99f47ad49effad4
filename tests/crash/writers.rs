//! X1: writers killed at random moments. Nothing acknowledged is lost, and every history is an unbroken chain.

use fsm_runtime::{
    HistoryQuery, ListQuery,
    prelude::*,
    store::{Change, Claim, HistoryEntry, HistoryKind, Row, Store},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};
use tokio::task::JoinSet;

/// Set for the process that is to be killed: the store's path.
pub(crate) const VICTIM: &str = "FSM_CRASH_VICTIM";
/// Set for one that writes alone, and commits in place.
const ALONE: &str = "FSM_CRASH_ALONE";
const WRITERS: usize = 8;
const INSTANCES: usize = 64;
/// At every multiple of this version an operator overrides the counter.
const OVERRIDES: u64 = 16;

/// A counter whose data is its version.
#[derive(StateMachine)]
#[fsm(initial = Low, durable, derive(Clone, Copy, Serialize, Deserialize))]
enum Counter {
    /// Even.
    #[on(up => High, with = up)]
    Low { count: u64 },
    /// Odd.
    #[on(down => Low, with = down)]
    High { count: u64 },
}

fn up(low: counter::Low, _: counter::event::Up) -> counter::High {
    counter::High { count: low.count + 1 }
}

fn down(high: counter::High, _: counter::event::Down) -> counter::Low {
    counter::Low { count: high.count + 1 }
}

/// Moves the instances until killed, and prints a line for each acknowledged transition.
pub(crate) async fn write_until_killed(path: &Path) {
    let alone = std::env::var_os(ALONE).is_some();
    let store = Sqlite::options().commit_in_place(alone).open(path).await.expect("the store");
    let runtime = Runtime::builder(store.clone()).start().await.expect("a client");
    let counters = runtime.machines::<Counter>();
    let mut writers = JoinSet::new();
    let count = if alone { 1 } else { WRITERS };
    for writer in 0..count {
        let (store, counters) = (store.clone(), counters.clone());
        writers.spawn(async move {
            loop {
                for instance in (writer..INSTANCES).step_by(count) {
                    let id = instance.to_string();
                    let seen = counters.row(&id).await.ok().filter(|row| row.version.is_multiple_of(OVERRIDES));
                    if let Some(seen) = seen {
                        claim(&store, &seen).await;
                        let low = counter::Low { count: seen.version };
                        let moved = counters.with_actor("crash").move_to(&seen, low, "now and then").await;
                        acknowledge(&id, moved.expect("no other writer moves it").version());
                        continue;
                    }
                    let record = match counters.get(&id).await {
                        Ok(counter::AnyRecord::Low(low)) => low.up().await.map(counter::AnyRecord::from),
                        Ok(counter::AnyRecord::High(high)) => high.down().await.map(counter::AnyRecord::from),
                        Err(_) => counters.create(&id, counter::Low { count: 0 }).await.map(counter::AnyRecord::from),
                    };
                    let record = record.expect("no other writer moves it");
                    acknowledge(&id, record.version());
                }
            }
        });
    }
    writers.join_next().await.expect("writers").expect("a writer writes until it is killed");
}

/// Claims the row as for a worker, so that the next entries have a new fence.
async fn claim(store: &Sqlite, seen: &Row) {
    let Row { key, incarnation, version, fence, .. } = seen.clone();
    let claim = Claim { key, incarnation, version, fence, owner: "victim".to_owned() };
    store.commit(vec![Change::Claim(claim).into()], SystemTime::now()).await.expect("a verdict");
}

fn acknowledge(id: &str, version: u64) {
    // One write, so that a kill cannot cut a line and leave it looking whole.
    let line = format!("{id} {version}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).expect("the parent reads");
}

pub(crate) async fn nothing_acknowledged_is_lost(rounds: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("counters.db");
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    for round in 0..rounds {
        let mut victim = start(&path, round % 3 == 2);
        let lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
        let reading = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_micros(fastrand::u64(20_000..60_000)));
        victim.kill().expect("SIGKILL");
        let status = victim.wait().expect("it is gone");
        assert_eq!(status.signal(), Some(9), "it ended before the kill: {status}");
        for line in reading.join().expect("its lines") {
            let (id, version) = line.split_once(' ').expect("id and version");
            let version: u64 = version.parse().expect("a version");
            let known = acknowledged.entry(id.to_owned()).or_default();
            *known = version.max(*known);
        }
        // Every row in each round; every history in some rounds and at the end.
        check(&path, &acknowledged, round % 50 == 49 || round + 1 == rounds).await;
    }
    let transitions: u64 = acknowledged.values().sum();
    format!("{rounds} kills, {transitions} acknowledged transitions")
}

pub(crate) fn start(path: &Path, alone: bool) -> Child {
    let mut this = Command::new(std::env::current_exe().expect("this binary"));
    this.env(VICTIM, path).envs(alone.then_some((ALONE, "")));
    this.stdout(Stdio::piped()).spawn().expect("a process")
}

async fn check(path: &Path, acknowledged: &HashMap<String, u64>, histories: bool) {
    let store = Sqlite::open(path).await.expect("the store opens after a kill");
    let runtime = Runtime::builder(store.clone()).start().await.expect("a client");
    let counters = runtime.machines::<Counter>();
    let rows = counters.rows(&ListQuery::all().limit(INSTANCES)).await.expect("rows").items;
    for (id, version) in acknowledged {
        let row = rows.iter().find(|row| *row.key.id == **id).expect("an acknowledged instance is there");
        assert!(row.version >= *version, "{id} was acknowledged at {version} and is at {}", row.version);
    }
    for row in rows.iter().filter(|_| histories) {
        let history =
            counters.history(&row.key.id, &HistoryQuery::new().limit(usize::MAX)).await.expect("history").items;
        for (place, entry) in history.iter().enumerate() {
            let version = u64::try_from(place).expect("small") + 1;
            assert_eq!(entry.version, version, "{}: the versions are 1, 2, 3…", row.key);
            assert_eq!(entry.from.as_deref(), place.checked_sub(1).map(|before| &*history[before].to), "{entry:?}");
            let declared = match entry.event.as_deref() {
                _ if entry.kind == HistoryKind::Override => {
                    entry.to == "Low" && entry.actor.as_deref() == Some("crash") && entry.cause == "operator"
                }
                None => place == 0 && entry.to == "Low",
                Some(event) => Counter::GRAPH
                    .transition(entry.from.as_deref().unwrap_or_default(), event)
                    .is_some_and(|transition| transition.to.contains(&entry.to.as_str())),
            };
            assert!(declared, "{entry:?}");
            assert_eq!(count(entry.data.as_deref()), version - 1, "{entry:?}");
            let fence = place.checked_sub(1).map_or(0, |before| history[before].fence);
            assert!(entry.fence >= fence, "X1: {entry:?} has a fence older than {fence}");
        }
        let last: &HistoryEntry = history.last().expect("a row has a history");
        assert!(last.fence > 0 || row.version <= OVERRIDES, "{}: it was claimed", row.key);
        assert_eq!((last.version, &last.to, last.data.as_ref()), (row.version, &row.state, Some(&row.data)));
    }
    if histories {
        assert_eq!(store.integrity_check().await.expect("a check"), Vec::<String>::new());
    }
}

fn count(data: Option<&str>) -> u64 {
    let data: serde_json::Value = serde_json::from_str(data.unwrap_or_default()).expect("JSON");
    data["count"].as_u64().expect("a count")
}
