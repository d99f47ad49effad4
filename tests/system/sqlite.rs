//! The SQLite store: the store contract, files, several handles on a file, and files that cannot be opened.

use fsm_runtime::store::{
    Buckets, Change, Claim, Create, Entering, Filter, HistoryQuery, InUse, Key, Notice, Only, Origin, Process, Prune,
    Purge, Renewed, Row, Store, StoreError, Verdict,
    sqlite::{OpenError, RestoreError, Sqlite, Synchronous},
};
use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tests::peers::create;

async fn commit(store: &Sqlite, change: Change) -> Result<Verdict, StoreError> {
    Ok(store.commit(vec![change.into()], SystemTime::now()).await?.remove(0))
}

/// The store contract in memory.
mod in_memory {
    use fsm_runtime::store::sqlite::Sqlite;

    fsm_runtime::store_contract!(async || (Sqlite::in_memory().unwrap(), ()));
}

/// The store contract on a file.
mod on_a_file {
    fsm_runtime::store_contract!(async || super::on_a_new_file(false).await);
}

/// The store contract on a file where callers commit in place.
mod in_place {
    fsm_runtime::store_contract!(async || super::on_a_new_file(true).await);
}

async fn on_a_new_file(in_place: bool) -> (Sqlite, TempDir) {
    let dir = TempDir::new().unwrap();
    let store = Sqlite::options().commit_in_place(in_place).open(dir.path().join("doors.db")).await.unwrap();
    (store, dir)
}

#[tokio::test]
async fn commits_are_present_after_reopening() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let store = Sqlite::open(&path).await.unwrap();
    commit(&store, create("a")).await.unwrap();
    drop(store);
    let store = Sqlite::open(&path).await.unwrap();
    assert_eq!(store.get(Key::new("Door", "a")).await.unwrap().unwrap().state, "Open");
}

#[tokio::test]
async fn l4_fences_grow_over_restarts_and_processes() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let key = Key::new("Door", "a");
    let mut last = 0;
    for _ in 0..3 {
        // Two handles stand for two processes; both are closed, and the row removed, before the next ones open.
        let processes = [Sqlite::open(&path).await.unwrap(), Sqlite::open(&path).await.unwrap()];
        commit(&processes[0], create("a")).await.unwrap();
        for process in processes.iter().chain(&processes) {
            let Row { key, incarnation, version, fence, .. } = process.get(key.clone()).await.unwrap().unwrap();
            let claim = Claim { key, incarnation, version, fence, owner: "other".into() };
            let Verdict::Committed { rows } = commit(process, Change::Claim(claim)).await.unwrap() else { panic!() };
            assert!(rows[0].fence > last, "{} after {last}", rows[0].fence);
            last = rows[0].fence;
        }
        let Row { key, incarnation, version, .. } = processes[0].get(key.clone()).await.unwrap().unwrap();
        let purge = Purge { key, incarnation, version, origin: Origin::default(), why: None };
        assert!(matches!(commit(&processes[1], Change::Purge(purge)).await.unwrap(), Verdict::Committed { .. }));
    }
}

#[tokio::test]
async fn x5_a_file_of_another_kind_is_refused_and_unchanged() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notes.txt");
    let text = "Dear diary, ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = Sqlite::open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "{} is not an SQLite database; give the path of a new file, or of one that this library made",
            path.display()
        )
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn special_file_names_of_sqlite_are_refused() {
    for name in [":memory:", ""] {
        let error = Sqlite::open(name).await.unwrap_err().to_string();
        assert!(error.contains("a store in memory is `Sqlite::in_memory()`"), "{error}");
    }
}

#[tokio::test]
async fn x5_a_missing_folder_is_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("no/such/folder/doors.db");
    let error = Sqlite::open(&path).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("{} cannot be opened: ", path.display())), "{error}");
}

#[tokio::test]
async fn x5_tables_of_a_newer_release_are_refused_and_unchanged() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    drop(Sqlite::open(&path).await.unwrap());
    sql(&path, "UPDATE fsm_meta SET value = 99 WHERE name = 'layout'");
    let error = Sqlite::open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, known: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn tables_of_the_application_share_the_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    sql(&path, "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('ada'); PRAGMA user_version = 42");
    let store = Sqlite::open(&path).await.unwrap();
    commit(&store, create("a")).await.unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let name: String = connection.query_row("SELECT name FROM users", [], |row| row.get(0)).unwrap();
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!((name.as_str(), version), ("ada", 42));
}

