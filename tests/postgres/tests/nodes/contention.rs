//! Many nodes on the same instances.

use super::{
    commits::{commit, committed, create, entering, fire},
    soon,
    work::options,
};
use fsm_runtime::store::{
    Change, Create, Entering, Group, HistoryQuery, Key, Row, Store, Transition, Verdict, postgres::Postgres,
};
use std::time::SystemTime;
use tests_postgres::Server;

async fn stores(count: usize) -> Vec<Postgres> {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let mut stores = Vec::new();
    for _ in 0..count {
        stores.push(options(server, &schema).lanes(1).open().await.unwrap());
    }
    stores
}

async fn versions(store: &Postgres, id: &str) -> Vec<u64> {
    let query = HistoryQuery { key: Some(Key::new("Door", id)), ..HistoryQuery::new() }.limit(100_000);
    store.history(query).await.unwrap().iter().map(|entry| entry.version).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n33_one_writer_wins_each_version_of_a_hot_instance() {
    const WRITERS: usize = 32;
    const TRIES: usize = 20;
    let stores = stores(8).await;
    let row = committed(&stores[0], create("hot")).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, mut row) = (stores[writer % 8].clone(), row.clone());
            tokio::spawn(async move {
                let mut won = Vec::new();
                for _ in 0..TRIES {
                    match commit(&store, fire(&row)).await {
                        Verdict::Committed { mut rows } => {
                            assert_eq!(rows[0].version, row.version + 1);
                            row = rows.remove(0);
                            won.push(row.version);
                        }
                        Verdict::Conflict { current: Some(current), .. } => {
                            assert!(current.version > row.version, "the winner's row, not {current:?}");
                            row = *current;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                won
            })
        })
        .collect();
    let mut won = vec![1];
    for writer in writers {
        won.extend(soon("a writer", writer).await.unwrap());
    }
    won.sort_unstable();
    assert_eq!(won, versions(&stores[1], "hot").await, "each version was won once");
    assert_eq!(won, (1..=won.len() as u64).collect::<Vec<_>>());
}

/// Moves the row under an idempotency key.
fn keyed(row: &Row, key: &str) -> Change {
    let Change::Transition(transition) = fire(row) else { unreachable!() };
    Change::Transition(Transition { idempotency_key: Some(key.to_owned()), ..transition })
}

/// Creates an instance under an idempotency key, which is removed at once if it `goes`.
fn keyed_create(id: &str, goes: bool) -> Change {
    let Change::Create(create) = create(id) else { unreachable!() };
    let into = Entering { remove: goes, ..entering("S1") };
    Change::Create(Create { idempotency_key: Some("key".to_owned()), into, ..create })
}

/// All stores make the change at once. Returns the verdicts without the one that was committed.
async fn at_once(stores: &[Postgres], change: impl Fn() -> Change) -> Vec<Verdict> {
    let calls: Vec<_> = stores
        .iter()
        .map(|store| {
            let (store, change) = (store.clone(), change());
            tokio::spawn(async move { commit(&store, change).await })
        })
        .collect();
    let mut others = Vec::new();
    let mut won = 0;
    for call in calls {
        match soon("a verdict", call).await.unwrap() {
            Verdict::Committed { .. } => won += 1,
            other => others.push(other),
        }
    }
    assert_eq!(won, 1, "{others:?}");
    others
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n34_one_key_from_many_nodes_is_one_change() {
    let stores = stores(8).await;
    for round in 0..10 {
        let id = round.to_string();
        let row = committed(&stores[0], create(&id)).await;
        let of_present = at_once(&stores, || keyed(&row, "key")).await;
        let of_created = at_once(&stores, || keyed_create(&format!("new{round}"), false)).await;
        let of_removed = at_once(&stores, || keyed_create(&format!("gone{round}"), true)).await;
        for (verdicts, version) in [(of_present, 2), (of_created, 1), (of_removed, 1)] {
            let is_first =
                |verdict: &Verdict| matches!(verdict, Verdict::Duplicate { first, .. } if first.version == version);
            assert!(verdicts.iter().all(is_first), "{verdicts:?}");
        }
        assert_eq!(versions(&stores[1], &id).await, [1, 2]);
        assert_eq!(versions(&stores[1], &format!("new{round}")).await, [1]);
        assert_eq!(versions(&stores[1], &format!("gone{round}")).await, [1]);
    }
}

/// Two nodes change the same instances in groups, in opposite orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n35_groups_in_opposite_orders_do_not_deadlock() {
    const IDS: [&str; 3] = ["a", "b", "c"];
    let stores = stores(2).await;
    for id in IDS {
        committed(&stores[0], create(id)).await;
    }
    let nodes: Vec<_> = [false, true]
        .into_iter()
        .zip(&stores)
        .map(|(reversed, store)| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut won = 0;
                while won < 20 {
                    let mut rows = Vec::new();
                    for id in IDS {
                        rows.push(store.get(Key::new("Door", id)).await.unwrap().unwrap());
                    }
                    let mut changes: Vec<Change> = rows.iter().map(fire).collect();
                    if reversed {
                        changes.reverse();
                    }
                    let verdicts = store.commit(vec![Group { changes }], SystemTime::now()).await;
                    match verdicts.expect("no error reaches the caller").remove(0) {
                        Verdict::Committed { rows } => {
                            assert!(rows.iter().all(|row| row.version == rows[0].version), "all or none: {rows:?}");
                            won += 1;
                        }
                        Verdict::Conflict { .. } => {}
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for node in nodes {
        soon("a node", node).await.unwrap();
    }
    for id in IDS {
        assert_eq!(versions(&stores[0], id).await, (1..=41).collect::<Vec<_>>());
    }
}
