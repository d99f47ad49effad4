//! Promises about single changes: creations, transitions, overrides, timers, desired states.

use super::build::{claim, committed, create, entering, fire, get, history, key, later, now, release, verdict};
use crate::store::{
    Arm, Cause, Change, Create, Disarm, Entering, HistoryKind, HistoryQuery, Origin, Override, Release, Rewrite, Row,
    SetDesiredState, Store, Transition, Verdict,
};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// A creation writes a row at version 1 and one history entry.
pub async fn creation_writes_a_row_and_a_history_entry(store: &Arc<dyn Store>) {
    assert_eq!(store.get(key("a")).await.unwrap(), None);
    let creation = create("a", Entering { timer: Some(Duration::from_mins(1)), work: true, ..entering("Closed") });
    let row = committed(store, Change::Create(creation.clone())).await;
    assert_eq!(row, get(store, "a").await);
    assert_eq!((row.version, row.entered, row.fence, row.attempt), (1, 1, 0, 0));
    assert_eq!((row.state.as_str(), row.data.as_str(), row.schema), ("Closed", "{\"n\":1}", 1));
    assert_eq!(row.incarnation, creation.incarnation);
    assert_eq!((row.timer_at, row.retry_at, row.wake_at()), (Some(later(60)), Some(now()), Some(now())));
    assert_eq!((row.created, row.updated), (now(), now()));
    assert_eq!(history(store, "a").await, [(1, None, None, "Closed".into())]);
    assert!(store.last_sequence().await.unwrap() > 0);
}

/// A second creation under an id is a conflict that carries the present row.
pub async fn an_id_is_created_once(store: &Arc<dyn Store>) {
    let first = committed(store, Change::Create(create("a", entering("Closed")))).await;
    match verdict(store, vec![Change::Create(create("a", entering("Open")))]).await {
        Verdict::Conflict { change: 0, current: Some(current) } => assert_eq!(*current, first),
        other => panic!("{other:?}"),
    }
    assert_eq!(history(store, "a").await.len(), 1);
}

/// Each transition increments the version, a self-transition too.
pub async fn a_transition_increments_the_version(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let open = committed(store, Change::Transition(fire(&created, "open", "Open"))).await;
    assert_eq!((open.version, open.entered, open.state.as_str()), (2, 2, "Open"));
    let again = committed(store, Change::Transition(fire(&open, "knock", "Open"))).await;
    assert_eq!((again.version, again.entered), (3, 3), "a self-transition enters the state again");
    let expected = [
        (1, None, None, "Closed".into()),
        (2, Some("Closed".to_owned()), Some("open".to_owned()), "Open".into()),
        (3, Some("Open".to_owned()), Some("knock".to_owned()), "Open".into()),
    ];
    assert_eq!(history(store, "a").await, expected);
}

