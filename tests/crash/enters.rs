//! Processes that enter states are killed at random. The function on entry has run once for each entry of the history that enters a state.

use fsm_runtime::{HistoryQuery, ListQuery, Machines, TransitionError, prelude::*};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// Set for the process that is killed: the store's path.
pub(crate) const VICTIM: &str = "FSM_CRASH_ENTERING";
const DOORS: usize = 8;

/// Counts its entries.
#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Door {
    #[state(enter = |open| open.entries += 1)]
    #[on(close => Closing)]
    #[on(knock => _)]
    #[on(slam => Self)]
    Open { entries: u64 },
    /// Its worker opens the door again.
    #[state(work, enter = |closing| closing.entries += 1)]
    #[on(open => Open)]
    Closing { entries: u64 },
}

struct Porter;

impl door::Workers for Porter {
    async fn closing(&self, task: door::Task<door::Closing>) -> Outcome<door::Closing> {
        task.open()
    }
}

/// Opens and closes doors until it is killed.
pub(crate) async fn enter_until_killed(path: &Path) {
    let builder = Runtime::builder(Sqlite::open(path).await.expect("the store")).lease_ttl(Duration::from_secs(3));
    let runtime = builder.machine::<Door, _>(Porter).max_attempts(1_000_000).start().await.expect("a controller");
    let doors = runtime.machines::<Door>();
    loop {
        for id in 0..DOORS {
            move_one(&doors, &id.to_string()).await;
        }
    }
}

async fn move_one(doors: &Machines<Door>, id: &str) {
    let moved = match fastrand::u8(0..3) {
        0 => doors.fire(id, door::event::Close).await,
        1 => doors.fire(id, door::event::Knock).await,
        _ => doors.fire(id, door::event::Slam).await,
    };
    match moved {
        Ok(_) | Err(TransitionError::NotAccepted { .. } | TransitionError::Conflict(_)) => {}
        Err(TransitionError::NotFound { .. }) => {
            let _ = doors.create(id, door::Open { entries: 0 }).await.expect("it is created");
        }
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn each_entry_runs_its_function_once(kills: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("doors.db");
    let mut entered = 0;
    for _ in 0..kills {
        let this = std::env::current_exe().expect("this binary");
        let mut victim = Command::new(this).env(VICTIM, &path).stdin(Stdio::null()).spawn().expect("a process");
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..200))).await;
        victim.kill().expect("SIGKILL");
        victim.wait().expect("it is gone");
        entered = check(&path).await;
    }
    assert!(entered > u64::from(kills), "only {entered} states were entered");
    format!("{entered} states entered, {kills} kills")
}

/// The number of entries into states, each of which has counted itself.
async fn check(path: &Path) -> u64 {
    let store = Sqlite::open(path).await.expect("the store opens after a kill");
    let runtime = Runtime::builder(store).start().await.expect("a client");
    let doors = runtime.machines::<Door>();
    let mut all = 0;
    for row in doors.rows(&ListQuery::all().limit(DOORS)).await.expect("rows").items {
        let query = HistoryQuery::new().limit(usize::MAX);
        let history = doors.history(&row.key.id, &query).await.expect("its history").items;
        let mut entered = 0;
        for entry in &history {
            entered += u64::from(entry.event.as_deref() != Some("knock"));
            assert_eq!(entries(entry.data.as_deref()), entered, "{}: {entry:?}", row.key);
        }
        assert_eq!(entries(Some(&row.data)), entered, "{} in {}", row.key, row.state);
        all += entered;
    }
    all
}

fn entries(data: Option<&str>) -> u64 {
    let data: serde_json::Value = serde_json::from_str(data.unwrap_or_default()).expect("JSON");
    data["entries"].as_u64().expect("a count")
}
