//! The SQLite store on a failing disk: full, broken, read-only, after a power cut, at each operation in turn.

use fsm_runtime::store::{
    Attempts, Cause, Change, Claim, Create, Entering, Filter, HistoryQuery, Key, Origin, Process, Release, Row, Store,
    StoreError, Transition, Verdict,
    sqlite::{OpenError, Sqlite, Synchronous},
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tests_disk::{Disk, Fault, Operation, Unsynced};
use tokio::task::JoinSet;
use uuid::Uuid;

fn entering(n: u64) -> Entering {
    Entering {
        state: "Open".into(),
        data: format!("\"{n:0>900}\""),
        context: None,
        schema: 1,
        timer: None,
        work: false,
        remove: false,
    }
}

fn create(id: &str, idempotency_key: Option<&str>) -> Change {
    Change::Create(Create {
        key: Key::new("Door", id),
        incarnation: Uuid::now_v7(),
        into: entering(1),
        cause: Cause::Caller,
        idempotency_key: idempotency_key.map(str::to_owned),
        origin: Origin::default(),
    })
}

fn knock(row: &Row) -> Change {
    Change::Transition(Transition {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: None,
        from: row.state.clone(),
        event: "knock".into(),
        payload: "null".into(),
        into: entering(row.version + 1),
        cause: Cause::Caller,
        not_before: None,
        idempotency_key: None,
        origin: Origin::default(),
    })
}

fn claim(row: &Row) -> Change {
    Change::Claim(Claim {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: row.fence,
        owner: "me".into(),
    })
}

fn release(claimed: &Row, attempts: Attempts) -> Change {
    Change::Release(Release {
        key: claimed.key.clone(),
        incarnation: claimed.incarnation,
        version: claimed.version,
        fence: claimed.fence,
        owner: claimed.owner.clone(),
        retry: None,
        attempts,
        error: None,
        parked: None,
        note: None,
    })
}

async fn commit(store: &Sqlite, change: Change) -> Result<Verdict, StoreError> {
    Ok(store.commit(vec![change.into()], SystemTime::now()).await?.remove(0))
}

fn made(verdict: Verdict) -> Row {
    match verdict {
        Verdict::Committed { mut rows } => rows.remove(0),
        other => panic!("{other:?}"),
    }
}

/// X1 after a power cut, a fault or neither: each acknowledged version is stored, each history is an unbroken chain.
async fn whole(store: &Sqlite, acknowledged: &BTreeMap<String, u64>) -> u64 {
    let mut lost = 0;
    for (id, version) in acknowledged {
        let row = store.get(Key::new("Door", &**id)).await.unwrap();
        let found = row.as_ref().map_or(0, |row| row.version);
        lost += version.saturating_sub(found);
        let query = HistoryQuery {
            key: Some(Key::new("Door", &**id)),
            by_operators: false,
            after: 0,
            newest_first: false,
            limit: usize::MAX,
        };
        let history = store.history(query).await.unwrap();
        let chain: Vec<u64> = history.iter().map(|entry| entry.version).collect();
        assert_eq!(chain, (1..=found).collect::<Vec<_>>(), "{id}");
        let data = history.last().and_then(|entry| entry.data.clone());
        assert_eq!(data, row.map(|row| row.data), "{id}: the row equals the last entry");
    }
    assert_eq!(store.integrity_check().await.unwrap(), Vec::<String>::new());
    lost
}

/// Moves one instance until an error, and returns the last acknowledged version and the error.
async fn move_until_refused(store: &Sqlite, acknowledged: &mut BTreeMap<String, u64>) -> StoreError {
    for n in 0.. {
        let id = n.to_string();
        let mut row = match commit(store, create(&id, None)).await {
            Ok(verdict) => made(verdict),
            Err(error) => return error,
        };
        acknowledged.insert(id.clone(), 1);
        for _ in 0..3 {
            row = match commit(store, knock(&row)).await {
                Ok(verdict) => made(verdict),
                Err(error) => return error,
            };
            acknowledged.insert(id.clone(), row.version);
        }
    }
    unreachable!("it is refused at some time")
}

/// A fault at the `well`-th operation from now: the error names the file, no acknowledged change is lost, and the store works
/// again after the fault.
async fn survives(operation: Operation, well: u32, fault: Fault, expected: impl Fn(&StoreError) -> bool) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().canonicalize().unwrap().join("doors.db");
    let disk = Disk::under(dir.path());
    let store = Sqlite::open(&path).await.unwrap();
    let mut acknowledged = BTreeMap::new();
    disk.fail(operation, well, fault);
    let error = move_until_refused(&store, &mut acknowledged).await;
    assert!(expected(&error), "{operation:?} {well} {fault:?}: {error:?}");
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    // Stored rows can be read, and nothing is written.
    assert!(commit(&store, create("meanwhile", None)).await.is_err());
    disk.heal();
    assert_eq!(whole(&store, &acknowledged).await, 0, "{operation:?} {well} {fault:?}");
    assert!(store.get(Key::new("Door", "meanwhile")).await.unwrap().is_none());
    made(commit(&store, create("after", None)).await.unwrap());
    drop(store);
    let store = Sqlite::open(&path).await.unwrap();
    assert_eq!(whole(&store, &acknowledged).await, 0, "{operation:?} {well} {fault:?}: after it was opened again");
}

