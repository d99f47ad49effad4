//! The stored format: a file of layout 1 is read by every release, and a new file has the same tables.

use fsm_runtime::store::{
    Attempts, Cause, Change, Checkpoint, Claim, Create, Definition, Entering, Filter, Group, HistoryQuery, Hold, Key,
    MachineVersion, Note, Operation, Origin, Override, Process, Purge, Release, Renewal, Row, SetDesiredState, Store,
    Transition, Verdict, sqlite::Sqlite,
};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/layout_1.db");
const MACHINE: &str = "Door";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn ada() -> Origin {
    Origin { actor: Some("ada".into()), trace: Some("4bf92f35".into()) }
}

fn entering(state: &str, n: u32) -> Entering {
    Entering {
        state: state.into(),
        data: format!("{{\"n\":{n}}}"),
        context: Some("{\"shared\":\"ä\"}".into()),
        schema: 2,
        timer: None,
        work: false,
        remove: false,
    }
}

/// A store that is filled from left to right, a second for each commit.
struct Filling<'a> {
    store: &'a dyn Store,
    second: u64,
}

impl Filling<'_> {
    async fn commit(&mut self, change: Change) -> Row {
        self.second += 1;
        match self.store.commit(vec![Group::from(change)], at(self.second)).await.unwrap().remove(0) {
            Verdict::Committed { mut rows } => rows.remove(0),
            verdict => panic!("{verdict:?}"),
        }
    }

    async fn create(&mut self, id: &str, into: Entering) -> Row {
        let incarnation = Uuid::from_u128(u128::from(self.second) + 1);
        let create = Create {
            key: Key::new(MACHINE, id),
            incarnation,
            into,
            cause: Cause::Caller,
            idempotency_key: Some(format!("create-{id}")),
            origin: ada(),
        };
        self.commit(Change::Create(create)).await
    }

    async fn claim(&mut self, row: &Row) -> Row {
        let Row { key, incarnation, version, fence, .. } = row.clone();
        self.commit(Change::Claim(Claim { key, incarnation, version, fence, owner: "7-a".into() })).await
    }

    async fn release(&mut self, row: &Row, error: &str, parked: Option<&str>) -> Row {
        let Row { key, incarnation, version, fence, owner, .. } = row.clone();
        let note = Note { about: "parked", text: error.into(), cause: Cause::Worker, origin: Origin::default() };
        let release = Release {
            key,
            incarnation,
            version,
            fence,
            owner,
            retry: parked.is_none().then_some(Duration::from_mins(1)),
            attempts: Attempts::Keep,
            error: Some(error.into()),
            parked: parked.map(str::to_owned),
            note: parked.map(|_| note),
        };
        self.commit(Change::Release(release)).await
    }

    async fn fire(&mut self, row: &Row, event: &str, into: Entering) -> Row {
        let Row { key, incarnation, version, state: from, .. } = row.clone();
        let transition = Transition {
            key,
            incarnation,
            version,
            fence: None,
            from,
            event: event.into(),
            payload: "{\"by\":\"ada\"}".into(),
            into,
            cause: Cause::Caller,
            not_before: None,
            idempotency_key: Some(format!("{event}-{version}")),
            origin: ada(),
        };
        self.commit(Change::Transition(transition)).await
    }
}

/// Everything that a file of layout 1 can hold.
async fn fill(store: &dyn Store) {
    let definition = Definition {
        machine: MACHINE.into(),
        version: 2,
        fingerprint: u64::MAX - 1,
        graph: "{\"format\":1,\"machine\":\"Door\"}".into(),
        controller: true,
    };
    store.define(vec![definition], at(0)).await.unwrap();
    let process = Process {
        owner: "7-a".into(),
        holder: "process 7 (doors)".into(),
        node: "node-1".into(),
        pid: 7,
        machines: vec![MachineVersion::new(MACHINE, 2)],
        build: Some("1.2.3".into()),
        slots: 256,
    };
    let ttl = Duration::from_secs(15);
    store.take_lease(process, ttl, at(0)).await.unwrap();
    store.renew_lease(Renewal { owner: "7-a".into(), ttl, leaving: true }, at(5)).await.unwrap().unwrap();

    let mut filling = Filling { store, second: 0 };
    let moved = filling.create("moved", entering("Closed", 1)).await;
    let moved = filling.fire(&moved, "open", entering("Open", 2)).await;
    let Row { key, incarnation, version, .. } = moved;
    let into = entering("Closed", 3);
    let why = "it was stuck".to_owned();
    filling
        .commit(Change::Override(Override { key, incarnation, version, from: "Open".into(), into, why, origin: ada() }))
        .await;
    filling.create("timed", Entering { timer: Some(Duration::from_hours(1)), ..entering("Open", 1) }).await;
    let work = Entering { work: true, ..entering("Opening", 1) };
    filling.create("due", work.clone()).await;
    let claimed = filling.create("claimed", work.clone()).await;
    let claimed = filling.claim(&claimed).await;
    let Row { key, incarnation, version, fence, .. } = claimed;
    let checkpoint = "{\"step\":2}".to_owned();
    filling.commit(Change::Checkpoint(Checkpoint { key, incarnation, version, fence, checkpoint })).await;
    let mut failing = filling.create("failing", work.clone()).await;
    for error in ["jammed", "rusty"] {
        failing = filling.claim(&failing).await;
        failing = filling.release(&failing, error, None).await;
    }
    let parked = filling.create("parked", work.clone()).await;
    let parked = filling.claim(&parked).await;
    filling.release(&parked, "permanent", Some("permanent error: permanent")).await;
    let Row { key, incarnation, version, .. } = filling.create("held", work).await;
    let note = Note { about: "held", text: "ticket 4711".into(), cause: Cause::Operator, origin: ada() };
    let hold = Hold { key, incarnation, version, seen: None, hold: Some("ticket 4711".into()), note: Some(note) };
    filling.commit(Change::Hold(hold)).await;
    let desired = filling.create("desired", entering("Closed", 1)).await;
    let Row { key, incarnation, version, .. } = desired;
    let set = SetDesiredState {
        key,
        incarnation,
        version,
        seen: None,
        desired: Some("{\"target\":\"Open\"}".into()),
        desired_by: Some("ada".into()),
        due: Some(Duration::from_secs(9)),
        note: None,
    };
    filling.commit(Change::SetDesiredState(set)).await;
    let removed = filling.create("removed", entering("Closed", 1)).await;
    filling.fire(&removed, "remove", Entering { remove: true, ..entering("Removed", 2) }).await;
    let purged = filling.create("purged", entering("Closed", 1)).await;
    let Row { key, incarnation, version, .. } = purged;
    filling.commit(Change::Purge(Purge { key, incarnation, version, origin: ada(), why: Some("asked".into()) })).await;
    store.log_operation(Operation::new("release", ada()), at(99)).await.unwrap();
    store.save_position("mails".into(), 7).await.unwrap();
}

