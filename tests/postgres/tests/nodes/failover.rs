//! Two servers, of which one follows the other.

use super::{
    commits::{commit, committed, create, fire},
    soon, until,
};
use fsm_runtime::{
    Runtime, StartPosition,
    store::{Change, Claim, HistoryQuery, Key, Row, Store, Verdict, postgres::Postgres},
};
use std::sync::Arc;
use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};
use tests_postgres::Server;

fn both(one: &Server, other: &Server) -> String {
    format!("postgres://trusted@127.0.0.1:{},127.0.0.1:{}/postgres", one.port(), other.port())
}

fn claim(row: &Row) -> Change {
    let (key, incarnation, version, fence) = (row.key.clone(), row.incarnation, row.version, row.fence);
    Change::Claim(Claim { key, incarnation, version, fence, owner: "me".into() })
}

/// The standby has everything that the primary has.
async fn caught_up(primary: &Server, standby: &Server) {
    let (primary, standby) = (primary.connect().await, standby.connect().await);
    let written: String = primary.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
    until("the standby follows", async || standby.query_one(&replayed, &[]).await.unwrap().get(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n11_a_standby_without_the_last_commits_repeats_no_number() {
    let primary = Server::start();
    let store = Postgres::options(primary.trusted_url_at(primary.port())).open().await.unwrap();
    let mut rows = vec![committed(&store, create("kept")).await];
    let standby = Server::standby_of(&primary);
    drop(store);
    let store = Postgres::options(both(&primary, &standby)).open().await.unwrap();
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let mut subscription = runtime.subscribe("all", StartPosition::Oldest).await.unwrap();
    for _ in 0..10 {
        rows.push(committed(&store, fire(rows.last().unwrap())).await);
    }
    caught_up(&primary, &standby).await;

    // It hears nothing more, and the primary goes on.
    let admin = standby.connect().await;
    admin.batch_execute("ALTER SYSTEM SET primary_conninfo = ''").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
    until("it is cut off", async || admin.query_one(receivers, &[]).await.unwrap().get::<_, i64>(0) == 0).await;
    let kept = rows.last().unwrap().clone();
    let mut fences = HashSet::new();
    for n in 0..50 {
        let row =
            committed(&store, if n % 2 == 0 { claim(rows.last().unwrap()) } else { fire(rows.last().unwrap()) }).await;
        fences.insert(row.fence);
        rows.push(row);
    }
    committed(&store, create("lost")).await;
    let told = store.last_sequence().await.unwrap();
    let mut last = 0;
    while last < told {
        last = soon("an entry", subscription.next()).await.unwrap().unwrap().sequence;
    }
    primary.stop("immediate");
    standby.promote();

    // What the former primary had acknowledged last is not there: the caller that knows it gets a conflict, with what there is.
    match commit(&store, fire(rows.last().unwrap())).await {
        Verdict::Conflict { current: Some(current), .. } => assert_eq!(*current, kept),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.get(Key::new("Door", "lost")).await.unwrap(), None);
    let mut row = kept;
    for _ in 0..5 {
        row = committed(&store, claim(&row)).await;
        assert!(
            fences.insert(row.fence) && fences.iter().all(|fence| *fence <= row.fence),
            "{} was given before",
            row.fence
        );
        row = committed(&store, fire(&row)).await;
        let entry = soon("an entry", subscription.next()).await.unwrap().unwrap();
        assert!(entry.sequence > last && entry.version == row.version, "{entry:?} after {last}");
        last = entry.sequence;
    }
    let query = HistoryQuery { key: Some(row.key.clone()), ..HistoryQuery::new() }.limit(1_000);
    let versions: Vec<u64> = store.history(query).await.unwrap().iter().map(|entry| entry.version).collect();
    assert_eq!(versions, (1..=row.version).collect::<Vec<_>>(), "the chain is unbroken");
}

/// Primary and standby change places twice, under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n12_callers_follow_the_server_that_takes_writes() {
    let primary = Server::start();
    drop(Postgres::options(primary.trusted_url_at(primary.port())).open().await.unwrap());
    let standby = Server::standby_of(&primary);
    let store = Postgres::options(both(&standby, &primary)).open().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::spawn(async move {
                let mut row = committed(&store, create(&caller.to_string())).await;
                while !stop.load(Ordering::Relaxed) {
                    row = committed(&store, fire(&row)).await;
                    assert_eq!(
                        store.get(row.key.clone()).await.expect("no error reaches the caller"),
                        Some(row.clone())
                    );
                }
                row
            })
        })
        .collect();
    let reached = async |server: &Server| {
        let client = server.connect().await;
        let newest = "SELECT coalesce(max(sequence), 0) FROM fsm.history";
        let before: i64 = client.query_one(newest, &[]).await.unwrap().get(0);
        until("changes arrive", async || client.query_one(newest, &[]).await.unwrap().get::<_, i64>(0) > before + 20)
            .await;
    };
    reached(&primary).await;
    caught_up(&primary, &standby).await;
    for (from, to) in [(&primary, &standby), (&standby, &primary)] {
        // In good order: the standby gets everything.
        from.stop("fast");
        to.promote();
        reached(to).await;
        from.start_as_standby_of(to);
        reached(to).await;
        caught_up(to, from).await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        let row = soon("a caller", caller).await.unwrap();
        let query = HistoryQuery { key: Some(row.key.clone()), ..HistoryQuery::new() }.limit(100_000);
        let versions: Vec<u64> = store.history(query).await.unwrap().iter().map(|entry| entry.version).collect();
        assert_eq!(versions, (1..=row.version).collect::<Vec<_>>());
    }
}
