//! The contract of `Store`, held against every store: one function for each promise.

use crate::with;
use fsm_runtime::store::{
    Arm, Attempts, Cause, Change, Checkpoint, Claim, Create, Definition, Disarm, Due, Entering, Filter, Group,
    HistoryKind, HistoryQuery, Key, Note, Origin, Override, Page, Prune, Purge, Release, Renewal, Rewrite, Row, Scope,
    SetDesiredState, Store, StoreFuture, Transition, Verdict,
};
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

const NOW: Duration = Duration::from_secs(1_700_000_000);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

fn later(seconds: u64) -> SystemTime {
    now() + Duration::from_secs(seconds)
}

fn key(id: &str) -> Key {
    Key::new("Door", id)
}

fn entering(state: &str) -> Entering {
    Entering {
        state: state.into(),
        data: "{\"n\":1}".into(),
        context: None,
        schema: 1,
        timer: None,
        work: false,
        remove: false,
    }
}

fn create(id: &str, into: Entering) -> Create {
    Create {
        key: key(id),
        incarnation: Uuid::now_v7(),
        into,
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    }
}

fn fire(row: &Row, event: &str, to: &str) -> Transition {
    Transition {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: None,
        from: row.state.clone(),
        event: event.into(),
        payload: "null".into(),
        into: entering(to),
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    }
}

fn claim(row: &Row) -> Claim {
    Claim {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: row.fence,
        owner: "me".into(),
    }
}

fn release(row: &Row) -> Release {
    Release {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: row.fence,
        owner: row.owner.clone(),
        retry: Some(Duration::ZERO),
        attempts: Attempts::Keep,
        error: None,
        parked: None,
        note: None,
    }
}

async fn verdict(store: &dyn Store, changes: Vec<Change>) -> Verdict {
    let mut verdicts = store.commit(vec![Group { changes }], now()).await.unwrap();
    assert_eq!(verdicts.len(), 1);
    verdicts.remove(0)
}

async fn committed(store: &dyn Store, change: Change) -> Row {
    match verdict(store, vec![change]).await {
        Verdict::Committed { mut rows } => rows.remove(0),
        other => panic!("expected a commit, found {other:?}"),
    }
}

async fn get(store: &dyn Store, id: &str) -> Row {
    store.get(key(id)).await.unwrap().unwrap()
}

async fn history(store: &dyn Store, id: &str) -> Vec<(u64, Option<String>, Option<String>, String)> {
    let query = HistoryQuery { key: Some(key(id)), after: 0, newest_first: false, limit: 100 };
    let entries = store.history(query).await.unwrap();
    entries.into_iter().map(|entry| (entry.version, entry.from, entry.event, entry.to)).collect()
}

/// Runs every promise against stores made by `open`.
pub(super) async fn holds<S: Store + Clone>(open: impl AsyncFn() -> S) {
    a_birth_is_a_row_and_a_history_entry(&open().await).await;
    an_id_is_born_once(&open().await).await;
    a_transition_moves_the_version_by_one(&open().await).await;
    a_stale_transition_changes_nothing(&open().await).await;
    a_claim_moves_the_fence_and_leaves_the_version(&open().await).await;
    a_worker_that_lost_its_claim_is_fenced(&open().await).await;
    fences_never_repeat(&open().await).await;
    a_release_gives_the_row_back(&open().await).await;
    a_checkpoint_touches_nothing_else_and_needs_the_claim(&open().await).await;
    a_parked_row_is_not_due_and_is_noted(&open().await).await;
    a_new_state_clears_what_belonged_to_the_old_one(&open().await).await;
    a_timer_can_be_dropped(&open().await).await;
    an_override_is_a_new_stay_that_says_who_and_why(&open().await).await;
    a_wish_touches_its_own_columns(&open().await).await;
    a_group_is_all_or_nothing(&open().await).await;
    x4_groups_do_not_share_their_fate(&open().await).await;
    due_work_comes_earliest_first_and_by_page(&open().await).await;
    what_others_hold_comes_by_page(&open().await).await;
    l1_only_the_owner_claims_while_its_lease_lives(&open().await).await;
    l4_fences_only_grow(&open().await).await;
    leases_are_kept_while_they_say_whose_rows_are(&open().await).await;
    lists_are_paged_and_filtered(&open().await).await;
    lists_by_age_are_merged(&open().await).await;
    a_row_of_a_newer_schema_is_not_written_back(&open().await).await;
    a_context_is_kept_with_each_change(&open().await).await;
    an_idempotency_key_is_used_once(&open().await).await;
    a_birth_s_key_outlives_the_instance(&open().await).await;
    a_group_that_is_in_its_own_way_is_refused(&open().await).await;
    the_newest_entry_is_known_when_it_is_forgotten(&open().await).await;
    what_a_new_declaration_needs_is_armed_once(&open().await).await;
    x8_a_purge_leaves_nothing_and_the_id_is_free(&open().await).await;
    what_is_old_is_forgotten_in_batches(&open().await).await;
    what_is_left_of_a_row_that_is_gone_is_forgotten_on_request(&open().await).await;
    definitions_are_the_controllers_and_retire_with_their_rows(&open().await).await;
    x7_a_key_with_an_empty_part_is_refused_and_its_batch_commits(&open().await).await;
    x2_one_of_many_wins(Arc::new(open().await)).await;
    x3_one_key_from_many_callers_is_one_change(Arc::new(open().await)).await;
    x7_odd_text_comes_back_as_it_was(&open().await).await;
    a_dropped_call_is_whole_or_absent(&open().await).await;
}

