//! Promises about pruning, purging and definitions.

use super::build::{committed, create, entering, fire, history, key, later, now, verdict};
use crate::store::{Change, Create, Definition, Entering, Origin, Prune, Purge, Rewrite, Store, Transition, Verdict};
use std::sync::Arc;

/// Sequences continue from the last one after all history is pruned.
pub async fn the_last_sequence_survives_pruning(store: &Arc<dyn Store>) {
    let a = committed(store, Change::Create(create("a", entering("Closed")))).await;
    committed(store, Change::Create(create("b", entering("Closed")))).await;
    let last = store.last_sequence().await.unwrap();
    let forgotten = Prune { history_before: Some(later(1)), limit: 10, ..Prune::default() };
    assert_eq!(store.prune(forgotten).await.unwrap(), 2);
    assert_eq!((store.last_sequence().await.unwrap(), store.pruned_through().await.unwrap()), (last, last));
    committed(store, Change::Transition(fire(&a, "open", "Open"))).await;
    assert!(store.last_sequence().await.unwrap() > last);
}

/// A purge removes row, history and keys of one instance, and its id can be created again.
pub async fn x8_a_purge_removes_everything_and_frees_the_id(store: &Arc<dyn Store>) {
    let keyed = || Create { idempotency_key: Some("k".into()), ..create("a", entering("Closed")) };
    let row = committed(store, Change::Create(keyed())).await;
    let row = committed(store, Change::Transition(fire(&row, "open", "Open"))).await;
    committed(store, Change::Create(create("b", entering("Closed")))).await;
    let purge = |version| Purge {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version,
        origin: Origin::default(),
        why: None,
    };
    let missed = verdict(store, vec![Change::Purge(purge(1))]).await;
    assert!(matches!(missed, Verdict::Conflict { current: Some(_), .. }), "{missed:?}");
    committed(store, Change::Purge(purge(2))).await;
    assert_eq!(store.get(key("a")).await.unwrap(), None);
    assert_eq!(history(store, "a").await, []);
    assert_eq!(store.find_by_idempotency_key(key("a"), "k".into()).await.unwrap(), None);
    assert_eq!(history(store, "b").await.len(), 1, "other instances keep their history");
    let again = committed(store, Change::Create(keyed())).await;
    assert_eq!((again.version, again.incarnation == row.incarnation), (1, false));
}

/// Pruning removes old keys, then history, and ended rows, in batches of the limit.
pub async fn old_history_keys_and_rows_are_pruned_in_batches(store: &Arc<dyn Store>) {
    for n in 0..5 {
        let create = Create { idempotency_key: Some("k".into()), ..create(&n.to_string(), entering("Closed")) };
        store.commit(vec![Change::Create(create).into()], later(n)).await.unwrap();
    }
    let sequence =
        async |id: &str| store.find_by_idempotency_key(key(id), "k".into()).await.unwrap().map(|entry| entry.sequence);
    let (third, fourth, last) = (sequence("2").await, sequence("3").await, store.last_sequence().await.unwrap());
    let forget = async |prune: Prune| store.prune(Prune { limit: 2, ..prune }).await.unwrap();
    let history_before = Some(later(4));
    assert_eq!(forget(Prune { history_before, ..Prune::default() }).await, 0, "entries of a key are kept");
    let keys = || Prune { keys_before: Some(later(3)), ..Prune::default() };
    assert_eq!((forget(keys()).await, forget(keys()).await, forget(keys()).await), (2, 1, 0));
    let history = || Prune { history_before, ..Prune::default() };
    assert_eq!((forget(history()).await, forget(history()).await, forget(history()).await), (2, 1, 0));
    assert_eq!(Some(store.pruned_through().await.unwrap()), third, "the fourth entry still has a key");
    assert_eq!(sequence("3").await, fourth);
    let ended =
        || Prune { ended: vec![("Door".into(), "Closed".into())], ended_before: Some(later(4)), ..Prune::default() };
    assert_eq!((forget(ended()).await, forget(ended()).await, forget(ended()).await), (2, 2, 0));
    assert_eq!(store.get(key("4")).await.unwrap().map(|row| row.version), Some(1));
    assert_eq!(store.last_sequence().await.unwrap(), last, "pruned rows keep their history");
}

