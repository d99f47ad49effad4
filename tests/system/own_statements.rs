//! The caller's statements in a group: which are allowed, what they return, and what they leave behind.

use super::job::{Job, job, queued};
use fsm_runtime::{
    GroupError, Machines, Runtime,
    store::{
        StoreError,
        sqlite::{SqlError, Sqlite},
    },
};
use tempfile::TempDir;
use tests_disk::{Disk, Fault, Operation};

async fn world() -> (Sqlite, Runtime, Machines<Job>) {
    let store = Sqlite::in_memory().unwrap();
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let jobs = runtime.machines();
    (store, runtime, jobs)
}

/// The results of `statements`, which run one after the other in one group.
async fn run(store: &Sqlite, runtime: &Runtime, statements: &[&str]) -> Result<Vec<usize>, GroupError> {
    let statements: Vec<String> = statements.iter().map(|text| (*text).to_owned()).collect();
    let all = move |sql: &fsm_runtime::store::sqlite::Sql<'_>| {
        let mut changed = Vec::new();
        for statement in &statements {
            changed.push(sql.execute(statement, &[])?);
        }
        Ok(changed)
    };
    runtime.group().commit_with(store, all).await.map(|(_, changed)| changed.expect("it is not a repetition"))
}

/// The text of the error with which the last of `statements` is not allowed.
async fn not_allowed(store: &Sqlite, runtime: &Runtime, statements: &[&str]) -> String {
    let error = match run(store, runtime, statements).await {
        Err(GroupError::Statements(error)) => error,
        other => panic!("{statements:?}: {other:?}"),
    };
    match *error.downcast::<SqlError>().unwrap() {
        SqlError::NotAllowed { statement, why } => format!("{statement}: {why}"),
        other => panic!("{statements:?}: {other:?}"),
    }
}

const OWN: [&str; 2] = [
    "CREATE TABLE mails (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT)",
    "CREATE VIEW shown AS SELECT * FROM fsm_history",
];