async fn a_birth_is_a_row_and_a_history_entry(store: &dyn Store) {
    assert_eq!(store.get(key("a")).await.unwrap(), None);
    let birth = create("a", Entering { timer: Some(Duration::from_mins(1)), work: true, ..entering("Closed") });
    let row = committed(store, Change::Create(birth.clone())).await;
    assert_eq!(row, get(store, "a").await);
    assert_eq!((row.version, row.entered, row.fence, row.attempt), (1, 1, 0, 0));
    assert_eq!((row.state.as_str(), row.data.as_str(), row.schema), ("Closed", "{\"n\":1}", 1));
    assert_eq!(row.incarnation, birth.incarnation);
    assert_eq!((row.timer_at, row.retry_at, row.wake_at()), (Some(later(60)), Some(now()), Some(now())));
    assert_eq!((row.created, row.updated), (now(), now()));
    assert_eq!(history(store, "a").await, [(1, None, None, "Closed".into())]);
    assert_eq!(store.last_sequence().await.unwrap(), 1);
}

async fn an_id_is_born_once(store: &dyn Store) {
    let first = committed(store, Change::Create(create("a", entering("Closed")))).await;
    match verdict(store, vec![Change::Create(create("a", entering("Open")))]).await {
        Verdict::Conflict { change: 0, current: Some(current) } => assert_eq!(*current, first),
        other => panic!("{other:?}"),
    }
    assert_eq!(history(store, "a").await.len(), 1);
}

async fn a_transition_moves_the_version_by_one(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let open = committed(store, Change::Transition(fire(&born, "open", "Open"))).await;
    assert_eq!((open.version, open.entered, open.state.as_str()), (2, 2, "Open"));
    let again = committed(store, Change::Transition(fire(&open, "knock", "Open"))).await;
    assert_eq!((again.version, again.entered), (3, 3), "a self-transition enters anew");
    let expected = [
        (1, None, None, "Closed".into()),
        (2, Some("Closed".to_owned()), Some("open".to_owned()), "Open".into()),
        (3, Some("Open".to_owned()), Some("knock".to_owned()), "Open".into()),
    ];
    assert_eq!(history(store, "a").await, expected);
}

async fn a_stale_transition_changes_nothing(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let open = committed(store, Change::Transition(fire(&born, "open", "Open"))).await;
    match verdict(store, vec![Change::Transition(fire(&born, "lock", "Locked"))]).await {
        Verdict::Conflict { change: 0, current: Some(current) } => assert_eq!(*current, open),
        other => panic!("{other:?}"),
    }
    let former_life = with(open.clone(), |row| row.incarnation = Uuid::now_v7());
    match verdict(store, vec![Change::Transition(fire(&former_life, "close", "Closed"))]).await {
        Verdict::Conflict { change: 0, current: Some(current) } => assert_eq!(*current, open),
        other => panic!("{other:?}"),
    }
    let unborn = with(born, |row| row.key = key("b"));
    match verdict(store, vec![Change::Transition(fire(&unborn, "open", "Open"))]).await {
        Verdict::Conflict { change: 0, current: None } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(get(store, "a").await, open);
    assert_eq!(history(store, "a").await.len(), 2);
}

async fn a_claim_moves_the_fence_and_leaves_the_version(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let claimed = committed(store, Change::Claim(claim(&born))).await;
    assert_eq!((claimed.version, claimed.attempt, claimed.owner.as_deref()), (1, 1, Some("me")));
    assert!(claimed.fence > born.fence);
    assert_eq!(claimed.retry_at, None, "nothing is due while somebody is at it");
    match verdict(store, vec![Change::Claim(claim(&born))]).await {
        Verdict::Fenced { change: 0, current } => assert_eq!(*current, claimed),
        other => panic!("{other:?}"),
    }
    assert_eq!(history(store, "a").await.len(), 1, "a claim is no change of the instance");
    let moved = committed(store, Change::Transition(fire(&born, "stop", "Closed"))).await;
    assert_eq!(moved.owner.as_deref(), Some("me"), "the owner stays until its worker has ended");
    assert_eq!((moved.fence, moved.attempt), (claimed.fence, 0));
}

async fn a_worker_that_lost_its_claim_is_fenced(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let first = committed(store, Change::Claim(claim(&born))).await;
    let second = committed(store, Change::Claim(claim(&first))).await;
    let late = Transition { fence: Some(first.fence), ..fire(&first, "done", "Open") };
    match verdict(store, vec![Change::Transition(late)]).await {
        Verdict::Fenced { change: 0, current } => assert_eq!(*current, second),
        other => panic!("{other:?}"),
    }
    let done = Transition { fence: Some(second.fence), ..fire(&second, "done", "Open") };
    let open = committed(store, Change::Transition(done)).await;
    assert_eq!((open.version, open.owner.as_deref()), (2, None), "its own commit gives the claim back");
}

async fn fences_never_repeat(store: &dyn Store) {
    let mut seen = HashSet::new();
    for id in ["a", "b", "c"] {
        let mut row = committed(store, Change::Create(create(id, entering("Opening")))).await;
        for _ in 0..5 {
            row = committed(store, Change::Claim(claim(&row))).await;
            assert!(seen.insert(row.fence), "fence {} came twice", row.fence);
        }
    }
    let highest = seen.iter().max().copied();
    let row = committed(store, Change::Create(create("d", entering("Opening")))).await;
    assert!(Some(committed(store, Change::Claim(claim(&row))).await.fence) > highest);
}

async fn a_release_gives_the_row_back(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let claimed = committed(store, Change::Claim(claim(&born))).await;
    let failed = Release { retry: Some(Duration::from_secs(9)), error: Some("jammed".to_owned()), ..release(&claimed) };
    let row = committed(store, Change::Release(failed)).await;
    assert_eq!((row.version, row.owner.as_deref(), row.attempt), (1, None, 1));
    assert_eq!((row.retry_at, row.error.as_deref()), (Some(later(9)), Some("jammed")));
    let claimed = committed(store, Change::Claim(claim(&row))).await;
    assert_eq!(claimed.attempt, 2);
    let back = Release { attempts: Attempts::GiveBack, ..release(&claimed) };
    assert_eq!(committed(store, Change::Release(back.clone())).await.attempt, 1);
    let other_fence = Release { fence: 0, ..back };
    match verdict(store, vec![Change::Release(other_fence)]).await {
        Verdict::Fenced { .. } => {}
        other => panic!("{other:?}"),
    }
}

async fn a_checkpoint_touches_nothing_else_and_needs_the_claim(store: &dyn Store) {
    let checkpoint = |row: &Row, text: &str| {
        let Row { key, incarnation, version, fence, .. } = row.clone();
        Change::Checkpoint(Checkpoint { key, incarnation, version, fence, checkpoint: text.to_owned() })
    };
    let born = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let unclaimed = verdict(store, vec![checkpoint(&born, "0")]).await;
    assert!(matches!(unclaimed, Verdict::Fenced { change: 0, .. }), "{unclaimed:?}");
    let first = committed(store, Change::Claim(claim(&born))).await;
    committed(store, checkpoint(&first, "1")).await;
    let kept = committed(store, checkpoint(&first, "[2]")).await;
    assert_eq!(kept, with(first.clone(), |row| row.checkpoint = Some("[2]".to_owned())));
    assert_eq!(get(store, "a").await, kept);
    assert_eq!(history(store, "a").await.len(), 1);
    let free = committed(store, Change::Release(release(&first))).await;
    let late = verdict(store, vec![checkpoint(&first, "3")]).await;
    assert_eq!(late, Verdict::Fenced { change: 0, current: Box::new(free.clone()) }, "the claim is given back");
    let second = committed(store, Change::Claim(claim(&free))).await;
    assert_eq!(second.checkpoint.as_deref(), Some("[2]"), "kept over release and claim");
    let fenced = verdict(store, vec![checkpoint(&first, "3")]).await;
    assert_eq!(fenced, Verdict::Fenced { change: 0, current: Box::new(second.clone()) });
    let again = committed(store, Change::Transition(fire(&second, "again", "Opening"))).await;
    assert_eq!(again.checkpoint, None, "a new stay");
    let moved_on = verdict(store, vec![checkpoint(&second, "3")]).await;
    assert_eq!(moved_on, Verdict::Conflict { change: 0, current: Some(Box::new(again)) });
}

async fn a_parked_row_is_not_due_and_is_noted(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let claimed = committed(store, Change::Claim(claim(&born))).await;
    let parked = Release {
        retry: None,
        parked: Some("it is jammed".to_owned()),
        note: Some(Note {
            about: "parked",
            text: "it is jammed".into(),
            cause: Cause::Worker,
            origin: Origin::default(),
        }),
        ..release(&claimed)
    };
    let row = committed(store, Change::Release(parked)).await;
    assert_eq!((row.parked.as_deref(), row.wake_at(), row.version), (Some("it is jammed"), None, 1));
    assert!(store.due(vec!["Door".into()].into(), later(1_000), None, 10).await.unwrap().is_empty());
    match verdict(store, vec![Change::Claim(claim(&row))]).await {
        Verdict::Fenced { .. } | Verdict::Conflict { .. } => {}
        other => panic!("a parked row was claimed: {other:?}"),
    }
    let entries =
        store.history(HistoryQuery { key: Some(key("a")), after: 1, newest_first: false, limit: 10 }).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].kind, entries[0].version), (HistoryKind::Note, 1));
    assert_eq!(entries[0].payload.as_deref(), Some("it is jammed"));
}

