//! A process whose callers make random calls and log each one with its answer.

use crate::calls::{
    call::Call,
    caller::{CALLS, Caller},
};
use fsm_runtime::store::sqlite::Sqlite;
use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::task::JoinSet;

/// Runs two callers on the store at `path`; each line of `log` holds the caller's number and one call as JSON.
pub async fn call(path: &Path, log: &Path) {
    let log = Arc::new(Mutex::new(File::create(log).unwrap()));
    let store = Sqlite::open(path).await.unwrap();
    let mut callers = JoinSet::new();
    for n in 0..2_u8 {
        let (store, log) = (store.clone(), log.clone());
        callers.spawn(async move {
            let log = |call: &Call| {
                let mut line = serde_json::to_string(&(n, call)).unwrap();
                line.push('\n');
                // One write, so that a kill cannot leave a cut line that looks whole.
                log.lock().unwrap().write_all(line.as_bytes()).unwrap();
            };
            Caller::new(store, log).ask(CALLS * 2).await;
        });
    }
    callers.join_all().await;
}