/// The keys and history of a removed row are pruned on request; those of a present row are kept.
pub async fn remains_of_a_removed_row_are_pruned_on_request(store: &Arc<dyn Store>) {
    let gone = || Prune { gone: Some(key("a")), limit: 2, ..Prune::default() };
    let removed = || Entering { remove: true, ..entering("Open") };
    for used in ["first", "second"] {
        let created = Create { idempotency_key: Some(used.into()), ..create("a", entering("Closed")) };
        let row = committed(store, Change::Create(created)).await;
        assert_eq!(store.prune(gone()).await.unwrap(), 0, "the row is present");
        committed(store, Change::Transition(Transition { into: removed(), ..fire(&row, "open", "Open") })).await;
    }
    committed(store, Change::Create(create("b", entering("Closed")))).await;
    let mut batches = Vec::new();
    while let forgotten @ 1.. = store.prune(gone()).await.unwrap() {
        batches.push(forgotten);
    }
    assert_eq!(batches, [2, 2, 2], "two keys, four entries");
    assert_eq!(history(store, "a").await, []);
    assert_eq!(store.find_by_idempotency_key(key("a"), "second".into()).await.unwrap(), None);
    assert_eq!(history(store, "b").await.len(), 1, "other instances keep their history");
}

/// A controller's definition replaces a client's, and an older one is retired when its last row is rewritten.
pub async fn definitions_retire_with_their_last_row(store: &Arc<dyn Store>) {
    let definition = |version, graph: &str, controller| Definition {
        machine: "Door".into(),
        version,
        fingerprint: u64::MAX - u64::from(version),
        graph: graph.into(),
        controller,
    };
    let found = async || store.definition("Door".into()).await.unwrap();
    assert_eq!(found().await, None);
    store.define(vec![definition(1, "a client's", false)], now()).await.unwrap();
    assert_eq!(found().await, Some(definition(1, "a client's", false)));
    store.define(vec![definition(1, "a controller's", true), definition(2, "newer", false)], later(1)).await.unwrap();
    store.define(vec![definition(1, "another client's", false)], later(2)).await.unwrap();
    assert_eq!(
        found().await,
        Some(definition(1, "a controller's", true)),
        "a controller's definition replaces a client's"
    );
    let row = committed(store, Change::Create(create("a", entering("Closed")))).await;
    store.retire("Door".into(), 2).await.unwrap();
    assert_eq!(found().await.map(|definition| definition.version), Some(1), "a row has this version");
    let rewrite = Rewrite {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: 1,
        state: "Closed".into(),
        data: "null".into(),
        context: None,
        schema: 2,
    };
    committed(store, Change::Rewrite(rewrite)).await;
    store.retire("Door".into(), 2).await.unwrap();
    assert_eq!(found().await.map(|definition| definition.version), Some(2));
}

/// A subscriber's position only grows until it is removed.
pub async fn a_removed_position_is_unknown(store: &Arc<dyn Store>) {
    let position = async || store.subscriber_position("mail".to_owned()).await.unwrap();
    let save = async |position| store.save_position("mail".to_owned(), position).await.unwrap();
    let remove = async |name: &str| store.remove_position(name.to_owned()).await.unwrap();
    assert!(!remove("mail").await, "there is none");
    save(7).await;
    save(3).await;
    assert_eq!(position().await, Some(7));
    assert!(!remove("other").await);
    assert!(remove("mail").await);
    assert_eq!(position().await, None);
    save(3).await;
    assert_eq!(position().await, Some(3));
}
