//! Promises about single changes: creations, transitions, overrides, timers, desired states.

use super::build::{
    claim, committed, create, entering, fire, get, history, key, later, now, release, tick, timer, verdict,
};
use crate::store::{
    Arm, Cause, Change, Create, Disarm, Entering, HistoryKind, HistoryQuery, Origin, Override, Release, Rewrite, Row,
    SaveCheckpoint, SetDesiredState, Store, TimerDue, Transition, Verdict,
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

/// A creation writes a row at version 1 and one history entry.
pub async fn creation_writes_a_row_and_a_history_entry(store: &Arc<dyn Store>) {
    assert_eq!(store.get(key("a")).await.unwrap(), None);
    let creation = create("a", Entering { timers: tick(60), work: true, ..entering("Closed") });
    let row = committed(store, Change::Create(creation.clone())).await;
    assert_eq!(row, get(store, "a").await);
    assert_eq!((row.version, row.entered, row.fence, row.attempt), (1, 1, 0, 0));
    assert_eq!((row.state.as_str(), row.data.as_str(), row.schema), ("Closed", "{\"n\":1}", 1));
    assert_eq!(row.incarnation, creation.incarnation);
    assert_eq!((row.timer_at, row.retry_at, row.wake_at()), (Some(later(60)), Some(now()), Some(now())));
    assert_eq!(row.timers, running(&[("tick", 60)]));
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

/// An internal transition changes version, data, context and schema; the visit to the state continues.
pub async fn an_internal_transition_keeps_the_visit(store: &Arc<dyn Store>) {
    let timed = Entering { timers: tick(300), work: true, ..entering("Opening") };
    let created = committed(store, Change::Create(create("a", timed.clone()))).await;
    let claimed = committed(store, Change::Claim(claim(&created))).await;
    let checkpoint = SaveCheckpoint {
        key: claimed.key.clone(),
        incarnation: claimed.incarnation,
        version: claimed.version,
        fence: claimed.fence,
        checkpoint: "7".into(),
    };
    let held = committed(store, Change::SaveCheckpoint(checkpoint)).await;
    let desired = SetDesiredState {
        key: held.key.clone(),
        incarnation: held.incarnation,
        version: held.version,
        seen: None,
        desired: Some("Shut".into()),
        desired_by: None,
        due: Some(Duration::from_mins(1)),
        note: None,
    };
    let held = committed(store, Change::SetDesiredState(desired)).await;
    let into = Entering { data: "{\"n\":2}".into(), context: Some("3".into()), schema: 2, timers: Vec::new(), ..timed };
    let note = Transition { into, internal: true, ..fire(&held, "note", "Opening") };
    let mut verdicts = store.commit(vec![Change::Transition(note.clone()).into()], later(60)).await.unwrap();
    let Verdict::Committed { mut rows } = verdicts.remove(0) else { panic!("expected a commit, found {verdicts:?}") };
    let noted = rows.remove(0);
    let expected = Row { version: 2, data: "{\"n\":2}".into(), context: Some("3".into()), schema: 2, ..held.clone() };
    assert_eq!(noted, expected, "the timer, the claim, the attempt, the checkpoint and the desired state stay");
    assert_eq!((noted.entered, noted.updated, noted.timer_at), (1, now(), Some(later(300))));
    assert_eq!(get(store, "a").await, noted);
    match verdict(store, vec![Change::Transition(note)]).await {
        Verdict::Conflict { change: 0, current: Some(current) } => assert_eq!(*current, noted),
        other => panic!("{other:?}"),
    }
    let query =
        HistoryQuery { key: Some(key("a")), by_operators: false, after: u64::MAX, newest_first: true, limit: 1 };
    let entry = store.history(query).await.unwrap().remove(0);
    assert_eq!((entry.kind, entry.version, entry.event.as_deref()), (HistoryKind::Internal, 2, Some("note")));
    assert_eq!((entry.from.as_deref(), entry.to.as_str()), (Some("Opening"), "Opening"));
    assert_eq!((entry.data.as_deref(), entry.context.as_deref()), (Some("{\"n\":2}"), Some("3")));
    // A parked row stays parked.
    let parked = Release { retry: None, parked: Some("p".to_owned()), error: Some("e".into()), ..release(&noted) };
    let parked = committed(store, Change::Release(parked)).await;
    let again = Transition {
        into: Entering { schema: 2, ..entering("Opening") },
        internal: true,
        ..fire(&parked, "note", "Opening")
    };
    let row = committed(store, Change::Transition(again)).await;
    assert_eq!((row.parked.as_deref(), row.error.as_deref(), row.attempt), (Some("p"), Some("e"), 1));
    assert_eq!((row.version, row.retry_at, row.timer_at), (3, None, Some(later(300))));
}

/// The timer of a state whose event is internal starts again when it has fired.
pub async fn an_internal_transition_restarts_a_fired_timer(store: &Arc<dyn Store>) {
    let timed = Entering { timers: tick(5), ..entering("Open") };
    let created = committed(store, Change::Create(create("a", timed.clone()))).await;
    let tick = Transition { into: timed, internal: true, cause: Cause::Timer, ..fire(&created, "tick", "Open") };
    let verdicts = store.commit(vec![Change::Transition(tick).into()], later(6)).await.unwrap();
    assert!(matches!(verdicts[..], [Verdict::Committed { .. }]), "{verdicts:?}");
    let row = get(store, "a").await;
    assert_eq!((row.timer_at, row.entered, row.version), (Some(later(11)), 1, 2));
}

/// A worker that ends with an internal transition releases its claim, and its work is due again.
pub async fn a_worker_ends_with_an_internal_transition(store: &Arc<dyn Store>) {
    let work = Entering { work: true, ..entering("Opening") };
    let created = committed(store, Change::Create(create("a", work.clone()))).await;
    let claimed = committed(store, Change::Claim(claim(&created))).await;
    let ends = |fence| Transition {
        into: work.clone(),
        internal: true,
        fence: Some(fence),
        cause: Cause::Worker,
        ..fire(&claimed, "note", "Opening")
    };
    let late = verdict(store, vec![Change::Transition(ends(claimed.fence - 1))]).await;
    assert!(matches!(late, Verdict::Fenced { .. }), "{late:?}");
    let row = committed(store, Change::Transition(ends(claimed.fence))).await;
    assert_eq!((row.owner.as_deref(), row.retry_at, row.attempt), (None, Some(now()), 0));
    assert_eq!((row.version, row.entered, row.fence), (2, 1, claimed.fence));
}

/// A new state clears the timer, the attempts, the error and the checkpoint of the previous one.
pub async fn a_new_state_clears_timer_attempts_and_errors(store: &Arc<dyn Store>) {
    let timed = Entering { timers: tick(5), work: true, ..entering("Opening") };
    let created = committed(store, Change::Create(create("a", timed))).await;
    let claimed = committed(store, Change::Claim(claim(&created))).await;
    let parked =
        Release { retry: None, error: Some("e".to_owned()), parked: Some("p".to_owned()), ..release(&claimed) };
    let parked = committed(store, Change::Release(parked)).await;
    let row = committed(store, Change::Transition(fire(&parked, "stop", "Closed"))).await;
    assert_eq!((row.timer_at, row.retry_at, row.attempt), (None, None, 0));
    assert_eq!((row.error, row.parked, row.checkpoint), (None, None, None));
}

/// A row wakes for the earliest of its timers. A time that has passed is due at once, and a timer that never fires does not run.
pub async fn a_row_wakes_for_its_earliest_timer(store: &Arc<dyn Store>) {
    let past = now() - Duration::from_secs(5);
    let timers = |first| {
        vec![
            timer("late", TimerDue::After(Duration::from_secs(90))),
            timer("soon", first),
            timer("none", TimerDue::Never),
        ]
    };
    let after = Entering { timers: timers(TimerDue::After(Duration::from_secs(30))), ..entering("Open") };
    let row = committed(store, Change::Create(create("a", after))).await;
    assert_eq!(row, get(store, "a").await);
    assert_eq!((row.timer_at, row.timers.clone()), (Some(later(30)), running(&[("late", 90), ("soon", 30)])));
    let into = Entering { timers: timers(TimerDue::At(past)), ..entering("Open") };
    let row = committed(store, Change::Transition(Transition { into, ..fire(&row, "again", "Open") })).await;
    assert_eq!(row, get(store, "a").await);
    assert_eq!((row.timer_at, row.timers["late"], row.timers["soon"]), (Some(past), later(90), past));
    let row = committed(store, Change::Transition(fire(&row, "close", "Closed"))).await;
    assert_eq!((row.timer_at, row.timers), (None, running(&[])));
}

/// An internal transition starts the timers that it has, ends those that never fire, and leaves the others alone.
pub async fn an_internal_transition_rewinds_timers(store: &Arc<dyn Store>) {
    let into = Entering {
        timers: ["a", "b", "c"].map(|event| timer(event, TimerDue::After(Duration::from_secs(30)))).into(),
        ..entering("Open")
    };
    let row = committed(store, Change::Create(create("a", into))).await;
    let internal = |row: &Row, timers| Transition {
        into: Entering { timers, ..entering("Open") },
        internal: true,
        ..fire(row, "note", "Open")
    };
    let rewind =
        internal(&row, vec![timer("b", TimerDue::After(Duration::from_secs(40))), timer("c", TimerDue::Never)]);
    let verdicts = store.commit(vec![Change::Transition(rewind).into()], later(10)).await.unwrap();
    assert!(matches!(verdicts[..], [Verdict::Committed { .. }]), "{verdicts:?}");
    let row = get(store, "a").await;
    assert_eq!((row.timer_at, row.timers.clone()), (Some(later(30)), running(&[("a", 30), ("b", 50)])));
    let row = committed(store, Change::Transition(internal(&row, vec![timer("a", TimerDue::Never)]))).await;
    assert_eq!((row.timer_at, row.timers.clone()), (Some(later(50)), running(&[("b", 50)])));
    let row = committed(store, Change::Transition(internal(&row, vec![timer("b", TimerDue::Never)]))).await;
    assert_eq!((row.timer_at, row.timers.clone()), (None, running(&[])));
    let row = committed(store, Change::Transition(internal(&row, tick(5)))).await;
    assert_eq!((row.timer_at, row.timers), (Some(later(5)), running(&[("tick", 5)])));
}

/// Timers as a row has them, in seconds after [`now`].
fn running(timers: &[(&str, u64)]) -> BTreeMap<String, SystemTime> {
    timers.iter().map(|(event, at)| ((*event).to_owned(), later(*at))).collect()
}

/// Disarming ends one timer, keeps the version and adds a note to the history.
pub async fn a_timer_can_be_disarmed(store: &Arc<dyn Store>) {
    let timers = [tick(5), vec![timer("late", TimerDue::At(later(60)))]].concat();
    let created = committed(store, Change::Create(create("a", Entering { timers, ..entering("Open") }))).await;
    let disarm = Disarm {
        key: created.key.clone(),
        incarnation: created.incarnation,
        version: created.version,
        timer: "tick".into(),
        not_before: None,
        reason: "a guard refused".into(),
    };
    let row = committed(store, Change::Disarm(disarm.clone())).await;
    assert_eq!((row.timer_at, row.version, row.timers.clone()), (Some(later(60)), 1, running(&[("late", 60)])));
    let row = committed(store, Change::Disarm(Disarm { timer: "late".into(), ..disarm.clone() })).await;
    assert_eq!((row.timer_at, row.timers), (None, running(&[])));
    assert_eq!(history(store, "a").await.len(), 3);
    match verdict(store, vec![Change::Disarm(Disarm { version: 9, ..disarm })]).await {
        Verdict::Conflict { .. } => {}
        other => panic!("{other:?}"),
    }
}

/// A timer's change is not applied before the time of the timer.
pub async fn l7_a_timer_is_never_early(store: &Arc<dyn Store>) {
    let timed = Entering { timers: tick(5), ..entering("Open") };
    let created = committed(store, Change::Create(create("a", timed))).await;
    let at =
        async |change: Change, seconds: u64| store.commit(vec![change.into()], later(seconds)).await.unwrap().remove(0);
    let fires = Transition { cause: Cause::Timer, not_before: created.timer_at, ..fire(&created, "tick", "Shut") };
    let stays = Change::Transition(Transition { internal: true, ..fires.clone() });
    let fires = Change::Transition(fires);
    let Row { key, incarnation, version, timer_at: not_before, .. } = created.clone();
    let drops =
        Disarm { key, incarnation, version, timer: "tick".into(), not_before, reason: "a guard refused".into() };
    let drops = Change::Disarm(drops);
    for early in [&fires, &stays, &drops] {
        assert_eq!(at(early.clone(), 4).await, Verdict::TooEarly { change: 0, now: later(4) });
    }
    assert_eq!((get(store, "a").await, history(store, "a").await.len()), (created, 1));
    assert!(matches!(at(fires.clone(), 5).await, Verdict::Committed { .. }));
    for late in [fires, drops] {
        let verdict = at(late, 4).await;
        assert!(matches!(verdict, Verdict::Conflict { .. }), "the row has moved on: {verdict:?}");
    }
}

/// Arming a row sets its work and each timer once; a second time is a conflict.
pub async fn a_row_is_armed_once(store: &Arc<dyn Store>) {
    let row = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let arm = Arm {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: 1,
        work: true,
        timers: tick(60),
        reason: "declared since".into(),
    };
    let armed = committed(store, Change::Arm(arm.clone())).await;
    assert_eq!((armed.version, armed.retry_at, armed.timer_at), (1, Some(now()), Some(later(60))));
    let missed = verdict(store, vec![Change::Arm(arm.clone())]).await;
    assert!(matches!(missed, Verdict::Conflict { current: Some(_), .. }), "the row is already armed: {missed:?}");
    let timers = vec![timer("soon", TimerDue::At(later(30))), timer("tick", TimerDue::At(later(10)))];
    let armed = committed(store, Change::Arm(Arm { timers, ..arm })).await;
    assert_eq!((armed.timer_at, armed.timers), (Some(later(30)), running(&[("soon", 30), ("tick", 60)])));
    let entries = history(store, "a").await;
    assert_eq!(entries.len(), 3, "{entries:?}");
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
        into: Entering { timers: tick(9), ..entering("Nowhere near") },
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