#[tokio::test]
async fn x5_a_full_disk_is_a_typed_error_until_space_returns() {
    for well in 0..24 {
        survives(Operation::Write, well, Fault::Full, |error| matches!(error, StoreError::Full { .. })).await;
    }
}

/// Neither the process that was refused finds anything of the change, nor one that opens what is on the disk.
#[tokio::test]
async fn x5_a_change_refused_by_a_full_disk_is_not_there() {
    for well in 0..24 {
        let dir = TempDir::new().unwrap();
        let disk = Disk::under(dir.path());
        let store = Sqlite::open(dir.path().join("doors.db")).await.unwrap();
        let mut acknowledged = BTreeMap::new();
        disk.fail(Operation::Write, well, Fault::Full);
        move_until_refused(&store, &mut acknowledged).await;
        disk.heal();
        let left = TempDir::new().unwrap();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() && file.file_name() != "doors.db-shm" {
                std::fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
            }
        }
        let doors = Filter {
            machine: "Door".into(),
            id_prefix: None,
            states: None,
            entered_before: None,
            only: None,
            newest_first: false,
            after: None,
            limit: 100,
        };
        for store in [store, open_copy(left.path()).await] {
            let rows = store.list(doors.clone()).await.unwrap().items;
            let found: BTreeMap<_, _> = rows.into_iter().map(|row| (row.key.id.to_string(), row.version)).collect();
            assert_eq!(found, acknowledged, "{well}");
        }
    }
}

/// Leases and positions too, which are not changes of instances.
#[tokio::test]
async fn x5_a_write_whose_sync_fails_is_indeterminate() {
    let dir = TempDir::new().unwrap();
    let disk = Disk::under(dir.path());
    let store = Sqlite::open(dir.path().join("doors.db")).await.unwrap();
    disk.fail(Operation::Sync, 0, Fault::Broken);
    let now = SystemTime::now();
    let lease = store.take_lease(Process::new("7-a", "a test"), Duration::from_secs(9), now);
    for answer in [lease.await.map(drop), store.save_position("mails".into(), 7).await] {
        let error = answer.unwrap_err();
        assert!(matches!(&error, StoreError::Indeterminate { cause, .. } if cause.contains("syncing")), "{error}");
    }
}

#[tokio::test]
async fn x5_a_write_failure_is_an_error_with_its_cause() {
    for well in 0..12 {
        survives(Operation::Write, well, Fault::Broken, |error| error.to_string().contains("writing")).await;
    }
}

#[tokio::test]
async fn x5_a_failed_sync_acknowledges_nothing() {
    for well in 0..12 {
        survives(
            Operation::Sync,
            well,
            Fault::Broken,
            |error| matches!(error, StoreError::Indeterminate { cause, .. } if cause.contains("syncing")),
        )
        .await;
    }
}

#[tokio::test]
async fn x5_a_read_failure_is_an_error_with_its_cause() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let disk = Disk::under(dir.path());
    let store = Sqlite::open(&path).await.unwrap();
    made(commit(&store, create("a", None)).await.unwrap());
    drop(store);
    let store = Sqlite::open(&path).await.unwrap();
    disk.fail(Operation::Read, 0, Fault::Broken);
    let error = store.get(Key::new("Door", "a")).await.unwrap_err().to_string();
    assert!(error.contains("doors.db") && error.contains("reading"), "{error}");
    disk.heal();
    assert!(store.get(Key::new("Door", "a")).await.unwrap().is_some());
}