#[tokio::test]
async fn x10_statements_cannot_change_the_librarys_tables() {
    let (store, runtime, jobs) = world().await;
    jobs.create("a", queued()).await.unwrap();
    run(&store, &runtime, &OWN).await.unwrap();
    for statement in [
        "DELETE FROM fsm_history",
        "UPDATE fsm_instances SET state = 'Done', version = 99",
        "update FSM_INSTANCES set version = 99",
        "UPDATE main.\"fsm_instances\" SET version = 99",
        "INSERT INTO fsm_meta VALUES ('x', 1)",
        "REPLACE INTO fsm_meta VALUES ('fence', 0)",
        "INSERT INTO fsm_meta VALUES ('fence', 0) ON CONFLICT DO UPDATE SET value = 0",
        "WITH a AS (SELECT 1) DELETE FROM fsm_keys",
        "EXPLAIN DELETE FROM fsm_keys",
        "UPDATE sqlite_sequence SET seq = 0",
        "DELETE FROM sqlite_sequence WHERE name = 'fsm_history'",
        "DROP TABLE fsm_subscribers",
        "DROP INDEX fsm_instances_due",
        "ALTER TABLE fsm_instances ADD COLUMN mine TEXT",
        "ALTER TABLE fsm_instances RENAME TO mine",
        "ALTER TABLE fsm_instances RENAME COLUMN data TO mine",
        "ALTER TABLE fsm_instances DROP COLUMN error",
        "ALTER TABLE mails RENAME TO fsm_mails",
        "CREATE TABLE fsm_mine (id TEXT)",
        "CREATE TABLE fsm_mine AS SELECT 1",
        "CREATE VIEW fsm_mine AS SELECT 1",
        "CREATE INDEX mine ON fsm_instances (updated)",
        "CREATE UNIQUE INDEX mine ON fsm_history (machine)",
        "CREATE INDEX fsm_mine ON mails (text)",
        "CREATE TRIGGER mine AFTER INSERT ON fsm_history BEGIN SELECT RAISE(ABORT, 'x'); END",
        "CREATE TRIGGER fsm_mine AFTER INSERT ON mails BEGIN SELECT 1; END",
        "CREATE TABLE mine (machine TEXT, id TEXT, FOREIGN KEY (machine, id) REFERENCES fsm_instances)",
        "ALTER TABLE mails ADD COLUMN of TEXT REFERENCES fsm_leases (owner)",
        "REINDEX fsm_instances",
        "REINDEX",
        "ANALYZE fsm_instances",
        "CREATE TEMP TRIGGER mine AFTER INSERT ON fsm_history BEGIN SELECT RAISE(ABORT, 'x'); END",
        "CREATE TEMP TRIGGER mine AFTER INSERT ON mails BEGIN SELECT RAISE(ABORT, 'x'); END",
        "CREATE TEMP TABLE fsm_instances (id TEXT)",
        "CREATE TEMP TABLE mine (id TEXT)",
        "CREATE TEMP VIEW mine AS SELECT 1",
        "SELECT load_extension('x')",
        "EXPLAIN PRAGMA writable_schema = ON",
        "PRAGMA writable_schema = ON",
        "ATTACH ':memory:' AS other",
        "VACUUM",
        "SAVEPOINT mine",
    ] {
        not_allowed(&store, &runtime, &[statement]).await;
    }
    assert!(run(&store, &runtime, &["UPDATE sqlite_master SET sql = ''"]).await.is_err());

    // By way of the caller's own table and view.
    let by_trigger = "CREATE TRIGGER t AFTER INSERT ON mails BEGIN DELETE FROM fsm_history; END";
    let text = not_allowed(&store, &runtime, &[by_trigger, "INSERT INTO mails (text) VALUES ('x')"]).await;
    assert!(text.starts_with("DELETE FROM fsm_history: "), "{text}");
    let by_view = "CREATE TRIGGER t INSTEAD OF DELETE ON shown BEGIN DELETE FROM fsm_history; END";
    not_allowed(&store, &runtime, &[by_view, "DELETE FROM shown"]).await;

    jobs.fire("a", job::event::Start).await.unwrap();
    assert_eq!(jobs.get("a").await.unwrap().version(), 2);
    assert_eq!(jobs.history("a", &fsm_runtime::HistoryQuery::new()).await.unwrap().items.len(), 2);
    assert!(store.integrity_check().await.unwrap().is_empty());
}

#[tokio::test]
async fn x10_an_ignored_error_still_fails_the_group() {
    let (store, runtime, _jobs) = world().await;
    // The closure drops the error; the renamed table is still the library's by name.
    let error = runtime.group().commit_with(&store, |sql| {
        sql.execute("CREATE TABLE mine (id TEXT)", &[])?;
        let _ = sql.execute("ALTER TABLE mine RENAME TO fsm_mine", &[]);
        Ok(())
    });
    let text = error.await.unwrap_err().to_string();
    assert!(text.contains("`ALTER TABLE … RENAME` is not allowed in the statements of a group"), "{text}");
    // The same text as one of the library's own statements, which SQLite has compiled before.
    runtime.group().commit_with(&store, |sql| Ok(sql.execute("CREATE TABLE mine (id TEXT)", &[])?)).await.unwrap();
    let own = "UPDATE fsm_meta SET value = value + 1 WHERE name = 'fence' RETURNING value";
    not_allowed(&store, &runtime, &[own]).await;
}

