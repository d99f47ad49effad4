//! Processes that fill the write-ahead log while readers keep it from being emptied.

use super::{BUSY_TIMEOUT, commit, create};
use fsm_runtime::store::{
    Change, Claim, Row, SaveCheckpoint,
    sqlite::{Sqlite, Synchronous},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// The limit of the log, as `docs/operations.md` has it.
pub const LOG_LIMIT: u64 = 128 << 20;
/// How many large changes each process commits.
pub const COMMITS: usize = 110;
const LARGE: usize = (1 << 20) - 2;

/// Rewrites one large row repeatedly, while a reader always blocks SQLite's own checkpoints.
pub async fn swell(path: &Path, me: &str) {
    let store = Sqlite::options().synchronous(Synchronous::Normal).open(path).await.unwrap();
    let busy = AtomicU64::new(0);
    let Row { key, incarnation, version, .. } = commit(&store, create(me), &busy).await;
    let claim = Claim { key: key.clone(), incarnation, version, fence: 0, owner: me.to_owned() };
    let fence = commit(&store, Change::Claim(claim), &busy).await.fence;
    let done = Arc::new(AtomicBool::new(false));
    let reading = std::thread::spawn({
        let (path, done) = (path.to_owned(), done.clone());
        move || read_without_a_gap(&path, &done)
    });
    let mut longest = 0;
    for n in 0..COMMITS {
        // Different each time: SQLite does not write unchanged pages.
        let checkpoint = char::from(b'a' + u8::try_from(n % 26).unwrap()).to_string().repeat(LARGE);
        let kept = SaveCheckpoint { key: key.clone(), incarnation, version, fence, checkpoint };
        commit(&store, Change::SaveCheckpoint(kept), &busy).await;
        longest = longest.max(log_bytes(path));
    }
    done.store(true, Ordering::Relaxed);
    reading.join().unwrap();
    println!("longest {longest} busy {}", busy.into_inner());
}

fn log_bytes(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |log| log.len())
}

/// One read until the log is nearly at its limit; then each read begins before the previous one ends.
fn read_without_a_gap(path: &Path, done: &AtomicBool) {
    let connect = || {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.busy_timeout(BUSY_TIMEOUT * 10).unwrap();
        connection
    };
    let (mut one, mut other) = (connect(), connect());
    let begin = "BEGIN; SELECT count(*) FROM fsm_meta";
    one.execute_batch(begin).unwrap();
    while log_bytes(path) < LOG_LIMIT * 7 / 8 && !done.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(1));
    }
    while !done.load(Ordering::Relaxed) {
        other.execute_batch(begin).unwrap();
        one.execute_batch("COMMIT").unwrap();
        std::mem::swap(&mut one, &mut other);
        std::thread::sleep(Duration::from_millis(40));
    }
}
