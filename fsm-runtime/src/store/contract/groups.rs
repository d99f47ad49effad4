//! Promises about groups, batches and callers at the same time.

use super::build::{committed, create, entering, fire, get, history, key, now, verdict};
use crate::store::{Change, Create, Entering, Group, HistoryQuery, Key, Row, Store, StoreFuture, Transition, Verdict};
use std::sync::Arc;
use uuid::Uuid;

/// A group is applied whole, or not at all.
pub async fn a_group_is_all_or_nothing(store: &Arc<dyn Store>) {
    let a = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let stale = Row { version: 9, ..a.clone() };
    let group = vec![
        Change::Create(create("b", entering("Closed"))),
        Change::Transition(fire(&a, "open", "Open")),
        Change::Transition(fire(&stale, "open", "Open")),
    ];
    match verdict(store, group).await {
        Verdict::Conflict { change: 2, current: Some(current) } => assert_eq!(*current, a),
        other => panic!("{other:?}"),
    }
    assert_eq!(get(store, "a").await, a);
    assert_eq!(store.get(key("b")).await.unwrap(), None);
    assert_eq!(history(store, "a").await.len() + history(store, "b").await.len(), 1);
    let group = vec![Change::Create(create("b", entering("Closed"))), Change::Transition(fire(&a, "open", "Open"))];
    match verdict(store, group).await {
        Verdict::Committed { rows } => assert_eq!(rows.iter().map(|r| r.version).collect::<Vec<_>>(), [1, 2]),
        other => panic!("{other:?}"),
    }
}

/// A group that misses leaves the other groups of its call untouched.
pub async fn x4_a_failed_group_leaves_the_others_of_its_call(store: &Arc<dyn Store>) {
    let a = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let stale = Row { version: 9, ..a.clone() };
    let groups = vec![
        Change::Transition(fire(&stale, "open", "Open")).into(),
        Change::Transition(fire(&a, "open", "Open")).into(),
        Change::Create(create("b", entering("Closed"))).into(),
    ];
    let verdicts = store.commit(groups, now()).await.unwrap();
    assert!(matches!(verdicts[0], Verdict::Conflict { .. }), "{verdicts:?}");
    assert!(matches!(verdicts[1], Verdict::Committed { .. }), "{verdicts:?}");
    assert!(matches!(verdicts[2], Verdict::Committed { .. }), "{verdicts:?}");
    let all = store
        .history(HistoryQuery { key: None, by_operators: false, after: 0, newest_first: false, limit: 10 })
        .await
        .unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "{all:?}");
}

/// A group with two changes of one row at one version is refused.
pub async fn a_group_that_conflicts_with_itself_is_refused(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let open = || Transition { idempotency_key: Some("k".to_owned()), ..fire(&created, "open", "Open") };
    // No earlier call used the key, so it is not a duplicate; both read the present row, so it is not a conflict.
    for twice in [open(), fire(&created, "knock", "Closed")] {
        let group = vec![Change::Transition(open()), Change::Transition(twice)];
        let refused = verdict(store, group).await;
        assert!(matches!(refused, Verdict::Refused { change: 1, .. }), "{refused:?}");
        assert_eq!(get(store, "a").await, created);
    }
    assert_eq!(history(store, "a").await.len(), 1);
}

/// A creation with an empty machine name or id is refused, and the others commit.
pub async fn x7_an_empty_id_is_refused_and_the_batch_commits(store: &Arc<dyn Store>) {
    let nameless = Create { key: Key::new("", "a"), ..create("", entering("Closed")) };
    let creates =
        [create("a", entering("Closed")), create("", entering("Closed")), nameless, create("b", entering("Closed"))];
    let groups = creates.into_iter().map(|create| Change::Create(create).into()).collect();
    let verdicts = store.commit(groups, now()).await.unwrap();
    for (place, verdict) in verdicts.iter().enumerate() {
        match verdict {
            Verdict::Committed { .. } => assert!([0, 3].contains(&place), "{verdicts:?}"),
            Verdict::Refused { change: 0, .. } => assert!([1, 2].contains(&place), "{verdicts:?}"),
            other => panic!("{other:?}"),
        }
    }
    let counts = [history(store, "a").await.len(), history(store, "b").await.len(), history(store, "").await.len()];
    assert_eq!(counts, [1, 1, 0]);
}

/// Of many writers at one version, one commits; each of the others gets the row that won.
pub async fn x2_one_of_many_writers_wins(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let callers = (0..32).map(|n| {
        let (store, change) = (store.clone(), fire(&created, "open", &format!("Open{n}")));
        tokio::spawn(async move { verdict(&store, vec![Change::Transition(change)]).await })
    });
    let mut winner = None;
    let mut losers = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        match caller.await.unwrap() {
            Verdict::Committed { mut rows } => {
                assert!(winner.replace(rows.remove(0)).is_none(), "two writers committed");
            }
            Verdict::Conflict { current: Some(current), .. } => losers.push(*current),
            other => panic!("{other:?}"),
        }
    }
    let winner = winner.unwrap();
    assert_eq!(losers.len(), 31);
    assert!(losers.iter().all(|row| *row == winner), "each conflict carries the row that won");
    assert_eq!(history(store, "a").await.len(), 2);
}

/// A dropped call is applied whole or not at all, and later calls continue.
pub async fn a_dropped_call_is_applied_whole_or_not_at_all(store: &Arc<dyn Store>) {
    for n in 0..50 {
        let id = n.to_string();
        let groups: Vec<Group> = vec![Change::Create(create(&id, entering("Closed"))).into()];
        let mut call: StoreFuture<'_, Vec<Verdict>> = store.commit(groups, now());
        // Polled once, then dropped.
        let _ = poll_once(&mut call).await;
        drop(call);
        let row = store.get(key(&id)).await.unwrap();
        // The next change of the instance is queued behind the dropped one, which is decided when this one returns. It misses.
        let after = Row::new(key(&id), Uuid::now_v7(), "Closed".to_owned(), "null".to_owned(), now());
        let missed = verdict(store, vec![Change::Transition(fire(&after, "open", "Open"))]).await;
        assert!(matches!(missed, Verdict::Conflict { .. }), "{missed:?}");
        let decided = store.get(key(&id)).await.unwrap();
        assert!(row.is_none() || row == decided);
        assert_eq!(history(store, &id).await.len(), usize::from(decided.is_some()));
    }
}

/// Ids, states and data of any text, up to 1 MiB, are returned exactly.
pub async fn x7_unusual_text_is_returned_exactly(store: &Arc<dyn Store>) {
    let ids = ["it's", "\"quoted\"", "🦀", "\u{202e}rtl", " ", "a/b\\c", "%_", "\n", "'; DROP TABLE fsm_instances; --"];
    for id in ids {
        let into = Entering { data: format!("{:?}", "x'\"\\🦀\u{202e}".repeat(3)), ..entering(id) };
        let row = committed(store, Change::Create(create(id, into.clone()))).await;
        let read = get(store, id).await;
        assert_eq!(row, read);
        assert_eq!((&*read.key.id, read.state, read.data), (id, into.state, into.data));
    }
    let big = Entering { data: format!("\"{}\"", "x".repeat((1 << 20) - 2)), ..entering("Open") };
    committed(store, Change::Create(create("big", big.clone()))).await;
    assert_eq!(get(store, "big").await.data, big.data);
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}
