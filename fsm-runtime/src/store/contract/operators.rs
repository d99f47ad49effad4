//! Promises about what operators do and see: holds, failures, their log, definitions.

use super::build::{claim, committed, create, entering, fire, get, history, key, later, now, release, tick, verdict};
use crate::store::{
    Cause, Change, Claim, Definition, Entering, HistoryQuery, Hold, Note, Operation, OperationEntry, Origin, Prune,
    Purge, Release, Row, SetDesiredState, Store, Transition, Verdict,
};
use std::sync::Arc;

fn ada() -> Origin {
    Origin { actor: Some("ada".into()), trace: Some("t-1".into()) }
}

fn hold(row: &Row, why: Option<&str>) -> Hold {
    let Row { key, incarnation, version, hold: seen, .. } = row.clone();
    let note = Note { about: "held", text: "why".into(), cause: Cause::Operator, origin: ada() };
    Hold { key, incarnation, version, seen, hold: why.map(str::to_owned), note: Some(note) }
}

/// A held row is neither due for work nor claimed. Its timer continues, and the hold stays when it moves.
pub async fn c20_a_hold_keeps_work_from_being_claimed(store: &Arc<dyn Store>) {
    let into = Entering { work: true, timers: tick(9), ..entering("Opening") };
    let created = committed(store, Change::Create(create("a", into))).await;
    let held = committed(store, Change::Hold(hold(&created, Some("why")))).await;
    assert_eq!((held.hold.as_deref(), held.version, held.retry_at), (Some("why"), 1, Some(now())));
    assert_eq!(held.wake_at(), Some(later(9)), "its timer");
    let due = async |seconds| store.due(vec!["Door".into()].into(), later(seconds), None, 10).await.unwrap().len();
    assert_eq!((due(8).await, due(9).await), (0, 1));
    let refused = verdict(store, vec![Change::Claim(claim(&held))]).await;
    assert_eq!(refused, Verdict::Fenced { change: 0, current: Box::new(held.clone()) });
    let stale = verdict(store, vec![Change::Hold(hold(&created, Some("again")))]).await;
    assert_eq!(stale, Verdict::Conflict { change: 0, current: Some(Box::new(held.clone())) });
    assert_eq!(history(store, "a").await.len(), 2, "with a note");
    let work = Entering { work: true, ..entering("Closing") };
    let fires = Transition { into: work, ..fire(&held, "close", "Closing") };
    let moved = committed(store, Change::Transition(fires)).await;
    assert_eq!((moved.hold.as_deref(), get(store, "a").await), (Some("why"), moved.clone()));
    let free = committed(store, Change::Hold(hold(&moved, None))).await;
    assert_eq!((free.hold.as_ref(), free.wake_at()), (None, Some(now())));
    committed(store, Change::Claim(claim(&free))).await;
}

/// A row has its first failure and its last one since it entered its state, each with its time.
pub async fn c20_the_first_and_the_last_failure_are_kept(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let mut row = created;
    for (seconds, error) in [(1, Some("jammed")), (2, None), (3, Some("rusty")), (4, Some("rusty")), (5, None)] {
        let claimed = committed(store, Change::Claim(claim(&row))).await;
        let ended = Release { error: error.map(str::to_owned), ..release(&claimed) };
        let verdict = store.commit(vec![Change::Release(ended).into()], later(seconds)).await.unwrap().remove(0);
        let Verdict::Committed { mut rows } = verdict else { panic!("{verdict:?}") };
        row = rows.remove(0);
    }
    assert_eq!((row.first_error.as_deref(), row.first_error_at), (Some("jammed"), Some(later(1))));
    assert_eq!((row.error.as_deref(), row.error_at), (Some("rusty"), Some(later(4))));
    // A crash is a failure too.
    let work = Entering { work: true, ..entering("Closing") };
    let fires = Transition { into: work, ..fire(&row, "close", "Closing") };
    let moved = committed(store, Change::Transition(fires)).await;
    assert_eq!((&moved.error, moved.error_at, &moved.first_error, moved.first_error_at), (&None, None, &None, None));
    let first = committed(store, Change::Claim(claim(&moved))).await;
    let taken = committed(store, Change::Claim(Claim { owner: "other".into(), ..claim(&first) })).await;
    assert_eq!((taken.error.as_deref(), taken.error_at), (Some(Claim::CRASH), Some(now())));
    assert_eq!((taken.first_error.as_deref(), taken.first_error_at), (Some(Claim::CRASH), Some(now())));
}