async fn take_lease(store: &Sqlite, owner: &str, now: SystemTime) -> Result<Renewed, StoreError> {
    store.take_lease(Process::new(owner, "a test"), Duration::from_hours(1), now).await
}

#[tokio::test]
async fn a_process_is_gone_when_its_presence_file_is_unlocked() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let store = Sqlite::open(&path).await.unwrap();
    let presence = store.presence().unwrap().announce("7-first").unwrap();
    // The same file under another name.
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let other = Sqlite::open(&link).await.unwrap();
    assert!(!other.presence().unwrap().is_gone("../doors.db"), "an id that leads out of the folder proves nothing");
    assert!(!other.presence().unwrap().is_gone("7-first"));
    assert!(!other.presence().unwrap().is_gone("8-never-seen"), "a missing file proves nothing");
    drop(presence);
    assert!(other.presence().unwrap().is_gone("7-first"));
    assert!(other.presence().unwrap().is_gone("7-first"), "the proof can be read again");
    let files = || std::fs::read_dir(dir.path().join("doors.db.processes")).unwrap().count();
    let now = SystemTime::now();
    for owner in ["7-first", "9-second"] {
        take_lease(&store, owner, now).await.unwrap();
    }
    let second = store.presence().unwrap().announce("9-second").unwrap();
    drop(store.presence().unwrap().announce("5-of-a-lapsed-lease").unwrap());
    std::fs::write(dir.path().join("doors.db.processes/not.ours"), "").unwrap();
    assert_eq!(files(), 4);
    other.end_leases(vec!["7-first".into()], now).await.unwrap();
    assert_eq!(files(), 2, "the file is removed with its lease, as are unlocked files without a live lease");
    assert!(!other.presence().unwrap().is_gone("9-second"));
    drop(second);
    assert!(other.presence().unwrap().is_gone("9-second"));
    let error = store.presence().unwrap().announce("../7").map(drop).unwrap_err();
    assert!(error.to_string().contains("doors.db.processes"), "{error}");
}

/// SQLite keeps writing to a file without a name, and those writes are lost with the process.
#[tokio::test]
async fn x5_a_moved_file_is_written_again_when_it_is_back() {
    let dir = TempDir::new().unwrap();
    let (path, away) = (dir.path().join("doors.db"), dir.path().join("away.db"));
    let store = Sqlite::open(&path).await.unwrap();
    commit(&store, create("a")).await.unwrap();
    std::fs::rename(&path, &away).unwrap();
    let now = SystemTime::now();
    let refused = |error: StoreError| {
        let text = error.to_string();
        assert!(
            matches!(error, StoreError::Moved { .. }) && text.contains("doors.db was deleted, moved or replaced"),
            "{text}"
        );
    };
    refused(store.commit(vec![create("b").into()], now).await.unwrap_err());
    refused(take_lease(&store, "7-first", now).await.unwrap_err());
    refused(store.backup(dir.path().join("copy.db")).await.unwrap_err());
    assert!(!path.exists(), "and no new file is created");
    // Another file in its place is refused too.
    std::fs::copy(&away, &path).unwrap();
    refused(store.commit(vec![create("b").into()], now).await.unwrap_err());
    std::fs::rename(&away, &path).unwrap();
    commit(&store, create("b")).await.unwrap();
    drop(store);
    let store = Sqlite::open(&path).await.unwrap();
    let there = async |id| store.get(Key::new("Door", id)).await.unwrap().is_some();
    assert!(there("a").await && there("b").await);
}