/// Everything in a store, as text that shows what differs.
async fn content(store: &dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    let all = Filter {
        machine: MACHINE.into(),
        id_prefix: None,
        states: None,
        entered_before: None,
        only: None,
        newest_first: false,
        after: None,
        limit: 100,
    };
    for row in store.list(all).await.unwrap().items {
        let Row { data, context, checkpoint, incarnation, created, updated, attempt, version, entered, .. } = &row;
        lines.push(format!(
            "{row:?} {incarnation} {version} {entered} {attempt} {data} {context:?} {checkpoint:?} {created:?} {updated:?} \
             {:?} {:?} {:?} {:?} {:?} {:?} {}",
            row.error_at, row.first_error, row.first_error_at, row.parked_at, row.desired_at, row.desired_by, row.shard
        ));
    }
    for entry in store.history(HistoryQuery::new()).await.unwrap() {
        lines.push(format!(
            "{entry:?} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            entry.incarnation,
            entry.payload,
            entry.data,
            entry.context,
            entry.idempotency_key,
            entry.actor,
            entry.trace,
            entry.at
        ));
    }
    for id in ["moved", "removed", "purged"] {
        let found = store.find_by_idempotency_key(Key::new(MACHINE, id), format!("create-{id}")).await.unwrap();
        lines.push(format!("{id} was created by {found:?}"));
    }
    lines.push(format!("{:?}", store.leases(at(6)).await.unwrap()));
    lines.push(format!("{:?}", store.definitions().await.unwrap()));
    lines.push(format!("{:?}", store.operations(u64::MAX, 10).await.unwrap()));
    lines.push(format!("{:?}", store.subscriber_position("mails".into()).await.unwrap()));
    lines.push(format!("{:?}", store.held_by("7-a".into(), None, 10).await.unwrap()));
    let due = store.due(vec![MACHINE.to_owned()].into(), at(10_000), None, 100).await.unwrap();
    lines.push(format!("{due:?}"));
    lines
}

fn tables(path: &Path) -> Vec<(String, String)> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection
        .prepare("SELECT name, ifnull(sql, '') FROM sqlite_schema WHERE name LIKE 'fsm%' ORDER BY name")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Makes the file where `FSM_MAKE_LAYOUT` is set. It is made once for each layout.
async fn make_if_asked(file: &Path) {
    if std::env::var_os("FSM_MAKE_LAYOUT").is_none() {
        return;
    }
    assert!(!file.exists(), "{} exists, and is never made again", file.display());
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.db");
    let store = Sqlite::open(&path).await.unwrap();
    fill(&store).await;
    drop(store);
    // Small pages, because most of its tables have one row.
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM; PRAGMA journal_mode = WAL")
        .unwrap();
    drop(connection);
    std::fs::copy(&path, file).unwrap();
}

#[tokio::test]
async fn x15_a_file_of_layout_1_is_read_and_written() {
    make_if_asked(Path::new(FILE)).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doors.db");
    std::fs::copy(FILE, &path).unwrap();
    let expected = Sqlite::in_memory().unwrap();
    fill(&expected).await;
    let store = Sqlite::open(&path).await.unwrap();
    assert_eq!(store.integrity_check().await.unwrap(), Vec::<String>::new());
    assert_eq!(content(&store).await, content(&expected).await);
    // What follows is the same too: fences, sequences, versions.
    for store in [&store, &expected] {
        let mut filling = Filling { store, second: 100 };
        let due = store.get(Key::new(MACHINE, "due")).await.unwrap().unwrap();
        let claimed = filling.claim(&due).await;
        filling.fire(&claimed, "close", entering("Closed", 9)).await;
    }
    assert_eq!(content(&store).await, content(&expected).await);
}

#[tokio::test]
async fn x15_a_new_file_has_the_tables_of_layout_1() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("new.db"), dir.path().join("copy.db"));
    drop(Sqlite::open(&path).await.unwrap());
    std::fs::copy(FILE, &copy).unwrap();
    assert_eq!(tables(&path), tables(&copy), "a change of the tables is a new layout");
}