/// A desired state has its actor.
pub async fn a_desired_state_has_its_actor(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let set = SetDesiredState {
        desired_by: Some("ada".into()),
        ..SetDesiredState::of(&created, Some("Open".into()), None, None)
    };
    let set = committed(store, Change::SetDesiredState(set)).await;
    assert_eq!(set.desired_by.as_deref(), Some("ada"));
    let moved = committed(store, Change::Transition(fire(&set, "open", "Open"))).await;
    assert_eq!((moved.desired_by.as_deref(), get(store, "a").await), (Some("ada"), moved.clone()));
}

/// Entries with the cause `operator` are read apart from the others, of the whole store or of one instance.
pub async fn c20_what_operators_do_is_listed(store: &Arc<dyn Store>) {
    for id in ["a", "b", "c"] {
        let row = committed(store, Change::Create(create(id, entering("Open")))).await;
        let row = committed(store, Change::Hold(hold(&row, Some("why")))).await;
        committed(store, Change::Transition(fire(&row, "close", "Shut"))).await;
        committed(store, Change::Hold(hold(&get(store, id).await, None))).await;
    }
    let read = async |query: HistoryQuery| {
        let entries = store.history(query.by_operators()).await.unwrap();
        assert!(entries.iter().all(|entry| entry.cause == "operator" && entry.actor.as_deref() == Some("ada")));
        entries.iter().map(|entry| (entry.key.id.to_string(), entry.sequence)).collect::<Vec<_>>()
    };
    let all = read(HistoryQuery::new()).await;
    assert_eq!(all.iter().map(|(id, _)| id.as_str()).collect::<String>(), "aabbcc");
    assert_eq!(read(HistoryQuery::new().after(all[1].1).limit(2)).await, all[2..4]);
    let newest: Vec<_> = read(HistoryQuery::new().newest_first()).await.into_iter().rev().collect();
    assert_eq!(newest, all);
    let of_one = HistoryQuery { key: Some(key("b")), ..HistoryQuery::new() };
    assert_eq!(read(of_one).await, all[2..4]);
}

/// The operators' log is read page by page, the newest first. A purge with an actor is in it, and no other one.
pub async fn c20_the_log_keeps_purges_and_bulk_actions(store: &Arc<dyn Store>) {
    let purge = async |id: &str, origin: Origin| {
        let Row { key, incarnation, version, .. } =
            committed(store, Change::Create(create(id, entering("Open")))).await;
        committed(store, Change::Purge(Purge { key, incarnation, version, origin, why: Some("asked".into()) })).await;
    };
    purge("a", ada()).await;
    purge("b", Origin::default()).await;
    let mut bulk = Operation::new("release", ada());
    (bulk.machine, bulk.selector) = (Some("Door".into()), Some("parked".into()));
    (bulk.done, bulk.skipped, bulk.failed) = (7, 2, 1);
    let second = store.log_operation(bulk.clone(), later(5)).await.unwrap();
    let mut purged = Operation::new("purge", ada()).of(&key("a"));
    purged.why = Some("asked".into());
    let newest = store.operations(u64::MAX, 1).await.unwrap();
    assert_eq!(newest, [OperationEntry::new(second, later(5), bulk)]);
    let older = store.operations(second, 10).await.unwrap();
    assert_eq!(older.len(), 1);
    assert_eq!((older[0].at, &older[0].operation), (now(), &purged));
    assert!(older[0].sequence < second);
    let prune = Prune { operations_before: Some(later(5)), limit: 10, ..Prune::default() };
    assert_eq!(store.prune(prune.clone()).await.unwrap(), 1);
    assert_eq!(store.prune(prune).await.unwrap(), 0);
    let left = store.operations(u64::MAX, 10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert!(store.log_operation(Operation::new("retry", ada()), later(6)).await.unwrap() > second);
}

/// One definition of each machine is listed: that of a controller, and the latest.
pub async fn definitions_are_listed(store: &Arc<dyn Store>) {
    let definition = |machine: &str, version, controller| Definition {
        machine: machine.into(),
        version,
        fingerprint: u64::MAX,
        graph: format!("{{\"version\":{version}}}"),
        controller,
    };
    assert_eq!(store.definitions().await.unwrap(), []);
    store.define(vec![definition("Window", 2, false), definition("Door", 1, true)], now()).await.unwrap();
    store.define(vec![definition("Door", 3, true), definition("Door", 4, false)], later(1)).await.unwrap();
    let expected = [definition("Door", 3, true), definition("Window", 2, false)];
    assert_eq!(store.definitions().await.unwrap(), expected);
    for expected in expected {
        assert_eq!(store.definition(expected.machine.clone()).await.unwrap(), Some(expected));
    }
}
