//! Backups killed at random moments: under the path there is a whole copy or nothing, and the next backup removes what is left.

use fsm_runtime::store::{Cause, Change, Create, Entering, Filter, Group, Key, Origin, Store, sqlite::Sqlite};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};
use uuid::Uuid;

/// Set for the process that is to be killed: the store's path.
pub(crate) const VICTIM: &str = "FSM_CRASH_BACKUP";
const ROWS: usize = 4_000;

/// Writes one copy after the other into the folder `copies` beside the store, and prints a line before each.
pub(crate) async fn back_up_until_killed(path: &Path) {
    let store = Sqlite::open(path).await.expect("the store");
    let copies = path.with_extension("copies");
    for n in 0.. {
        println!("{n}");
        store.backup(copies.join(format!("{n}.db"))).await.expect("a copy");
    }
}

pub(crate) async fn a_backup_is_whole_or_not_there(rounds: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("doors.db");
    let copies = path.with_extension("copies");
    fs::create_dir(&copies).expect("a folder");
    let store = Sqlite::open(&path).await.expect("the store");
    let groups: Vec<Group> = (0..ROWS).map(|n| create(n).into()).collect();
    store.commit(groups, SystemTime::now()).await.expect("the rows");
    let (mut whole, mut halves) = (0, 0);
    for _ in 0..rounds.max(1) {
        let mut this = Command::new(std::env::current_exe().expect("this binary"));
        let mut victim = this.env(VICTIM, &path).stdout(Stdio::piped()).spawn().expect("a process");
        let mut lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
        lines.next().expect("it begins").expect("a line");
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..60_000)));
        victim.kill().expect("SIGKILL");
        victim.wait().expect("it is gone");
        for copy in fs::read_dir(&copies).expect("the folder") {
            let copy = copy.expect("a file").path();
            if copy.extension().is_some_and(|extension| extension == "db") {
                check(&copy).await;
                whole += 1;
                for file in [copy.clone(), copy.with_extension("db-wal"), copy.with_extension("db-shm")] {
                    let _ = fs::remove_file(file);
                }
            } else {
                halves += 1;
            }
        }
        store.backup(copies.join("after.db")).await.expect("a copy");
        let left: Vec<_> =
            fs::read_dir(&copies).expect("the folder").map(|it| it.expect("a file").file_name()).collect();
        assert_eq!(left, ["after.db"], "what the killed one left is removed");
        fs::remove_file(copies.join("after.db")).expect("a file");
    }
    assert!(halves > 0, "none was killed in the midst of a copy");
    format!("{rounds} kills, {whole} whole copies, {halves} halves removed")
}

async fn check(copy: &Path) {
    let store = Sqlite::options().read_only(true).open(copy).await.expect("a whole copy");
    assert_eq!(store.integrity_check().await.expect("a check"), Vec::<String>::new());
    let all = Filter {
        machine: "Door".into(),
        id_prefix: None,
        states: None,
        entered_before: None,
        only: None,
        newest_first: false,
        after: None,
        limit: 2 * ROWS,
    };
    assert_eq!(store.list(all).await.expect("rows").items.len(), ROWS, "{}", copy.display());
}

fn create(n: usize) -> Change {
    Change::Create(Create {
        key: Key::new("Door", n.to_string()),
        incarnation: Uuid::now_v7(),
        into: Entering {
            state: "Open".into(),
            data: format!("{:?}", "x".repeat(1_000)),
            context: None,
            schema: 1,
            timer: None,
            work: false,
            remove: false,
        },
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    })
}
