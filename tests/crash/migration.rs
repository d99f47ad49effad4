//! X5: processes killed while they migrate all rows or create the tables: the store stays whole, and the next process continues.

use fsm_runtime::{
    Builder, HistoryQuery, ListQuery, Runtime,
    store::{Store, sqlite::Sqlite},
};
use serde_json::json;
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Set for a process that migrates: the store's path.
pub(crate) const MIGRATING: &str = "FSM_CRASH_MIGRATING";
/// Set for a process that opens: the store's path. [`INDEX`] says whether with an index of states.
pub(crate) const OPENING: &str = "FSM_CRASH_OPENING";
const INDEX: &str = "FSM_CRASH_INDEX";

const ROWS: u64 = 3_000;
/// How many rows share a transaction.
const BATCHES: u64 = ROWS.div_ceil(256);

mod first {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An account of the previous release.
    #[derive(StateMachine)]
    #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    pub(super) enum Account {
        /// In use.
        #[on(close => Closed)]
        Open { euros: u64 },
        /// Closed.
        #[state(end)]
        Closed { euros: u64 },
    }
}

mod second {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An account of this release.
    #[derive(StateMachine)]
    #[fsm(initial = Open, version = 2, durable, derive(Serialize, Deserialize))]
    pub(super) enum Account {
        /// In use.
        #[on(close => Shut)]
        Open { cents: u64 },
        /// Closed.
        #[state(end, was = "Closed")]
        Shut { cents: u64 },
    }
}

use first::account as old;
use second::{Account, account};

fn migrating(store: Sqlite) -> Builder {
    Runtime::builder(store).migrate::<Account>(1, |mut row| {
        let euros = row.data["euros"].as_u64().ok_or("there are no euros")?;
        row.data = json!({ "cents": euros * 100 });
        Ok(row)
    })
}

/// Migrates, and prints a line after each batch.
pub(crate) async fn migrate_until_killed(path: &Path) {
    let store = Sqlite::open(path).await.expect("the store");
    let runtime = migrating(store).start().await.expect("a client");
    let accounts = runtime.machines::<Account>();
    let done = accounts.migrate_all(|so_far, left| {
        assert!(left.is_empty(), "{left:?}");
        println!("{}", so_far.seen);
    });
    let done = done.await.expect("the migration succeeds");
    assert_eq!((done.seen, done.left), (ROWS, 0));
}

pub(crate) async fn a_killed_migration_resumes(rounds: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let template = dir.path().join("template.db");
    old_rows(&template).await;
    let (mut half_way, mut kills) = (0, 0);
    for round in 0..rounds {
        let path = dir.path().join(format!("{round}.db"));
        std::fs::copy(&template, &path).expect("a copy");
        // Alone, and beside another process that migrates and is not killed.
        let mut victim = start(MIGRATING, &path);
        let other = (round % 2 == 1).then(|| start(MIGRATING, &path));
        let mut lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
        for _ in 0..fastrand::u64(0..BATCHES) {
            if lines.next().is_none() {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..2_000)));
        victim.kill().expect("SIGKILL");
        kills += u32::from(!victim.wait().expect("it is gone").success());
        // The batches of the killed process are kept, and the other one continues.
        let migrated = check(&path).await;
        half_way += u32::from((1..ROWS).contains(&migrated) && other.is_none());
        if let Some(other) = other {
            end(other);
        } else {
            end(start(MIGRATING, &path));
        }
        assert_eq!(check(&path).await, ROWS, "the next process finishes the migration");
        for file in std::fs::read_dir(dir.path()).expect("the folder").flatten() {
            if file.file_name().to_string_lossy().starts_with(&format!("{round}.db")) && file.path().is_file() {
                std::fs::remove_file(file.path()).expect("it is there");
            }
        }
    }
    assert!(rounds < 20 || half_way > 0, "none of {rounds} was killed half-way");
    format!("{kills} kills, {half_way} of them left old and new rows")
}

async fn old_rows(path: &Path) {
    let store = Sqlite::open(path.with_extension("seed")).await.expect("a store");
    let runtime = Runtime::builder(store.clone()).start().await.expect("a client");
    let accounts = runtime.machines::<first::Account>();
    let births = (0..ROWS).map(|n| (format!("{n:05}"), old::Open { euros: n }));
    for made in accounts.create_many(births).await {
        made.expect("a new id");
    }
    for n in (0..ROWS).step_by(50) {
        accounts.fire(&format!("{n:05}"), old::event::Close).await.expect("it is open");
    }
    runtime.shutdown(Duration::from_secs(1)).await;
    // One file, without a log.
    store.backup(path).await.expect("a new file");
}

