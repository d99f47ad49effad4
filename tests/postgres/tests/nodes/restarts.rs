//! A server that restarts, crashes, loses its tables or runs out of room, under load.

use super::{
    chaos,
    commits::{committed, create, fire},
    process::{Node, Process, now},
    soon, until,
    witness::{Faults, Witness},
};
use fsm_runtime::store::{HistoryQuery, Key, Store, StoreError, postgres::Postgres};
use std::time::{Duration, Instant, SystemTime};
use tests_postgres::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n10_restarts_of_the_server_reach_no_caller() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let node = Node { callers: 3, ..Node::new(&server, folder.path(), "a") };
    let processes = [Process::started(&node), Process::started(&node.named("b")), Process::started(&node.named("c"))];
    let restarting = tokio::task::spawn_blocking(move || {
        let (mut faults, mut restarts) = (Faults::default(), 0);
        let began = Instant::now();
        while began.elapsed() < chaos() {
            std::thread::sleep(Duration::from_millis(fastrand::u64(1_500..4_000)));
            let down = now();
            server.restart(if restarts % 2 == 0 { "fast" } else { "immediate" });
            restarts += 1;
            // Leases end meanwhile, and are taken again.
            faults.outages.push((down, now() + 5_000_000));
        }
        (server, faults, restarts)
    });
    let (server, faults, restarts) = restarting.await.unwrap();
    let witness = Witness::new(&server, &node).await;
    let before = witness.answers_of("a");
    let back = Instant::now();
    until("callers are answered again", async || witness.answers_of("a") > before + 5).await;
    let back = back.elapsed();
    let last = Process::started(&Node { callers: 0, ..node.named("last") });
    for process in processes {
        process.end();
    }
    until("all instances end", async || witness.under_way().await == 0).await;
    last.end();
    let summary = witness.check(&faults).await;
    println!("{restarts} restarts, back after {back:?}, {summary:?}");
    assert!(restarts >= 3 && summary.answers > 50, "{restarts} restarts, {summary:?}");
}

/// The tables are taken away while the store is in use, and come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n43_a_store_without_its_tables_fails_until_they_are_back() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
    let row = committed(&store, create("a")).await;
    let admin = server.connect().await;
    for away in [format!("{schema}_away"), "away".to_owned()] {
        admin.batch_execute(&format!("ALTER SCHEMA {schema} RENAME TO \"{away}\"")).await.unwrap();
        let write = soon("an error", store.commit(vec![fire(&row).into()], SystemTime::now())).await;
        assert!(
            matches!(&write, Err(StoreError::Failed { cause, .. }) if cause.contains("does not exist")),
            "{write:?}"
        );
        let read = soon("an error", store.get(row.key.clone())).await;
        assert!(matches!(&read, Err(StoreError::Failed { .. })), "{read:?}");
        admin.batch_execute(&format!("ALTER SCHEMA \"{away}\" RENAME TO {schema}")).await.unwrap();
        assert_eq!(
            soon("the row", store.get(row.key.clone())).await.unwrap(),
            Some(row.clone()),
            "nothing was changed"
        );
    }
    assert_eq!(committed(&store, fire(&row)).await.version, 2);
}

/// A disk of its own for the tables.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount one.
    fn mount(folder: &std::path::Path) -> Option<Self> {
        let path = folder.join("small");
        std::fs::create_dir(&path).unwrap();
        let owner = std::fs::metadata(folder).map(|folder| std::os::unix::fs::MetadataExt::uid(&folder)).unwrap();
        let options = format!("size=8M,mode=700,uid={owner}");
        let mounted =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n37_a_full_disk_is_named_and_changes_nothing() {
    let server = Server::start();
    let Some(disk) = SmallDisk::mount(server.folder()) else {
        return assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI runs as root, which can mount a disk");
    };
    let store = Postgres::options(server.url()).open().await.unwrap();
    let mut row = committed(&store, create("a")).await;
    let admin = server.connect().await;
    admin.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.0.display())).await.unwrap();
    admin.batch_execute("ALTER TABLE fsm.history SET TABLESPACE small").await.unwrap();
    // Everything else that is on it.
    admin.batch_execute("CREATE TABLE filler (text text) TABLESPACE small").await.unwrap();
    let fill = "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 500)";
    while admin.batch_execute(fill).await.is_ok() {}
    let error = loop {
        match store.commit(vec![fire(&row).into()], SystemTime::now()).await {
            Ok(_) => row = store.get(row.key.clone()).await.unwrap().unwrap(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(store.get(row.key.clone()).await.unwrap(), Some(row.clone()), "nothing of it");
    admin.batch_execute("DROP TABLE filler; CHECKPOINT").await.unwrap();
    let version = row.version + 1;
    assert_eq!(committed(&store, fire(&row)).await.version, version, "it goes on by itself");
    let query = HistoryQuery { key: Some(Key::new("Door", "a")), ..HistoryQuery::new() }.limit(100_000);
    let versions: Vec<u64> = store.history(query).await.unwrap().iter().map(|entry| entry.version).collect();
    assert_eq!(versions, (1..=version).collect::<Vec<_>>());
    drop(store);
    server.stop("immediate");
}