/// A transition read at another version or incarnation is a conflict and changes nothing.
pub async fn a_stale_transition_changes_nothing(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let open = committed(store, Change::Transition(fire(&created, "open", "Open"))).await;
    match verdict(store, vec![Change::Transition(fire(&created, "lock", "Locked"))]).await {
        Verdict::Conflict { change: 0, current: Some(current) } => assert_eq!(*current, open),
        other => panic!("{other:?}"),
    }
    let former_incarnation = Row { incarnation: Uuid::now_v7(), ..open.clone() };
    match verdict(store, vec![Change::Transition(fire(&former_incarnation, "close", "Closed"))]).await {
        Verdict::Conflict { change: 0, current: Some(current) } => assert_eq!(*current, open),
        other => panic!("{other:?}"),
    }
    let missing = Row { key: key("b"), ..created };
    match verdict(store, vec![Change::Transition(fire(&missing, "open", "Open"))]).await {
        Verdict::Conflict { change: 0, current: None } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(get(store, "a").await, open);
    assert_eq!(history(store, "a").await.len(), 2);
}

/// A new state clears the timer, the attempts, the error and the checkpoint of the previous one.
pub async fn a_new_state_clears_timer_attempts_and_errors(store: &Arc<dyn Store>) {
    let timed = Entering { timer: Some(Duration::from_secs(5)), work: true, ..entering("Opening") };
    let created = committed(store, Change::Create(create("a", timed))).await;
    let claimed = committed(store, Change::Claim(claim(&created))).await;
    let parked =
        Release { retry: None, error: Some("e".to_owned()), parked: Some("p".to_owned()), ..release(&claimed) };
    let parked = committed(store, Change::Release(parked)).await;
    let row = committed(store, Change::Transition(fire(&parked, "stop", "Closed"))).await;
    assert_eq!((row.timer_at, row.retry_at, row.attempt), (None, None, 0));
    assert_eq!((row.error, row.parked, row.checkpoint), (None, None, None));
}

/// Disarming removes the timer, keeps the version and adds a note to the history.
pub async fn a_timer_can_be_disarmed(store: &Arc<dyn Store>) {
    let timed = Entering { timer: Some(Duration::from_secs(5)), ..entering("Open") };
    let created = committed(store, Change::Create(create("a", timed))).await;
    let disarm = Disarm {
        key: created.key.clone(),
        incarnation: created.incarnation,
        version: created.version,
        not_before: None,
        reason: "a guard refused".into(),
    };
    let row = committed(store, Change::Disarm(disarm.clone())).await;
    assert_eq!((row.timer_at, row.version), (None, 1));
    assert_eq!(history(store, "a").await.len(), 2);
    match verdict(store, vec![Change::Disarm(Disarm { version: 9, ..disarm })]).await {
        Verdict::Conflict { .. } => {}
        other => panic!("{other:?}"),
    }
}

/// A timer's change is not applied before the time of the timer.
pub async fn l7_a_timer_is_never_early(store: &Arc<dyn Store>) {
    let timed = Entering { timer: Some(Duration::from_secs(5)), ..entering("Open") };
    let created = committed(store, Change::Create(create("a", timed))).await;
    let at =
        async |change: Change, seconds: u64| store.commit(vec![change.into()], later(seconds)).await.unwrap().remove(0);
    let fires = Transition { cause: Cause::Timer, not_before: created.timer_at, ..fire(&created, "expire", "Shut") };
    let fires = Change::Transition(fires);
    let Row { key, incarnation, version, timer_at: not_before, .. } = created.clone();
    let drops = Disarm { key, incarnation, version, not_before, reason: "a guard refused".into() };
    let drops = Change::Disarm(drops);
    for early in [&fires, &drops] {
        assert_eq!(at(early.clone(), 4).await, Verdict::TooEarly { change: 0, now: later(4) });
    }
    assert_eq!((get(store, "a").await, history(store, "a").await.len()), (created, 1));
    assert!(matches!(at(fires.clone(), 5).await, Verdict::Committed { .. }));
    for late in [fires, drops] {
        let verdict = at(late, 4).await;
        assert!(matches!(verdict, Verdict::Conflict { .. }), "the row has moved on: {verdict:?}");
    }
}

/// Arming a row sets its work and timer once; a second time is a conflict.
pub async fn a_row_is_armed_once(store: &Arc<dyn Store>) {
    let row = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let arm = Arm {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: 1,
        work: true,
        timer: Some(Duration::from_mins(1)),
        reason: "declared since".into(),
    };
    let armed = committed(store, Change::Arm(arm.clone())).await;
    assert_eq!((armed.version, armed.retry_at, armed.timer_at), (1, Some(now()), Some(later(60))));
    let missed = verdict(store, vec![Change::Arm(arm)]).await;
    assert!(matches!(missed, Verdict::Conflict { current: Some(_), .. }), "the row is already armed: {missed:?}");
    let entries = history(store, "a").await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[1].2.as_deref(), Some("armed"));
}

/// An override enters any state and records its actor and reason.
pub async fn an_override_enters_a_state_with_actor_and_reason(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Open") }))).await;
    let held = committed(store, Change::Claim(claim(&created))).await;
    let moved = Override {
        key: held.key.clone(),
        incarnation: held.incarnation,
        version: held.version,
        from: held.state.clone(),
        into: Entering { timer: Some(Duration::from_secs(9)), ..entering("Nowhere near") },
        why: "because".into(),
        origin: Origin { actor: Some("ada".into()), trace: None },
    };
    let row = committed(store, Change::Override(moved.clone())).await;
    assert_eq!((row.state.as_str(), row.version, row.entered, row.attempt), ("Nowhere near", 2, 2, 0));
    assert_eq!(
        (row.owner.as_deref(), row.fence),
        (Some("me"), held.fence),
        "the owner stays until its worker has stopped"
    );
    assert_eq!((row.timer_at, row.retry_at), (Some(later(9)), None));
    let again = verdict(store, vec![Change::Override(moved)]).await;
    assert!(matches!(again, Verdict::Conflict { .. }), "{again:?}");
    let query =
        HistoryQuery { key: Some(key("a")), by_operators: false, after: u64::MAX, newest_first: true, limit: 1 };
    let entry = store.history(query).await.unwrap().remove(0);
    assert_eq!((entry.kind, entry.cause.as_str(), entry.version), (HistoryKind::Override, "operator", 2));
    assert_eq!((entry.actor.as_deref(), entry.payload.as_deref()), (Some("ada"), Some("because")));
    assert_eq!((entry.from.as_deref(), entry.data), (Some("Open"), Some(row.data)));
}