#[tokio::test]
async fn x6_changes_by_another_handle_are_announced() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let (mine, other) = (Sqlite::open(&path).await.unwrap(), Sqlite::open(&path).await.unwrap());
    let mut announced = mine.notices();
    commit(&other, create("a")).await.unwrap();
    assert_eq!(announced.recv().await.unwrap(), Notice::new(Buckets::ALL, 0));
    let all = mine
        .history(HistoryQuery { key: None, by_operators: false, after: 0, newest_first: false, limit: 10 })
        .await
        .unwrap();
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn announcements_skip_own_changes() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    // Opening writes to the file: `mine` is opened second, so that it sees changes only.
    let (other, mine) = (Sqlite::open(&path).await.unwrap(), Sqlite::open(&path).await.unwrap());
    let mut announced = mine.notices();
    let mut expected = 0;
    for round in 0..3 {
        // One batch each.
        for n in 0..200 {
            commit(&mine, create(&format!("{round}-{n}"))).await.unwrap();
        }
        commit(&other, create(&format!("{round}-other"))).await.unwrap();
        expected += 201;
        let mut own = announced.recv().await.unwrap().known_through;
        while let Ok(later) = announced.try_recv() {
            own = own.min(later.known_through);
        }
        assert!((expected - 201 + 100..expected).contains(&own), "{own} of {expected}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x5_a_lock_held_past_the_timeout_is_a_busy_error() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let store = Sqlite::open(&path).await.unwrap();
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = commit(&store, create("a")).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    if cfg!(target_os = "linux") {
        let text = error.to_string();
        assert!(
            text.ends_with("was locked for 2s by another connection of this process; its transaction has to end"),
            "{text}"
        );
    }
    blocker.execute_batch("ROLLBACK").unwrap();
    assert!(matches!(commit(&store, create("a")).await.unwrap(), Verdict::Committed { .. }));
}

/// Somebody may be stopped in the midst of a transaction, for as long as it likes.
#[tokio::test]
async fn a_store_opens_while_another_holds_the_write_lock() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    commit(&Sqlite::open(&path).await.unwrap(), create("a")).await.unwrap();
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let patience = Duration::from_millis(20);
    let options = || Sqlite::options().busy_timeout(patience);
    for options in [options(), options().state_index(true), options().read_only(true)] {
        let store = options.open(&path).await.unwrap();
        assert!(store.get(Key::new("Door", "a")).await.unwrap().is_some());
    }
    // What has to change the file has to wait, as long as it is told to.
    let error = options().state_index(false).open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Busy { waited, .. } if waited == patience), "{error}");
    let error = commit(&options().open(&path).await.unwrap(), create("b")).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { waited, .. } if waited == patience), "{error}");
    blocker.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test]
async fn a_store_opened_for_reading_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let read_only = || Sqlite::options().read_only(true).open(&path);
    let error = read_only().await.unwrap_err().to_string();
    assert!(error.contains("No such file or directory"), "{error}");
    let other = dir.path().join("other.db");
    sql(&other, "CREATE TABLE t (a)");
    let error = Sqlite::options().read_only(true).open(&other).await.unwrap_err();
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
    commit(&Sqlite::open(&path).await.unwrap(), create("a")).await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let store = read_only().await.unwrap();
    assert!(store.get(Key::new("Door", "a")).await.unwrap().is_some());
    assert_eq!(store.integrity_check().await.unwrap(), Vec::<String>::new());
    store.backup(dir.path().join("copy.db")).await.unwrap();
    for refused in [
        commit(&store, create("b")).await.map(drop),
        take_lease(&store, "7-a", SystemTime::now()).await.map(drop),
        store.save_position("mails".into(), 1).await,
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
        assert!(error.to_string().ends_with("cannot be written: it was opened with `read_only(true)`"), "{error}");
    }
    let runtime = fsm_runtime::Runtime::builder(store.clone()).start().await.unwrap();
    runtime.shutdown(Duration::from_secs(1)).await;
    drop(store);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_reader_sees_what_others_write() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let writer = Sqlite::open(&path).await.unwrap();
    let reader = Sqlite::options().read_only(true).open(&path).await.unwrap();
    let mut changes = reader.notices();
    commit(&writer, create("a")).await.unwrap();
    changes.recv().await.unwrap();
    assert!(reader.get(Key::new("Door", "a")).await.unwrap().is_some());
}

#[tokio::test]
async fn x4_a_damaged_row_leaves_other_rows_readable() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let store = Sqlite::open(&path).await.unwrap();
    commit(&store, create("a")).await.unwrap();
    commit(&store, create("b")).await.unwrap();
    sql(&path, "UPDATE fsm_instances SET incarnation = x'00' WHERE id = 'a'");
    let error = store.get(Key::new("Door", "a")).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(store.get(Key::new("Door", "b")).await.unwrap().is_some());
}