#[tokio::test]
async fn x5_a_read_only_file_is_refused_with_its_cause() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    drop(Sqlite::open(&path).await.unwrap());
    let disk = Disk::under(dir.path());
    disk.fail(Operation::Open, 0, Fault::ReadOnly);
    let error = Sqlite::open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("doors.db") && text.contains("must be able to write"), "{text}");
    disk.heal();
    made(commit(&Sqlite::open(&path).await.unwrap(), create("a", None)).await.unwrap());
}

#[tokio::test]
async fn x5_tables_are_created_whole_or_not_at_all() {
    for operation in [Operation::Open, Operation::Write, Operation::Sync] {
        let mut well = 0;
        loop {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("doors.db");
            let disk = Disk::under(dir.path());
            disk.fail(operation, well, Fault::Dead);
            let opened = Sqlite::open(&path).await;
            let got_through = opened.is_ok();
            if let Err(error) = opened {
                assert!(error.to_string().contains("doors.db"), "{operation:?} {well}: {error}");
            }
            disk.heal();
            let store = Sqlite::open(&path).await.unwrap_or_else(|error| panic!("{operation:?} {well}: {error}"));
            made(commit(&store, create("a", None)).await.unwrap());
            assert_eq!(whole(&store, &BTreeMap::from([("a".to_owned(), 1)])).await, 0);
            // The same with a power cut.
            let found = TempDir::new().unwrap();
            disk.lose_power(found.path(), Unsynced::Torn).unwrap();
            let store = Sqlite::open(found.path().join("doors.db")).await.unwrap();
            assert_eq!(whole(&store, &BTreeMap::from([("a".to_owned(), 1)])).await, 0);
            if got_through {
                break;
            }
            well += 1;
            assert!(well < 100);
        }
        assert!(well > 0, "{operation:?} took place at all");
    }
}

#[tokio::test]
async fn x9_a_retry_with_its_key_applies_once() {
    for (operation, well) in (0..6).flat_map(|well| [(Operation::Write, well), (Operation::Sync, well)]) {
        let dir = TempDir::new().unwrap();
        let disk = Disk::under(dir.path());
        let store = Sqlite::open(dir.path().join("doors.db")).await.unwrap();
        disk.fail(operation, well, Fault::Broken);
        let mut n = 0;
        let id = loop {
            n += 1;
            let id = n.to_string();
            if commit(&store, create(&id, Some("k"))).await.is_err() {
                break id;
            }
        };
        disk.heal();
        let again = commit(&store, create(&id, Some("k"))).await.unwrap();
        assert!(matches!(again, Verdict::Committed { .. } | Verdict::Duplicate { .. }), "{again:?}");
        assert!(matches!(commit(&store, create(&id, Some("k"))).await.unwrap(), Verdict::Duplicate { .. }));
        assert_eq!(whole(&store, &BTreeMap::from([(id, 1)])).await, 0);
    }
}

/// A claim is released by a commit of unknown outcome; a retry returns the attempt once.
#[tokio::test]
async fn x9_a_retried_release_returns_one_attempt() {
    for fault in [Fault::Broken, Fault::Dead] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("doors.db");
        let disk = Disk::under(dir.path());
        let mut store = Sqlite::open(&path).await.unwrap();
        let mut row = made(commit(&store, create("a", None)).await.unwrap());
        for _ in 0..2 {
            let claimed = made(commit(&store, claim(&row)).await.unwrap());
            row = made(commit(&store, release(&claimed, Attempts::Keep)).await.unwrap());
        }
        let claimed = made(commit(&store, claim(&row)).await.unwrap());
        assert_eq!(claimed.attempt, 3);
        let release = release(&claimed, Attempts::GiveBack);
        disk.fail(Operation::Sync, 0, fault);
        let unknown = commit(&store, release.clone()).await.unwrap_err();
        assert!(matches!(unknown, StoreError::Indeterminate { .. }), "{fault:?}: {unknown:?}");
        if matches!(fault, Fault::Dead) {
            drop(store);
            disk.heal();
            store = Sqlite::open(&path).await.unwrap();
            let found = store.get(claimed.key.clone()).await.unwrap().unwrap();
            assert_eq!((found.owner, found.attempt), (None, 2), "it was in the log");
        }
        disk.heal();
        match (fault, commit(&store, release.clone()).await.unwrap()) {
            (Fault::Dead, Verdict::Fenced { .. }) | (Fault::Broken, Verdict::Committed { .. }) => {}
            (fault, verdict) => panic!("{fault:?}: {verdict:?}"),
        }
        assert!(matches!(commit(&store, release).await.unwrap(), Verdict::Fenced { .. }), "{fault:?}");
        let row = store.get(claimed.key).await.unwrap().unwrap();
        assert_eq!((row.owner, row.attempt, row.version), (None, 2, 1), "{fault:?}");
    }
}