/// Setting a desired state is a compare-and-swap on the present one and changes nothing else.
pub async fn a_desired_state_changes_its_own_columns_only(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", entering("Open")))).await;
    let desired = |row: &Row, desired: Option<&str>, due| SetDesiredState {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        seen: row.desired.clone(),
        desired: desired.map(Into::into),
        desired_by: None,
        due,
        note: None,
    };
    let desiring =
        committed(store, Change::SetDesiredState(desired(&created, Some("Shut"), Some(Duration::from_secs(3))))).await;
    assert_eq!(
        (desiring.desired.as_deref(), desiring.desired_at, desiring.wake_at()),
        (Some("Shut"), Some(later(3)), Some(later(3)))
    );
    assert_eq!(Row { desired: None, desired_at: None, ..desiring.clone() }, created, "no other column changes");
    let due = store.due(vec!["Door".into()].into(), later(3), None, 10).await.unwrap();
    assert_eq!(due.len(), 1, "a desired state is due work");
    // A change that has not read the present one does not replace it.
    let stale = verdict(store, vec![Change::SetDesiredState(desired(&created, Some("Locked"), None))]).await;
    assert!(matches!(stale, Verdict::Conflict { .. }), "{stale:?}");
    // Each transition keeps it and makes it due.
    let waiting = committed(store, Change::SetDesiredState(desired(&desiring, Some("Shut"), None))).await;
    assert_eq!(waiting.wake_at(), None);
    let moved = committed(store, Change::Transition(fire(&waiting, "push", "Ajar"))).await;
    assert_eq!((moved.desired.as_deref(), moved.desired_at), (Some("Shut"), Some(now())));
    let none = committed(store, Change::SetDesiredState(desired(&moved, None, None))).await;
    assert_eq!((none.desired.as_deref(), none.wake_at(), none.version), (None, None, 2));
    assert_eq!(history(store, "a").await.len(), 2);
}

/// The row holds the present context, and the history the one after each transition.
pub async fn the_context_is_stored_with_each_change(store: &Arc<dyn Store>) {
    let with = |state, context: &str| Entering { context: Some(context.into()), ..entering(state) };
    let creation = Create { idempotency_key: Some("k0".to_owned()), ..create("a", with("Closed", "{\"at\":1}")) };
    let created = committed(store, Change::Create(creation.clone())).await;
    assert_eq!(created.context.as_deref(), Some("{\"at\":1}"));
    let otherwise = Create { into: with("Closed", "{\"at\":2}"), ..creation };
    assert!(matches!(verdict(store, vec![Change::Create(otherwise)]).await, Verdict::KeyReused { .. }));
    let opened =
        committed(store, Change::Transition(Transition { into: with("Open", "2"), ..fire(&created, "open", "Open") }))
            .await;
    let Row { key, incarnation, version, state, data, .. } = opened.clone();
    let rewrite = Rewrite { key, incarnation, version, state, data, context: Some("3".to_owned()), schema: 2 };
    let newer = committed(store, Change::Rewrite(rewrite)).await;
    assert_eq!((opened.context.as_deref(), newer.context.as_deref()), (Some("2"), Some("3")));
    assert_eq!(store.get(self::key("a")).await.unwrap().unwrap(), newer);
    let query =
        HistoryQuery { key: Some(self::key("a")), by_operators: false, after: 0, newest_first: false, limit: 9 };
    let history = store.history(query).await.unwrap().into_iter().map(|entry| entry.context);
    assert_eq!(history.collect::<Vec<_>>(), [Some("{\"at\":1}".to_owned()), Some("2".to_owned())]);
}

/// A row rewritten under a newer schema is not overwritten by code of the older one.
pub async fn a_transition_under_an_older_schema_is_a_conflict(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let Row { key, incarnation, version, state, data, .. } = created.clone();
    let rewrite = Rewrite { key, incarnation, version, state, data, context: None, schema: 2 };
    let newer = committed(store, Change::Rewrite(rewrite)).await;
    assert_eq!((newer.version, newer.schema), (1, 2));
    match verdict(store, vec![Change::Transition(fire(&created, "open", "Open"))]).await {
        Verdict::Conflict { current: Some(current), .. } => assert_eq!(*current, newer),
        other => panic!("{other:?}"),
    }
}