fn sql(path: &Path, text: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(text).unwrap();
}

#[tokio::test]
async fn a_backup_under_load_is_a_complete_store() {
    let dir = TempDir::new().unwrap();
    let store = Sqlite::open(dir.path().join("doors.db")).await.unwrap();
    commit(&store, create("a")).await.unwrap();
    let copy = dir.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    commit(&store, create("b")).await.unwrap();
    let refusal = async |to: &Path| store.backup(to).await.unwrap_err().to_string();
    assert_eq!(
        refusal(&copy).await,
        format!(
            "{}: no copy was made in {} (the file exists); give the path of a new file, in a folder with room \
             that this user can write",
            dir.path().join("doors.db").canonicalize().unwrap().display(),
            copy.display()
        ),
        "nothing is overwritten"
    );
    let nowhere = dir.path().join("none/copy.db");
    assert!(refusal(&nowhere).await.contains(&format!("no copy was made in {} (", nowhere.display())));
    let copy = Sqlite::open(&copy).await.unwrap();
    assert!(copy.get(Key::new("Door", "a")).await.unwrap().is_some());
    assert!(copy.get(Key::new("Door", "b")).await.unwrap().is_none());
    assert_eq!(copy.integrity_check().await.unwrap(), Vec::<String>::new());
    let size = store.size().await.unwrap();
    assert!(size.bytes > 0 && size.log_bytes > 0, "{size:?}");
}

#[tokio::test]
async fn a_backup_removes_what_a_killed_one_left() {
    let dir = TempDir::new().unwrap();
    let store = Sqlite::open(dir.path().join("doors.db")).await.unwrap();
    let copies = TempDir::new().unwrap();
    std::fs::write(copies.path().join("yesterday.db.0.fsm-partial"), "half a copy").unwrap();
    store.backup(copies.path().join("today.db")).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(copies.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["today.db"]);
}

#[tokio::test]
async fn a_restored_store_counts_on_beyond_the_lost_one() {
    const RAISE: u64 = 1_000_000_000_000;
    let dir = TempDir::new().unwrap();
    let (path, copy, restored) = (dir.path().join("doors.db"), dir.path().join("copy.db"), dir.path().join("new.db"));
    let store = Sqlite::open(&path).await.unwrap();
    take_lease(&store, "7-lost", SystemTime::now()).await.unwrap();
    commit(&store, create("a")).await.unwrap();
    store.backup(&copy).await.unwrap();
    drop(store);
    Sqlite::restore(&copy, &restored).await.unwrap();
    let store = Sqlite::open(&restored).await.unwrap();
    assert!(store.get(Key::new("Door", "a")).await.unwrap().is_some());
    assert_eq!(store.integrity_check().await.unwrap(), Vec::<String>::new());
    assert!(store.leases(SystemTime::now()).await.unwrap().iter().all(|lease| !lease.live));
    assert_eq!(store.last_sequence().await.unwrap(), RAISE + 1);
    commit(&store, create("b")).await.unwrap();
    assert_eq!(store.last_sequence().await.unwrap(), RAISE + 2);
    let row = store.get(Key::new("Door", "b")).await.unwrap().unwrap();
    let Row { key, incarnation, version, fence, .. } = row;
    let claim = Change::Claim(Claim { key, incarnation, version, fence, owner: "me".into() });
    let Verdict::Committed { rows } = commit(&store, claim).await.unwrap() else { panic!() };
    assert_eq!(rows[0].fence, RAISE + 1);
    // An empty store, too.
    let empty = dir.path().join("empty.db");
    Sqlite::open(dir.path().join("none.db")).await.unwrap().backup(&empty).await.unwrap();
    Sqlite::restore(&empty, dir.path().join("new2.db")).await.unwrap();
    assert_eq!(Sqlite::open(dir.path().join("new2.db")).await.unwrap().last_sequence().await.unwrap(), RAISE);
}