#[tokio::test]
async fn x10_own_tables_and_reads_are_allowed() {
    let (store, runtime, jobs) = world().await;
    jobs.create("a", queued()).await.unwrap();
    run(&store, &runtime, &OWN).await.unwrap();
    let changed = run(
        &store,
        &runtime,
        &[
            "INSERT INTO mails (text) VALUES ('a'), ('b')",
            "CREATE INDEX mails_text ON mails (text)",
            "CREATE TABLE copies AS SELECT * FROM fsm_instances",
            "CREATE TRIGGER t AFTER UPDATE ON mails BEGIN INSERT INTO copies (id) VALUES ('x'), ('y'); END",
            "UPDATE mails SET text = 'c' WHERE text = 'b'",
            "ALTER TABLE mails ADD COLUMN at INTEGER",
            "ALTER TABLE mails RENAME TO letters",
            "ANALYZE letters",
            "REINDEX letters",
            "DELETE FROM letters WHERE text = 'nothing'",
            "DROP TABLE letters",
            "CREATE TABLE IF NOT EXISTS copies (id TEXT)",
        ],
    );
    assert_eq!(changed.await.unwrap(), [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let read = "SELECT (SELECT count(*) FROM shown), (SELECT count(*) FROM copies), count(*) \
                FROM pragma_table_info('fsm_instances') WHERE name = 'data'";
    let (_, rows) = runtime.group().commit_with(&store, move |sql| Ok(sql.query(read, &[])?)).await.unwrap();
    assert_eq!(rows, Some(vec![vec![1.into(), 3.into(), 1.into()]]));
}

#[tokio::test]
async fn x10_a_full_text_table_is_allowed() {
    let (store, runtime, _jobs) = world().await;
    let made = "CREATE VIRTUAL TABLE texts USING fts5 (text)";
    run(&store, &runtime, &[made, "INSERT INTO texts VALUES ('one two')"]).await.unwrap();
    run(&store, &runtime, &["INSERT INTO texts VALUES ('three')"]).await.unwrap();
    let found = "SELECT rowid FROM texts WHERE texts MATCH 'three'";
    let (_, rows) = runtime.group().commit_with(&store, move |sql| Ok(sql.query(found, &[])?)).await.unwrap();
    assert_eq!(rows, Some(vec![vec![2.into()]]));
    run(&store, &runtime, &["DROP TABLE texts"]).await.unwrap();
}

#[tokio::test]
async fn x10_a_rollback_by_a_statement_is_its_own_error() {
    let (store, runtime, jobs) = world().await;
    run(&store, &runtime, &["CREATE TABLE mails (text TEXT UNIQUE)", "INSERT INTO mails VALUES ('a')"]).await.unwrap();
    run(
        &store,
        &runtime,
        &["CREATE TRIGGER t BEFORE DELETE ON mails BEGIN SELECT RAISE(ROLLBACK, 'mails are kept'); END"],
    )
    .await
    .unwrap();
    for (statement, cause) in [
        ("INSERT OR ROLLBACK INTO mails VALUES ('a')", "UNIQUE constraint failed: mails.text"),
        ("DELETE FROM mails", "mails are kept"),
    ] {
        for dropped in [false, true] {
            let mut group = runtime.group();
            group.add(jobs.create("b", queued()));
            let error = group.commit_with(&store, move |sql| match sql.execute(statement, &[]) {
                Err(_) if dropped => Ok(()),
                answer => Ok(answer.map(drop)?),
            });
            let error = error.await.unwrap_err();
            assert!(matches!(error, GroupError::Statements(_)), "{error:?}");
            let cause = if dropped { "the transaction was rolled back by an earlier statement" } else { cause };
            assert!(error.to_string().contains(cause), "{error}");
            assert!(jobs.get("b").await.is_err());
        }
    }
    jobs.create("b", queued()).await.unwrap();
}

/// A full disk is an error of the store, also if a statement of the caller causes it.
#[tokio::test]
async fn x10_a_full_disk_is_no_error_of_a_statement() {
    let dir = TempDir::new().unwrap();
    let disk = Disk::under(dir.path());
    let store = Sqlite::open(dir.path().join("jobs.db")).await.unwrap();
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    run(&store, &runtime, &["CREATE TABLE blobs (bytes BLOB)"]).await.unwrap();
    disk.fail(Operation::Write, 0, Fault::Full);
    // More than SQLite's cache, so that the statement writes to the disk, and not only the commit.
    let large = run(&store, &runtime, &["INSERT INTO blobs VALUES (zeroblob(40000000))"]).await.unwrap_err();
    assert!(matches!(large, GroupError::Store(StoreError::Full { .. })), "{large:?}");
    disk.heal();
    assert_eq!(run(&store, &runtime, &["INSERT INTO blobs VALUES (1)"]).await.unwrap(), [1]);
}
