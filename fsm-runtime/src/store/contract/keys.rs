//! Promises about idempotency keys.

use super::build::{committed, create, entering, fire, get, history, key, random_text, verdict};
use crate::store::{Change, Create, Entering, MAX_KEY_BYTES, Store, Transition, Verdict};
use std::sync::Arc;
use uuid::Uuid;

/// The longest id that the handles of machines accept.
const LONGEST_ID: usize = 512;

/// A repeated change under its key is a duplicate with the first result; another change under that key is refused.
pub async fn x3_an_idempotency_key_applies_once(store: &Arc<dyn Store>) {
    let creation = Create { idempotency_key: Some("k0".to_owned()), ..create("a", entering("Closed")) };
    let created = committed(store, Change::Create(creation.clone())).await;
    let again = Create { incarnation: Uuid::now_v7(), ..creation.clone() };
    match verdict(store, vec![Change::Create(again)]).await {
        Verdict::Duplicate { change: 0, first } => {
            assert_eq!((first.version, first.incarnation), (1, created.incarnation));
        }
        other => panic!("{other:?}"),
    }
    let otherwise = Create { into: entering("Open"), ..creation };
    assert!(matches!(verdict(store, vec![Change::Create(otherwise)]).await, Verdict::KeyReused { .. }));

    let open = Transition { idempotency_key: Some("k1".to_owned()), ..fire(&created, "open", "Open") };
    let opened = committed(store, Change::Transition(open.clone())).await;
    committed(store, Change::Transition(fire(&opened, "close", "Closed"))).await;
    match verdict(store, vec![Change::Transition(open.clone())]).await {
        Verdict::Duplicate { change: 0, first } => {
            assert_eq!((first.version, first.to.as_str(), first.data.as_deref()), (2, "Open", Some("{\"n\":1}")));
        }
        other => panic!("{other:?}"),
    }
    let other_payload = Transition { payload: "1".into(), ..open.clone() };
    assert!(matches!(verdict(store, vec![Change::Transition(other_payload)]).await, Verdict::KeyReused { .. }));
    let other_event = Transition { event: "lock".into(), ..open };
    assert!(matches!(verdict(store, vec![Change::Transition(other_event)]).await, Verdict::KeyReused { .. }));
    assert_eq!(history(store, "a").await.len(), 3);

    // A `HashMap` is serialized in any order.
    let row = get(store, "a").await;
    let lock = |payload: &str| {
        let used = Some("k2".to_owned());
        Change::Transition(Transition { payload: payload.into(), idempotency_key: used, ..fire(&row, "lock", "Shut") })
    };
    committed(store, lock(r#"{"a":1,"b":[1,2]}"#)).await;
    let again = verdict(store, vec![lock(r#"{"b":[1,2],"a":1}"#)]).await;
    assert!(matches!(again, Verdict::Duplicate { .. }), "{again:?}");
    let other = verdict(store, vec![lock(r#"{"b":[2,1],"a":1}"#)]).await;
    assert!(matches!(other, Verdict::KeyReused { .. }), "{other:?}");
}

/// The longest key fits beside the longest id, and a longer one is refused.
pub async fn x3_the_longest_idempotency_key_fits(store: &Arc<dyn Store>) {
    let keyed = |bytes| {
        let creation = create(&random_text(LONGEST_ID), entering("Closed"));
        vec![Change::Create(Create { idempotency_key: Some(random_text(bytes)), ..creation })]
    };
    let long = verdict(store, keyed(MAX_KEY_BYTES + 1)).await;
    let refused =
        Verdict::TooLarge { change: 0, what: "idempotency key", size: MAX_KEY_BYTES + 1, limit: MAX_KEY_BYTES };
    assert_eq!(long, refused);
    assert!(matches!(verdict(store, keyed(MAX_KEY_BYTES)).await, Verdict::Committed { .. }));
    assert!(matches!(verdict(store, keyed(MAX_KEY_BYTES)).await, Verdict::Duplicate { .. }));
}

/// The key of a creation answers after the row is removed, until the id is created again.
pub async fn x3_a_creation_key_outlives_the_instance(store: &Arc<dyn Store>) {
    let creation = |incarnation| Create {
        incarnation,
        idempotency_key: Some("k".to_owned()),
        ..create("a", Entering { remove: true, ..entering("Closed") })
    };
    let created = committed(store, Change::Create(creation(Uuid::now_v7()))).await;
    assert_eq!(store.get(key("a")).await.unwrap(), None, "removed on entry");
    match verdict(store, vec![Change::Create(creation(Uuid::now_v7()))]).await {
        Verdict::Duplicate { change: 0, first } => assert_eq!(first.incarnation, created.incarnation),
        other => panic!("{other:?}"),
    }
    // The key belongs to the former incarnation.
    let next = committed(store, Change::Create(create("a", entering("Closed")))).await;
    match verdict(store, vec![Change::Create(creation(Uuid::now_v7()))]).await {
        Verdict::Conflict { change: 0, current } => assert_eq!(current.as_deref(), Some(&next)),
        other => panic!("{other:?}"),
    }
}

/// Many callers with one key make one change, and all get its result.
pub async fn x3_one_key_from_many_callers_is_one_change(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let callers = (0..32).map(|_| {
        let change = Transition { idempotency_key: Some("k".to_owned()), ..fire(&created, "open", "Open") };
        let store = store.clone();
        tokio::spawn(async move { verdict(&store, vec![Change::Transition(change)]).await })
    });
    let mut answers = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        answers.push(match caller.await.unwrap() {
            Verdict::Committed { rows } => (rows[0].version, rows[0].state.clone()),
            Verdict::Duplicate { first, .. } => (first.version, first.to.clone()),
            other => panic!("{other:?}"),
        });
    }
    assert!(answers.iter().all(|answer| *answer == (2, "Open".to_owned())), "{answers:?}");
    assert_eq!(history(store, "a").await.len(), 2);
}