#[tokio::test]
async fn a_restore_overwrites_nothing_and_takes_stores_only() {
    let dir = TempDir::new().unwrap();
    let (path, copy) = (dir.path().join("doors.db"), dir.path().join("copy.db"));
    let store = Sqlite::open(&path).await.unwrap();
    commit(&store, create("a")).await.unwrap();
    store.backup(&copy).await.unwrap();
    let error = Sqlite::restore(&copy, &path).await.unwrap_err();
    assert!(matches!(error, RestoreError::Exists { .. }), "{error}");
    // A log alone would be applied to whatever file is beside it.
    let log = dir.path().join("new.db-wal");
    std::fs::write(&log, "").unwrap();
    let error = Sqlite::restore(&copy, dir.path().join("new.db")).await.unwrap_err();
    assert!(matches!(&error, RestoreError::Exists { file } if *file == log), "{error}");
    let other = dir.path().join("other.db");
    sql(&other, "CREATE TABLE t (a)");
    let to = dir.path().join("to.db");
    let error = Sqlite::restore(&other, &to).await.unwrap_err();
    assert!(matches!(error, RestoreError::Backup(OpenError::NotAStore { .. })), "{error}");
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0xAB);
    std::fs::write(&other, bytes).unwrap();
    let error = Sqlite::restore(&other, &to).await.unwrap_err();
    assert!(matches!(error, RestoreError::Backup(OpenError::Damaged { .. })), "{error}");
    let error = Sqlite::restore(&copy, dir.path().join("none/to.db")).await.unwrap_err();
    assert!(matches!(error, RestoreError::Failed { .. }), "{error}");
    assert!(!to.exists());
}

fn with_data(id: &str, bytes: usize) -> Change {
    let Change::Create(mut create) = create(id) else { unreachable!() };
    create.into.data = format!("{:?}", "x".repeat(bytes - 2));
    Change::Create(create)
}

#[tokio::test]
async fn a_value_past_the_limit_fails_its_own_group_only() {
    let dir = TempDir::new().unwrap();
    let store = Sqlite::open(dir.path().join("doors.db")).await.unwrap();
    let limit = 1 << 20;
    let groups = vec![with_data("a", limit + 1).into(), with_data("b", limit).into()];
    let verdicts = store.commit(groups, SystemTime::now()).await.unwrap();
    assert_eq!(verdicts[0], Verdict::TooLarge { change: 0, what: "data", size: limit + 1, limit });
    assert!(matches!(verdicts[1], Verdict::Committed { .. }));
    assert!(store.get(Key::new("Door", "a")).await.unwrap().is_none());
    drop(store);
    let store = Sqlite::options().max_value_bytes(100).open(dir.path().join("doors.db")).await.unwrap();
    assert!(store.get(Key::new("Door", "b")).await.unwrap().is_some(), "what is stored can be read");
    let verdict = commit(&store, with_data("c", 101)).await.unwrap();
    assert_eq!(verdict, Verdict::TooLarge { change: 0, what: "data", size: 101, limit: 100 });
    let Change::Create(mut long) = create("d") else { unreachable!() };
    long.idempotency_key = Some("k".repeat((64 << 10) + 1));
    let verdict = commit(&store, Change::Create(long)).await.unwrap();
    assert!(matches!(verdict, Verdict::TooLarge { what: "idempotency key", .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_main_that_returns_the_error_prints_its_text() {
    let dir = TempDir::new().unwrap();
    let error = Sqlite::open(dir.path().join("none/doors.db")).await.unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let error = Sqlite::restore(dir.path(), dir.path().join("to.db")).await.unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let start = fsm_runtime::StartError::MachineTwice { machine: "Job" };
    assert_eq!(format!("{start:?}"), start.to_string());
}

#[tokio::test]
async fn x5_the_integrity_check_finds_damage() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let store = Sqlite::open(&path).await.unwrap();
    for n in 0..500 {
        commit(&store, create(&n.to_string())).await.unwrap();
    }
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0xAB);
    std::fs::write(&path, bytes).unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    match store.integrity_check().await {
        Ok(found) => assert!(!found.is_empty()),
        Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}"),
    }
}

#[tokio::test]
async fn x5_a_file_with_a_damaged_header_is_refused_with_a_remedy() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    drop(Sqlite::open(&path).await.unwrap());
    let whole = std::fs::read(&path).unwrap();
    let header = 100;
    let mut filled = whole.clone();
    filled[header..4_096].fill(0xAB);
    for damaged in [&whole[..4_096], &filled] {
        std::fs::write(&path, damaged).unwrap();
        let error = Sqlite::open(&path).await.unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("{} is damaged (database disk image is malformed); restore it from a backup", path.display())
        );
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "the file is unchanged");
    }
}