async fn a_new_state_clears_what_belonged_to_the_old_one(store: &dyn Store) {
    let timed = Entering { timer: Some(Duration::from_secs(5)), work: true, ..entering("Opening") };
    let born = committed(store, Change::Create(create("a", timed))).await;
    let claimed = committed(store, Change::Claim(claim(&born))).await;
    let parked =
        Release { retry: None, error: Some("e".to_owned()), parked: Some("p".to_owned()), ..release(&claimed) };
    let parked = committed(store, Change::Release(parked)).await;
    let row = committed(store, Change::Transition(fire(&parked, "stop", "Closed"))).await;
    assert_eq!((row.timer_at, row.retry_at, row.attempt), (None, None, 0));
    assert_eq!((row.error, row.parked, row.checkpoint), (None, None, None));
}

async fn a_timer_can_be_dropped(store: &dyn Store) {
    let timed = Entering { timer: Some(Duration::from_secs(5)), ..entering("Open") };
    let born = committed(store, Change::Create(create("a", timed))).await;
    let disarm = Disarm {
        key: born.key.clone(),
        incarnation: born.incarnation,
        version: born.version,
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

async fn an_override_is_a_new_stay_that_says_who_and_why(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Open") }))).await;
    let held = committed(store, Change::Claim(claim(&born))).await;
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
    assert_eq!((row.owner.as_deref(), row.fence), (Some("me"), held.fence), "its worker is still to be stopped");
    assert_eq!((row.timer_at, row.retry_at), (Some(later(9)), None));
    let again = verdict(store, vec![Change::Override(moved)]).await;
    assert!(matches!(again, Verdict::Conflict { .. }), "{again:?}");
    let query = HistoryQuery { key: Some(key("a")), after: u64::MAX, newest_first: true, limit: 1 };
    let entry = store.history(query).await.unwrap().remove(0);
    assert_eq!((entry.kind, entry.cause.as_str(), entry.version), (HistoryKind::Override, "operator", 2));
    assert_eq!((entry.actor.as_deref(), entry.payload.as_deref()), (Some("ada"), Some("because")));
    assert_eq!((entry.from.as_deref(), entry.data), (Some("Open"), Some(row.data)));
}

async fn a_wish_touches_its_own_columns(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", entering("Open")))).await;
    let wish = |row: &Row, wish: Option<&str>, due| SetDesiredState {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        seen: row.desired.clone(),
        desired: wish.map(Into::into),
        due,
        note: None,
    };
    let wished =
        committed(store, Change::SetDesiredState(wish(&born, Some("Shut"), Some(Duration::from_secs(3))))).await;
    assert_eq!(
        (wished.desired.as_deref(), wished.desired_at, wished.wake_at()),
        (Some("Shut"), Some(later(3)), Some(later(3)))
    );
    let without = with(wished.clone(), |row| (row.desired, row.desired_at) = (None, None));
    assert_eq!(without, born, "nothing else changed");
    let due = store.due(vec!["Door".into()].into(), later(3), None, 10).await.unwrap();
    assert_eq!(due.len(), 1, "what is wished is due work");
    // Who has not read the wish that is there does not replace it.
    let stale = verdict(store, vec![Change::SetDesiredState(wish(&born, Some("Locked"), None))]).await;
    assert!(matches!(stale, Verdict::Conflict { .. }), "{stale:?}");
    // Each transition makes it due, and leaves it.
    let asleep = committed(store, Change::SetDesiredState(wish(&wished, Some("Shut"), None))).await;
    assert_eq!(asleep.wake_at(), None);
    let moved = committed(store, Change::Transition(fire(&asleep, "push", "Ajar"))).await;
    assert_eq!((moved.desired.as_deref(), moved.desired_at), (Some("Shut"), Some(now())));
    let none = committed(store, Change::SetDesiredState(wish(&moved, None, None))).await;
    assert_eq!((none.desired.as_deref(), none.wake_at(), none.version), (None, None, 2));
    assert_eq!(history(store, "a").await.len(), 2);
}

async fn a_group_is_all_or_nothing(store: &dyn Store) {
    let a = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let stale = with(a.clone(), |row| row.version = 9);
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

async fn x4_groups_do_not_share_their_fate(store: &dyn Store) {
    let a = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let stale = with(a.clone(), |row| row.version = 9);
    let groups = vec![
        Change::Transition(fire(&stale, "open", "Open")).into(),
        Change::Transition(fire(&a, "open", "Open")).into(),
        Change::Create(create("b", entering("Closed"))).into(),
    ];
    let verdicts = store.commit(groups, now()).await.unwrap();
    assert!(matches!(verdicts[0], Verdict::Conflict { .. }), "{verdicts:?}");
    assert!(matches!(verdicts[1], Verdict::Committed { .. }), "{verdicts:?}");
    assert!(matches!(verdicts[2], Verdict::Committed { .. }), "{verdicts:?}");
    let all = store.history(HistoryQuery { key: None, after: 0, newest_first: false, limit: 10 }).await.unwrap();
    assert_eq!(all.iter().map(|e| e.sequence).collect::<Vec<_>>(), [1, 2, 3]);
}

async fn due_work_comes_earliest_first_and_by_page(store: &dyn Store) {
    for n in (0..25).rev() {
        let timer = Some(Duration::from_secs(n / 2));
        let into = Entering { timer, ..entering("Open") };
        committed(store, Change::Create(create(&format!("{n:02}"), into))).await;
    }
    committed(store, Change::Create(create("resting", entering("Closed")))).await;
    let other = Create { key: Key::new("Window", "w"), ..create("w", Entering { work: true, ..entering("Open") }) };
    committed(store, Change::Create(other)).await;
    let mut all: Vec<Due> = Vec::new();
    loop {
        let page = store.due(vec!["Door".into()].into(), later(10), all.last().cloned(), 4).await.unwrap();
        assert!(page.len() <= 4);
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let ids: Vec<_> = all.iter().map(|due| due.key.id.to_string()).collect();
    assert_eq!(ids, (0..22).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    assert!(all.is_sorted_by_key(|due| due.at));
    let mut by_half = Vec::new();
    for shards in [0..=0x7fff, 0x8000..=u16::MAX] {
        let scope = Scope { machines: vec!["Door".into()], shards: shards.clone() };
        for due in store.due(scope, later(10), None, 100).await.unwrap() {
            assert!(shards.contains(&store.get(due.key.clone()).await.unwrap().unwrap().shard));
            by_half.push(due);
        }
    }
    by_half.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    assert_eq!(by_half, all);
    let both = store.due(vec!["Door".into(), "Window".into()].into(), now(), None, 10).await.unwrap();
    assert_eq!(both.len(), 3);
    // One moment, two machines, page by page.
    let mut all: Vec<Due> = Vec::new();
    loop {
        let page =
            store.due(vec!["Window".into(), "Door".into()].into(), later(1), all.last().cloned(), 1).await.unwrap();
        let Some(due) = page.into_iter().next() else { break };
        all.push(due);
    }
    let ids: Vec<_> = all.iter().map(|due| &*due.key.id).collect();
    assert_eq!(ids, ["00", "01", "w", "02", "03"]);
}

async fn what_others_hold_comes_by_page(store: &dyn Store) {
    for n in 0..7 {
        let row = committed(store, Change::Create(create(&n.to_string(), entering("Opening")))).await;
        let owner = if n == 3 { "me" } else { "other" };
        committed(store, Change::Claim(Claim { owner: owner.into(), ..claim(&row) })).await;
    }
    let mut all: Vec<Key> = Vec::new();
    loop {
        let machines = vec!["Door".to_owned(), "Window".to_owned()];
        let page = store.held_by_others(machines.into(), "me".into(), all.last().cloned(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    assert_eq!(all, ["0", "1", "2", "4", "5", "6"].map(key));
}

fn renewal(owner: &str, seconds: u64) -> Renewal {
    Renewal { owner: owner.into(), holder: format!("process {owner}"), ttl: Duration::from_secs(seconds) }
}

async fn claimed_at(store: &dyn Store, row: &Row, owner: &str, at: SystemTime) -> Verdict {
    let claim = Change::Claim(Claim { owner: owner.into(), ..claim(row) });
    store.commit(vec![claim.into()], at).await.unwrap().remove(0)
}

async fn l1_only_the_owner_claims_while_its_lease_lives(store: &dyn Store) {
    store.renew(vec![renewal("a", 15)], now()).await.unwrap();
    let born = committed(store, Change::Create(create("1", entering("Opening")))).await;
    let held = committed(store, Change::Claim(Claim { owner: "a".into(), ..claim(&born) })).await;
    // An event from elsewhere leaves the owner, and with it the claim.
    let moved = committed(store, Change::Transition(fire(&held, "again", "Opening"))).await;
    assert_eq!(moved.owner.as_deref(), Some("a"));
    match claimed_at(store, &moved, "b", later(14)).await {
        Verdict::Fenced { current, .. } => assert_eq!(*current, moved),
        other => panic!("{other:?}"),
    }
    assert!(matches!(claimed_at(store, &moved, "a", later(14)).await, Verdict::Committed { .. }));
    let held = get(store, "1").await;
    assert_eq!((held.attempt, &held.error), (1, &None), "an attempt of this stay there was none before");
    // A lease that is renewed lasts longer; one that has lapsed holds nobody off.
    store.renew(vec![renewal("a", 15)], later(10)).await.unwrap();
    assert!(matches!(claimed_at(store, &held, "b", later(24)).await, Verdict::Fenced { .. }));
    assert!(matches!(claimed_at(store, &held, "b", later(25)).await, Verdict::Committed { .. }));
    // One that was ended neither.
    store.renew(vec![renewal("b", 15)], later(25)).await.unwrap();
    let held = get(store, "1").await;
    assert_eq!((held.attempt, held.error.as_deref()), (2, Some(Claim::CRASH)));
    assert!(matches!(claimed_at(store, &held, "c", later(26)).await, Verdict::Fenced { .. }));
    store.end_leases(vec!["b".into()], later(26)).await.unwrap();
    assert!(matches!(claimed_at(store, &held, "c", later(26)).await, Verdict::Committed { .. }));
}

async fn l4_fences_only_grow(store: &dyn Store) {
    let mut last = 0;
    for owner in ["a", "b"] {
        for _ in 0..3 {
            let born = committed(store, Change::Create(create("1", entering("Opening")))).await;
            assert_eq!(born.fence, 0, "nobody has claimed this life of the id");
            let held = committed(store, Change::Claim(Claim { owner: owner.into(), ..claim(&born) })).await;
            assert!(held.fence > last, "{} after {last}", held.fence);
            let again = committed(store, Change::Claim(Claim { owner: owner.into(), ..claim(&held) })).await;
            assert!(again.fence > held.fence, "{} after {}, by the same owner", again.fence, held.fence);
            let held = again;
            last = held.fence;
            let gone = Entering { remove: true, ..entering("Removed") };
            let end = Transition { into: gone, ..fire(&held, "remove", "Removed") };
            committed(store, Change::Transition(end)).await;
        }
    }
}

async fn leases_are_kept_while_they_say_whose_rows_are(store: &dyn Store) {
    let both = vec![renewal("idle", 5), renewal("busy", 15)];
    let leases = store.renew(both, now()).await.unwrap();
    assert_eq!(
        leases.iter().map(|lease| (&*lease.owner, lease.until)).collect::<Vec<_>>(),
        [("idle", later(5)), ("busy", later(15)),]
    );
    let born = committed(store, Change::Create(create("1", entering("Opening")))).await;
    committed(store, Change::Claim(Claim { owner: "busy".into(), ..claim(&born) })).await;
    store.renew(vec![renewal("me", 15)], later(20)).await.unwrap();
    let leases = store.leases(later(20)).await.unwrap();
    let seen: Vec<_> = leases.iter().map(|lease| (&*lease.owner, lease.live, lease.until)).collect();
    assert_eq!(seen, [("busy", false, later(15)), ("me", true, later(35))]);
    assert_eq!((leases[0].since, &*leases[0].holder), (now(), "process busy"));
    store.end_leases(vec!["me".into()], later(21)).await.unwrap();
    let left = store.leases(later(21)).await.unwrap();
    assert_eq!(left.iter().map(|lease| &*lease.owner).collect::<Vec<_>>(), ["busy"]);
}

async fn lists_are_paged_and_filtered(store: &dyn Store) {
    for n in 0..10 {
        let state = if n % 2 == 0 { "Open" } else { "Closed" };
        committed(store, Change::Create(create(&n.to_string(), entering(state)))).await;
    }
    let ids = |page: &Page<Row>| page.items.iter().map(|row| row.key.id.to_string()).collect::<Vec<_>>();
    let filter =
        Filter { machine: "Door".into(), states: None, entered_before: None, parked: false, after: None, limit: 4 };
    let first = store.list(filter.clone()).await.unwrap();
    assert_eq!((ids(&first), first.next.as_deref()), (vec!["0".into(), "1".into(), "2".into(), "3".into()], Some("3")));
    let last = store.list(Filter { after: Some("5".to_owned()), ..filter.clone() }).await.unwrap();
    assert_eq!((ids(&last).len(), last.next), (4, None));
    let open = Filter { states: Some(vec!["Open".to_owned()]), limit: 2, ..filter.clone() };
    let first = store.list(open.clone()).await.unwrap();
    assert_eq!(ids(&first), ["0", "2"]);
    let second = store.list(Filter { after: first.next, ..open.clone() }).await.unwrap();
    assert_eq!(ids(&second), ["4", "6"]);
    let last = store.list(Filter { after: second.next, ..open.clone() }).await.unwrap();
    assert_eq!((ids(&last), last.next), (vec!["8".to_owned()], None));
    assert!(store.list(Filter { entered_before: Some(now()), ..open.clone() }).await.unwrap().items.is_empty());
    assert!(store.list(Filter { parked: true, ..open }).await.unwrap().items.is_empty());
    let counted = store.count("Door".into()).await.unwrap().into_iter().map(|it| (it.state, it.schema, it.rows));
    assert_eq!(counted.collect::<Vec<_>>(), [("Closed".into(), 1, 5), ("Open".into(), 1, 5)]);
    assert!(store.list(Filter { machine: "Window".into(), ..filter }).await.unwrap().items.is_empty());
    let in_use =
        store.states_in_use("Door".into()).await.unwrap().into_iter().map(|it| (it.state, it.schema, it.example));
    assert_eq!(in_use.collect::<Vec<_>>(), [("Closed".into(), 1, key("1")), ("Open".into(), 1, key("0"))]);
}

/// A list of several states, of one with rows of several schema versions, or of parked rows, is one list by age.
async fn lists_by_age_are_merged(store: &dyn Store) {
    for n in 0..12_u64 {
        let into = Entering {
            schema: 1 + u32::try_from(n % 2).unwrap(),
            ..entering(["Open", "Ajar", "Shut"][usize::try_from(n).unwrap() % 3])
        };
        let born = Change::Create(create(&format!("{:02}", 11 - n), into));
        let mut verdicts = store.commit(vec![born.into()], later(n)).await.unwrap();
        let Verdict::Committed { rows } = verdicts.remove(0) else { panic!() };
        if n >= 4 {
            committed(store, Change::Release(Release { retry: None, parked: Some("p".into()), ..release(&rows[0]) }))
                .await;
        }
    }
    let all = async |filter: Filter| {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = store.list(Filter { after, ..filter.clone() }).await.unwrap();
            assert!(page.items.len() <= filter.limit);
            ids.extend(page.items.into_iter().map(|row| row.key.id.to_string()));
            after = page.next;
            if after.is_none() {
                return ids.join(" ");
            }
        }
    };
    let filter =
        Filter { machine: "Door".into(), states: None, entered_before: None, parked: false, after: None, limit: 2 };
    let two = Filter { states: Some(vec!["Open".into(), "Ajar".into()]), ..filter.clone() };
    assert_eq!(all(two.clone()).await, "11 10 08 07 05 04 02 01");
    assert_eq!(all(Filter { entered_before: Some(later(4)), ..two.clone() }).await, "11 10 08");
    assert_eq!(all(Filter { parked: true, ..two }).await, "07 05 04 02 01");
    let of_an_age = Filter { entered_before: Some(later(4)), ..filter.clone() };
    assert_eq!(all(of_an_age).await, "11 10 09 08", "of whatever state");
    let parked = Filter { parked: true, ..filter };
    assert_eq!(all(parked.clone()).await, "07 06 05 04 03 02 01 00");
    assert_eq!(all(Filter { states: Some(vec!["Shut".into()]), ..parked.clone() }).await, "06 03 00");
    assert_eq!(all(Filter { entered_before: Some(later(6)), limit: 9, ..parked }).await, "07 06");
    let counted = store.count("Door".into()).await.unwrap().into_iter().map(|it| (it.state, it.schema, it.rows));
    let expected = ["Ajar", "Open", "Shut"].map(|state| [(state.to_owned(), 1, 2), (state.to_owned(), 2, 2)]);
    assert_eq!(counted.collect::<Vec<_>>(), expected.concat());
}

/// The row has it, and the history has what it was after each transition.
async fn a_context_is_kept_with_each_change(store: &dyn Store) {
    let with = |state, context: &str| Entering { context: Some(context.into()), ..entering(state) };
    let birth = Create { idempotency_key: Some("k0".to_owned()), ..create("a", with("Closed", "{\"at\":1}")) };
    let born = committed(store, Change::Create(birth.clone())).await;
    assert_eq!(born.context.as_deref(), Some("{\"at\":1}"));
    let otherwise = Create { into: with("Closed", "{\"at\":2}"), ..birth };
    assert!(matches!(verdict(store, vec![Change::Create(otherwise)]).await, Verdict::KeyReused { .. }));
    let opened =
        committed(store, Change::Transition(Transition { into: with("Open", "2"), ..fire(&born, "open", "Open") }))
            .await;
    let Row { key, incarnation, version, state, data, .. } = opened.clone();
    let rewrite = Rewrite { key, incarnation, version, state, data, context: Some("3".to_owned()), schema: 2 };
    let newer = committed(store, Change::Rewrite(rewrite)).await;
    assert_eq!((opened.context.as_deref(), newer.context.as_deref()), (Some("2"), Some("3")));
    assert_eq!(store.get(self::key("a")).await.unwrap().unwrap(), newer);
    let query = HistoryQuery { key: Some(self::key("a")), after: 0, newest_first: false, limit: 9 };
    let history = store.history(query).await.unwrap().into_iter().map(|entry| entry.context);
    assert_eq!(history.collect::<Vec<_>>(), [Some("{\"at\":1}".to_owned()), Some("2".to_owned())]);
}

/// What newer code has written anew, under the same version, older code does not write back.
async fn a_row_of_a_newer_schema_is_not_written_back(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let Row { key, incarnation, version, state, data, .. } = born.clone();
    let rewrite = Rewrite { key, incarnation, version, state, data, context: None, schema: 2 };
    let newer = committed(store, Change::Rewrite(rewrite)).await;
    assert_eq!((newer.version, newer.schema), (1, 2));
    match verdict(store, vec![Change::Transition(fire(&born, "open", "Open"))]).await {
        Verdict::Conflict { current: Some(current), .. } => assert_eq!(*current, newer),
        other => panic!("{other:?}"),
    }
}

async fn an_idempotency_key_is_used_once(store: &dyn Store) {
    let birth = Create { idempotency_key: Some("k0".to_owned()), ..create("a", entering("Closed")) };
    let born = committed(store, Change::Create(birth.clone())).await;
    let again = Create { incarnation: Uuid::now_v7(), ..birth.clone() };
    match verdict(store, vec![Change::Create(again)]).await {
        Verdict::Duplicate { change: 0, first } => {
            assert_eq!((first.version, first.incarnation), (1, born.incarnation));
        }
        other => panic!("{other:?}"),
    }
    let otherwise = Create { into: entering("Open"), ..birth };
    assert!(matches!(verdict(store, vec![Change::Create(otherwise)]).await, Verdict::KeyReused { .. }));

    let open = Transition { idempotency_key: Some("k1".to_owned()), ..fire(&born, "open", "Open") };
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

    // A `HashMap` is written in another order each time.
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

async fn a_birth_s_key_outlives_the_instance(store: &dyn Store) {
    let birth = |incarnation| Create {
        incarnation,
        idempotency_key: Some("k".to_owned()),
        ..create("a", Entering { remove: true, ..entering("Closed") })
    };
    let born = committed(store, Change::Create(birth(Uuid::now_v7()))).await;
    assert_eq!(store.get(key("a")).await.unwrap(), None, "removed on entry");
    match verdict(store, vec![Change::Create(birth(Uuid::now_v7()))]).await {
        Verdict::Duplicate { change: 0, first } => assert_eq!(first.incarnation, born.incarnation),
        other => panic!("{other:?}"),
    }
    // In another life the key stands for nothing.
    let next = committed(store, Change::Create(create("a", entering("Closed")))).await;
    match verdict(store, vec![Change::Create(birth(Uuid::now_v7()))]).await {
        Verdict::Conflict { change: 0, current } => assert_eq!(current.as_deref(), Some(&next)),
        other => panic!("{other:?}"),
    }
}

async fn a_group_that_is_in_its_own_way_is_refused(store: &dyn Store) {
    let born = committed(store, Change::Create(create("a", entering("Closed")))).await;
    let open = || Transition { idempotency_key: Some("k".to_owned()), ..fire(&born, "open", "Open") };
    // Made before by nobody, so it is no duplicate; and the row is as both had read it, so it is no conflict.
    for twice in [open(), fire(&born, "knock", "Closed")] {
        let group = vec![Change::Transition(open()), Change::Transition(twice)];
        let refused = verdict(store, group).await;
        assert!(matches!(refused, Verdict::Refused { change: 1, .. }), "{refused:?}");
        assert_eq!(get(store, "a").await, born);
    }
    assert_eq!(history(store, "a").await.len(), 1);
}

async fn what_a_new_declaration_needs_is_armed_once(store: &dyn Store) {
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
    assert!(matches!(missed, Verdict::Conflict { current: Some(_), .. }), "there is nothing left to arm: {missed:?}");
    let entries = history(store, "a").await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[1].2.as_deref(), Some("armed"));
}

async fn x8_a_purge_leaves_nothing_and_the_id_is_free(store: &dyn Store) {
    let keyed = || Create { idempotency_key: Some("k".into()), ..create("a", entering("Closed")) };
    let row = committed(store, Change::Create(keyed())).await;
    let row = committed(store, Change::Transition(fire(&row, "open", "Open"))).await;
    committed(store, Change::Create(create("b", entering("Closed")))).await;
    let purge = |version| Purge { key: row.key.clone(), incarnation: row.incarnation, version };
    let missed = verdict(store, vec![Change::Purge(purge(1))]).await;
    assert!(matches!(missed, Verdict::Conflict { current: Some(_), .. }), "{missed:?}");
    committed(store, Change::Purge(purge(2))).await;
    assert_eq!(store.get(key("a")).await.unwrap(), None);
    assert_eq!(history(store, "a").await, []);
    assert_eq!(store.find_by_idempotency_key(key("a"), "k".into()).await.unwrap(), None);
    assert_eq!(history(store, "b").await.len(), 1, "others are left alone");
    let again = committed(store, Change::Create(keyed())).await;
    assert_eq!((again.version, again.incarnation == row.incarnation), (1, false));
}

async fn what_is_old_is_forgotten_in_batches(store: &dyn Store) {
    for n in 0..5 {
        let create = Create { idempotency_key: Some("k".into()), ..create(&n.to_string(), entering("Closed")) };
        store.commit(vec![Change::Create(create).into()], later(n)).await.unwrap();
    }
    let forget = async |prune: Prune| store.prune(Prune { limit: 2, ..prune }).await.unwrap();
    let history_before = Some(later(4));
    assert_eq!(forget(Prune { history_before, ..Prune::default() }).await, 0, "keys hold up what they answer with");
    let keys = || Prune { keys_before: Some(later(3)), ..Prune::default() };
    assert_eq!((forget(keys()).await, forget(keys()).await, forget(keys()).await), (2, 1, 0));
    let history = || Prune { history_before, ..Prune::default() };
    assert_eq!((forget(history()).await, forget(history()).await, forget(history()).await), (2, 1, 0));
    assert_eq!(store.pruned_through().await.unwrap(), 3, "the fourth has a key still");
    assert_eq!(store.find_by_idempotency_key(key("3"), "k".into()).await.unwrap().map(|entry| entry.sequence), Some(4));
    let ended =
        || Prune { ended: vec![("Door".into(), "Closed".into())], ended_before: Some(later(4)), ..Prune::default() };
    assert_eq!((forget(ended()).await, forget(ended()).await, forget(ended()).await), (2, 2, 0));
    assert_eq!(store.get(key("4")).await.unwrap().map(|row| row.version), Some(1));
    assert_eq!(store.last_sequence().await.unwrap(), 5, "the history of what has ended is another matter");
}

async fn what_is_left_of_a_row_that_is_gone_is_forgotten_on_request(store: &dyn Store) {
    let gone = || Prune { gone: Some(key("a")), limit: 2, ..Prune::default() };
    let removed = || Entering { remove: true, ..entering("Open") };
    for used in ["first", "second"] {
        let born = Create { idempotency_key: Some(used.into()), ..create("a", entering("Closed")) };
        let row = committed(store, Change::Create(born)).await;
        assert_eq!(store.prune(gone()).await.unwrap(), 0, "it is there");
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
    assert_eq!(history(store, "b").await.len(), 1, "others are left alone");
}

async fn definitions_are_the_controllers_and_retire_with_their_rows(store: &dyn Store) {
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
    assert_eq!(found().await, Some(definition(1, "a controller's", true)), "by which a controller has worked");
    let row = committed(store, Change::Create(create("a", entering("Closed")))).await;
    store.retire("Door".into(), 2).await.unwrap();
    assert_eq!(found().await.map(|definition| definition.version), Some(1), "a row stands under it");
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

async fn x7_a_key_with_an_empty_part_is_refused_and_its_batch_commits(store: &dyn Store) {
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
    assert_eq!((history(store, "a").await.len(), store.last_sequence().await.unwrap()), (1, 2));
}

async fn the_newest_entry_is_known_when_it_is_forgotten(store: &dyn Store) {
    let a = committed(store, Change::Create(create("a", entering("Closed")))).await;
    committed(store, Change::Create(create("b", entering("Closed")))).await;
    let forgotten = Prune { history_before: Some(later(1)), limit: 10, ..Prune::default() };
    assert_eq!(store.prune(forgotten).await.unwrap(), 2);
    assert_eq!((store.last_sequence().await.unwrap(), store.pruned_through().await.unwrap()), (2, 2));
    committed(store, Change::Transition(fire(&a, "open", "Open"))).await;
    assert_eq!(store.last_sequence().await.unwrap(), 3);
}

async fn x2_one_of_many_wins(store: Arc<dyn Store>) {
    let born = committed(&*store, Change::Create(create("a", entering("Closed")))).await;
    let callers = (0..32).map(|n| {
        let (store, change) = (store.clone(), fire(&born, "open", &format!("Open{n}")));
        tokio::spawn(async move { verdict(&*store, vec![Change::Transition(change)]).await })
    });
    let mut winner = None;
    let mut losers = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        match caller.await.unwrap() {
            Verdict::Committed { mut rows } => assert!(winner.replace(rows.remove(0)).is_none(), "two won"),
            Verdict::Conflict { current: Some(current), .. } => losers.push(*current),
            other => panic!("{other:?}"),
        }
    }
    let winner = winner.unwrap();
    assert_eq!(losers.len(), 31);
    assert!(losers.iter().all(|row| *row == winner), "each loser is shown the winner");
    assert_eq!(history(&*store, "a").await.len(), 2);
}

async fn x3_one_key_from_many_callers_is_one_change(store: Arc<dyn Store>) {
    let born = committed(&*store, Change::Create(create("a", entering("Closed")))).await;
    let callers = (0..32).map(|_| {
        let change = Transition { idempotency_key: Some("k".to_owned()), ..fire(&born, "open", "Open") };
        let store = store.clone();
        tokio::spawn(async move { verdict(&*store, vec![Change::Transition(change)]).await })
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
    assert_eq!(history(&*store, "a").await.len(), 2);
}

async fn x7_odd_text_comes_back_as_it_was(store: &dyn Store) {
    let ids = ["it's", "\"quoted\"", "🦀", "\u{202e}rtl", " ", "a/b\\c", "%_", "\n", "'; DROP TABLE fsm_instances; --"];
    for id in ids {
        let into = Entering { data: format!("{:?}", "x'\"\\🦀\u{202e}".repeat(3)), ..entering(id) };
        let row = committed(store, Change::Create(create(id, into.clone()))).await;
        let read = get(store, id).await;
        assert_eq!(row, read);
        assert_eq!((&*read.key.id, read.state, read.data), (id, into.state, into.data));
    }
    let big = Entering { data: format!("\"{}\"", "x".repeat(1 << 20)), ..entering("Open") };
    committed(store, Change::Create(create("big", big.clone()))).await;
    assert_eq!(get(store, "big").await.data, big.data);
}

async fn a_dropped_call_is_whole_or_absent(store: &dyn Store) {
    for n in 0..50 {
        let id = n.to_string();
        let groups: Vec<Group> = vec![Change::Create(create(&id, entering("Closed"))).into()];
        let mut call: StoreFuture<'_, Vec<Verdict>> = store.commit(groups, now());
        // Polled once, then dropped.
        let _ = futures_poll_once(&mut call).await;
        drop(call);
        let row = store.get(key(&id)).await.unwrap();
        // The next change waits behind the dropped one, so that it is decided by now.
        committed(store, Change::Create(create(&format!("after-{id}"), entering("Closed")))).await;
        let decided = store.get(key(&id)).await.unwrap();
        assert!(row.is_none() || row == decided);
        assert_eq!(history(store, &id).await.len(), usize::from(decided.is_some()));
    }
}

async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}