/// A change that was written but not synced when its process was killed is found by the next process.
#[tokio::test]
async fn x3_a_duplicate_found_after_a_kill_survives_a_power_cut() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let disk = Disk::under(dir.path());
    let store = Sqlite::open(&path).await.unwrap();
    disk.fail(Operation::Sync, 0, Fault::Dead);
    let unknown = commit(&store, create("a", Some("k"))).await.unwrap_err();
    assert!(matches!(unknown, StoreError::Indeterminate { .. }), "{unknown:?}");
    drop(store);
    disk.heal();
    let store = Sqlite::open(&path).await.unwrap();
    let again = commit(&store, create("a", Some("k"))).await.unwrap();
    assert!(matches!(again, Verdict::Duplicate { .. }), "it was in the log: {again:?}");
    let found = TempDir::new().unwrap();
    disk.lose_power(found.path(), Unsynced::Lost).unwrap();
    let store = Sqlite::open(found.path().join("doors.db")).await.unwrap();
    assert_eq!(whole(&store, &BTreeMap::from([("a".to_owned(), 1)])).await, 0);
}

/// Counts the acknowledged changes that are lost over many power cuts under load.
async fn lost_without_power(synchronous: Synchronous) -> u64 {
    let dir = TempDir::new().unwrap();
    let disk = Disk::under(dir.path());
    let store = Sqlite::options().synchronous(synchronous).open(dir.path().join("doors.db")).await.unwrap();
    let acknowledged: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for n in 0..8 {
        let (store, acknowledged, stop) = (store.clone(), acknowledged.clone(), stop.clone());
        writers.spawn(async move {
            let id = n.to_string();
            let mut row = made(commit(&store, create(&id, None)).await.unwrap());
            while !stop.load(Ordering::Relaxed) {
                acknowledged.lock().unwrap().insert(id.clone(), row.version);
                row = made(commit(&store, knock(&row)).await.unwrap());
            }
        });
    }
    let mut lost = 0;
    for cut in 0..10 {
        // Every writer makes some changes.
        let from: u64 = acknowledged.lock().unwrap().values().sum();
        while acknowledged.lock().unwrap().values().sum::<u64>() < from + 8 {
            tokio::task::yield_now().await;
        }
        // First read the acknowledged versions, then cut the power.
        let versions = acknowledged.lock().unwrap().clone();
        let found = TempDir::new().unwrap();
        disk.lose_power(found.path(), if cut % 2 == 0 { Unsynced::Lost } else { Unsynced::Torn }).unwrap();
        lost += whole(&open_copy(found.path()).await, &versions).await;
    }
    stop.store(true, Ordering::Relaxed);
    writers.join_all().await;
    lost
}

async fn open_copy(folder: &Path) -> Sqlite {
    Sqlite::open(folder.join("doors.db")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x3_an_acknowledgement_follows_its_sync() {
    assert_eq!(lost_without_power(Synchronous::Full).await, 0);
    // The same cuts lose only the last changes with `Normal`, which shows that they would find a loss with `Full`.
    assert!(lost_without_power(Synchronous::Normal).await > 0);
}

#[tokio::test]
async fn x3_every_answer_follows_the_sync_of_its_batch() {
    for in_place in [false, true] {
        no_answer_leaves(in_place).await;
    }
}

async fn no_answer_leaves(in_place: bool) {
    let dir = TempDir::new().unwrap();
    let disk = Disk::under(dir.path());
    let store = Sqlite::options().commit_in_place(in_place).open(dir.path().join("doors.db")).await.unwrap();
    let mut row = made(commit(&store, create("a", Some("k"))).await.unwrap());
    assert_eq!(disk.unsynced_bytes(), 0);
    for _ in 0..50 {
        row = made(commit(&store, knock(&row)).await.unwrap());
        assert_eq!(disk.unsynced_bytes(), 0);
    }
    let others = [create("a", Some("k")), create("a", None)];
    for other in others {
        assert!(!matches!(commit(&store, other).await.unwrap(), Verdict::Committed { .. }));
        assert_eq!(disk.unsynced_bytes(), 0);
    }
}