/// Rows of the page fail with file and cause; other rows still work.
#[tokio::test]
async fn x5_a_damaged_page_affects_its_own_rows_only() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let store = Sqlite::open(&path).await.unwrap();
    let ids: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let mut rows = Vec::new();
    for id in &ids {
        let Verdict::Committed { rows: created } = commit(&store, create(id)).await.unwrap() else { panic!() };
        rows.extend(created);
    }
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let page: usize = connection
        .query_row("SELECT max(pageno) FROM dbstat WHERE name = 'fsm_instances' AND pagetype = 'leaf'", [], |row| {
            row.get(0)
        })
        .unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[(page - 1) * 4_096..page * 4_096].fill(0xAB);
    std::fs::write(&path, bytes).unwrap();

    let store = Sqlite::open(&path).await.unwrap();
    let named = |error: &StoreError| matches!(error, StoreError::Damaged { store, .. } if store.ends_with("doors.db"));
    let (mut well, mut lost) = (0, 0);
    for row in &rows {
        match store.get(row.key.clone()).await {
            Ok(found) => assert_eq!(found.as_ref(), Some(row)),
            Err(error) => {
                assert!(named(&error), "{error}");
                lost += 1;
            }
        }
        let (Key { id, .. }, version) = (&row.key, row.version);
        let arm = fsm_runtime::store::Arm {
            key: row.key.clone(),
            incarnation: row.incarnation,
            version,
            work: true,
            timer: None,
            reason: "so".into(),
        };
        match commit(&store, Change::Arm(arm)).await {
            Ok(verdict) => {
                assert!(matches!(verdict, Verdict::Committed { .. }), "{id}: {verdict:?}");
                well += 1;
            }
            Err(error) => assert!(named(&error), "{error}"),
        }
    }
    // A growing row may need space on another page.
    assert!(lost > 0 && well > rows.len() / 2, "{well} rows work, {lost} are lost");
}

#[tokio::test]
async fn x6_the_log_shrinks_after_a_long_read() {
    const LIMIT: u64 = 128 << 20;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let store = Sqlite::options().synchronous(Synchronous::Normal).open(&path).await.unwrap();
    commit(&store, create("first")).await.unwrap();
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM fsm_instances").unwrap();
    let big = |n: u32| match create(&n.to_string()) {
        Change::Create(create) => {
            let data = format!("\"{}\"", "x".repeat((1 << 20) - 2));
            Change::Create(Create { into: Entering { data, ..create.into }, ..create })
        }
        other => other,
    };
    let mut n = 0;
    while store.size().await.unwrap().log_bytes <= LIMIT {
        commit(&store, big(n)).await.unwrap();
        n += 1;
        assert!(n < 500);
    }
    reader.execute_batch("ROLLBACK").unwrap();
    for extra in 0..200 {
        commit(&store, create(&format!("after-{extra}"))).await.unwrap();
    }
    assert!(store.size().await.unwrap().log_bytes < LIMIT / 2);
}