/// Every row is old or migrated, and readable, and no history has changed. Returns how many are migrated.
async fn check(path: &Path) -> u64 {
    let store = Sqlite::open(path).await.expect("it opens after a kill");
    let runtime = migrating(store.clone()).start().await.expect("a client");
    let accounts = runtime.machines::<Account>();
    let rows = accounts.rows(&ListQuery::all().limit(usize::MAX >> 32)).await.expect("rows").items;
    assert_eq!(rows.len() as u64, ROWS);
    let mut migrated = 0;
    for (n, row) in (0..).zip(&rows) {
        let closed = n % 50 == 0;
        let (state, data) = match row.schema {
            1 => (if closed { "Closed" } else { "Open" }, format!("{{\"euros\":{n}}}")),
            2 => (if closed { "Shut" } else { "Open" }, format!("{{\"cents\":{}}}", n * 100)),
            other => panic!("{}: schema version {other}", row.key),
        };
        assert_eq!((row.state.as_str(), &row.data), (state, &data), "{}", row.key);
        assert_eq!(row.version, if closed { 2 } else { 1 }, "a migration is not a transition");
        migrated += u64::from(row.schema == 2);
    }
    // Reading all rows with their histories takes too long: a random part each time.
    for _ in 0..50 {
        let n = fastrand::u64(0..ROWS);
        let id = format!("{n:05}");
        let cents = match accounts.get(&id).await.expect("it can be read") {
            account::AnyRecord::Open(open) => open.cents,
            account::AnyRecord::Shut(shut) => shut.cents,
        };
        assert_eq!(cents, n * 100, "{id}");
        let history = accounts.history(&id, &HistoryQuery::new().limit(10)).await.expect("a history").items;
        let chain: Vec<_> = history.iter().map(|e| (e.version, e.from.as_deref(), &*e.to, e.schema)).collect();
        let whole = [(1, None, "Open", 1), (2, Some("Open"), "Closed", 1)];
        assert_eq!(chain, whole[..if n % 50 == 0 { 2 } else { 1 }], "{id}");
    }
    assert_eq!(store.integrity_check().await.expect("a check"), Vec::<String>::new());
    migrated
}

/// Opens the file, reports it, and writes.
pub(crate) async fn open_and_write(path: &Path) {
    let options = match std::env::var(INDEX).as_deref() {
        Ok("on") => Sqlite::options().state_index(true),
        Ok("off") => Sqlite::options().state_index(false),
        _ => Sqlite::options(),
    };
    println!("opening");
    let store = options.open(path).await.expect("it opens beside another process that opens it or is killed");
    let runtime = Runtime::builder(store).start().await.expect("a client");
    let id = format!("of-{}", std::process::id());
    let made = runtime.machines::<Account>().create(&id, account::Open { cents: 1 }).await;
    made.expect("the tables exist");
}

/// Two processes open a new file, or one that gets or loses its index, at once; one is killed.
pub(crate) async fn tables_are_whole_after_a_killed_open(rounds: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let template = dir.path().join("template.db");
    old_rows(&template).await;
    let mut kills = 0;
    for round in 0..rounds {
        let path = dir.path().join("doors.db");
        let wishes = match round % 3 {
            0 => ["", ""],
            1 => ["off", "on"],
            _ => ["on", "off"],
        };
        if round % 3 > 0 {
            std::fs::copy(&template, &path).expect("a copy");
        }
        let mut two = wishes.map(|index| {
            Command::new(std::env::current_exe().expect("this binary"))
                .envs([(OPENING, path.as_os_str()), (INDEX, index.as_ref())])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("a process")
        });
        let mut line = [0; 8];
        two[0].stdout.as_mut().expect("its output").read_exact(&mut line).expect("its report");
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..4_000)));
        two[0].kill().expect("SIGKILL");
        let [mut victim, other] = two;
        kills += u32::from(!victim.wait().expect("it is gone").success());
        end(other);

        let store = Sqlite::open(&path).await.expect("it opens after a kill");
        assert_eq!(store.integrity_check().await.expect("a check"), Vec::<String>::new());
        let lists = store.lists_by_state().await.expect("an answer");
        let counted = store.count("Account".to_owned()).await;
        assert_eq!(counted.is_ok(), lists, "with its index, or without: {counted:?}");
        let runtime = Runtime::builder(store).start().await.expect("a client");
        let made = runtime.machines::<Account>().create("after", account::Open { cents: 1 }).await;
        made.expect("all tables exist");
        runtime.shutdown(Duration::from_secs(1)).await;
        drop(runtime);
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.path().join(format!("doors.db{end}")));
        }
    }
    format!("{kills} of {rounds} killed before they were through")
}

fn start(role: &str, path: &Path) -> Child {
    let this = std::env::current_exe().expect("this binary");
    let mut command = Command::new(this);
    command.env(role, path).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process")
}

/// A process that is not killed succeeds.
fn end(process: Child) {
    let output = process.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}