#[tokio::test]
async fn the_state_index_can_be_switched_for_all_processes() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let open = async |on: bool| Sqlite::options().state_index(on).open(&path).await.unwrap();
    let filter = Filter {
        machine: "Door".into(),
        id_prefix: None,
        states: None,
        entered_before: None,
        only: None,
        newest_first: false,
        after: None,
        limit: 9,
    };
    let in_state = Filter { states: Some(vec!["Open".into()]), ..filter.clone() };
    let on = Sqlite::open(&path).await.unwrap();
    commit(&on, create("a")).await.unwrap();
    assert!(on.lists_by_state().await.unwrap(), "a new file has the index");
    assert_eq!(on.list(in_state.clone()).await.unwrap().items.len(), 1);

    let off = open(false).await;
    for store in [&on, &off, &Sqlite::open(&path).await.unwrap()] {
        assert!(!store.lists_by_state().await.unwrap(), "it is a property of the file, kept by default");
        let error = store.list(in_state.clone()).await.unwrap_err();
        assert!(matches!(error, StoreError::NoStateIndex { .. }), "{error:?}");
        assert!(error.to_string().ends_with(
            "doors.db has no index of states, which listing and counting by state need; open it once with \
             `Sqlite::options().state_index(true)`, which builds it"
        ));
        let of_an_age = Filter { entered_before: Some(SystemTime::now()), ..filter.clone() };
        assert!(matches!(store.list(of_an_age).await, Err(StoreError::NoStateIndex { .. })));
        assert!(matches!(store.count("Door".into()).await, Err(StoreError::NoStateIndex { .. })));
        let ended = Prune {
            ended: vec![("Door".into(), "Open".into())],
            ended_before: Some(SystemTime::now()),
            limit: 9,
            ..Prune::default()
        };
        assert!(matches!(store.prune(ended).await, Err(StoreError::NoStateIndex { .. })));
        assert_eq!(store.list(filter.clone()).await.unwrap().items.len(), 1);
        assert_eq!(store.list(Filter { only: Some(Only::Parked), ..in_state.clone() }).await.unwrap().items.len(), 0);
        let in_use = store.states_in_use("Door".into()).await.unwrap();
        assert_eq!(in_use, [InUse::new("Open".into(), 1, Key::new("Door", "a"))]);
    }
    commit(&off, create("b")).await.unwrap();
    let refused = fsm_runtime::Runtime::builder(off.clone())
        .retention(fsm_runtime::Retention::default().ended(std::time::Duration::ZERO))
        .start()
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("state_index(true)"), "{refused}");

    drop(open(true).await);
    for store in [&on, &off] {
        let page = store.list(in_state.clone()).await.unwrap();
        assert_eq!(page.items.iter().map(|row| &*row.key.id).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(store.count("Door".into()).await.unwrap()[0].rows, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x6_two_writers_share_a_file_without_busy_errors() {
    const CHANGES: usize = 400;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let mut handles = Vec::new();
    for _ in 0..2 {
        handles.push(Sqlite::open(&path).await.unwrap());
    }
    let made: std::sync::Arc<[AtomicUsize; 2]> = std::sync::Arc::default();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let (store, made, mine) = (handles[caller % 2].clone(), made.clone(), caller % 2);
        callers.spawn(async move {
            // Both write until one has made all its changes.
            for n in 0.. {
                if made.iter().any(|made| made.load(Ordering::Relaxed) >= CHANGES) {
                    break;
                }
                commit(&store, create(&format!("{caller}-{n}"))).await.unwrap();
                made[mine].fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    callers.join_all().await;
    let made = [&made[0], &made[1]].map(|made| made.load(Ordering::Relaxed));
    assert!(made.iter().all(|made| *made > CHANGES / 8), "one writer got too few turns: {made:?}");
    for store in handles {
        assert_eq!(store.last_sequence().await.unwrap(), (made[0] + made[1]) as u64, "each sees what both have made");
    }
}

#[tokio::test]
async fn x4_a_change_refused_half_way_leaves_no_trace() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let store = Sqlite::open(&path).await.unwrap();
    // The history entry is refused after the row was written.
    sql(
        &path,
        "CREATE TRIGGER refusal BEFORE INSERT ON fsm_history WHEN new.id = 'bad'
         BEGIN SELECT raise(ABORT, 'not this one'); END",
    );
    let batch = ["a", "bad", "b"].map(|id| create(id).into()).to_vec();
    let verdicts = store.commit(batch, SystemTime::now()).await.unwrap();
    assert!(matches!(&verdicts[1], Verdict::Refused { reason, .. } if reason.contains("not this one")), "{verdicts:?}");
    for (place, id) in [(0, "a"), (2, "b")] {
        let Verdict::Committed { rows } = &verdicts[place] else { panic!("{verdicts:?}") };
        assert_eq!(store.get(Key::new("Door", id)).await.unwrap().as_ref(), Some(&rows[0]));
    }
    assert_eq!(store.get(Key::new("Door", "bad")).await.unwrap(), None);
    let all = store
        .history(HistoryQuery { key: None, by_operators: false, after: 0, newest_first: false, limit: 10 })
        .await
        .unwrap();
    assert_eq!(all.iter().map(|entry| (entry.sequence, &*entry.key.id)).collect::<Vec<_>>(), [(1, "a"), (2, "b")]);
}
