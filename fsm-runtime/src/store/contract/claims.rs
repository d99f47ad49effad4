//! Promises about claims, fences, leases, checkpoints and releases.

use super::build::{claim, committed, create, entering, fire, get, history, key, later, now, release, verdict};
use crate::store::{
    Attempts, BUCKETS, Buckets, Cause, Change, Claim, Create, Entering, Held, HistoryKind, HistoryQuery, Key, Lapsed,
    Lease, MachineVersion, Note, Origin, Process, Release, Renewal, Renewed, Row, SaveCheckpoint, Scope, Store,
    Transition, Verdict,
};
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

fn process(owner: &str) -> Process {
    Process::new(owner, format!("process {owner}"))
}

async fn take(store: &Arc<dyn Store>, owner: &str, seconds: u64, at: SystemTime) -> Renewed {
    store.take_lease(process(owner), Duration::from_secs(seconds), at).await.unwrap()
}

async fn renew(store: &Arc<dyn Store>, owner: &str, seconds: u64, at: SystemTime) -> Result<Renewed, Lapsed> {
    let renewal = Renewal { owner: owner.into(), ttl: Duration::from_secs(seconds), leaving: false };
    store.renew_lease(renewal, at).await.unwrap()
}

async fn claimed_at(store: &Arc<dyn Store>, row: &Row, owner: &str, at: SystemTime) -> Verdict {
    let claim = Change::Claim(Claim { owner: owner.into(), ..claim(row) });
    store.commit(vec![claim.into()], at).await.unwrap().remove(0)
}

/// A claim raises the fence, counts the attempt and keeps the version.
pub async fn a_claim_raises_the_fence_and_keeps_the_version(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let claimed = committed(store, Change::Claim(claim(&created))).await;
    assert_eq!((claimed.version, claimed.attempt, claimed.owner.as_deref()), (1, 1, Some("me")));
    assert!(claimed.fence > created.fence);
    assert_eq!(claimed.retry_at, None, "a claimed row is not due");
    match verdict(store, vec![Change::Claim(claim(&created))]).await {
        Verdict::Fenced { change: 0, current } => assert_eq!(*current, claimed),
        other => panic!("{other:?}"),
    }
    assert_eq!(history(store, "a").await.len(), 1, "a claim is not in the history");
    let moved = committed(store, Change::Transition(fire(&created, "stop", "Closed"))).await;
    assert_eq!(moved.owner.as_deref(), Some("me"), "the owner stays until its worker has stopped");
    assert_eq!((moved.fence, moved.attempt), (claimed.fence, 0));
}

/// A worker's commit under an older fence is refused.
pub async fn c4_a_commit_under_a_lost_claim_is_fenced(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let first = committed(store, Change::Claim(claim(&created))).await;
    let second = committed(store, Change::Claim(claim(&first))).await;
    let late = Transition { fence: Some(first.fence), ..fire(&first, "done", "Open") };
    match verdict(store, vec![Change::Transition(late)]).await {
        Verdict::Fenced { change: 0, current } => assert_eq!(*current, second),
        other => panic!("{other:?}"),
    }
    let done = Transition { fence: Some(second.fence), ..fire(&second, "done", "Open") };
    let open = committed(store, Change::Transition(done)).await;
    assert_eq!((open.version, open.owner.as_deref()), (2, None), "a worker's own commit releases the claim");
}

/// No two claims of the store get the same fence.
pub async fn l4_fences_never_repeat(store: &Arc<dyn Store>) {
    let mut seen = HashSet::new();
    for id in ["a", "b", "c"] {
        let mut row = committed(store, Change::Create(create(id, entering("Opening")))).await;
        for _ in 0..5 {
            row = committed(store, Change::Claim(claim(&row))).await;
            assert!(seen.insert(row.fence), "fence {} was used twice", row.fence);
        }
    }
    let highest = seen.iter().max().copied();
    let row = committed(store, Change::Create(create("d", entering("Opening")))).await;
    assert!(Some(committed(store, Change::Claim(claim(&row))).await.fence) > highest);
}

/// A release clears the owner and sets retry time, error and attempts.
pub async fn a_release_frees_the_row(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let claimed = committed(store, Change::Claim(claim(&created))).await;
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

/// A checkpoint needs the present claim and changes nothing else.
pub async fn a_checkpoint_needs_the_claim(store: &Arc<dyn Store>) {
    let checkpoint = |row: &Row, text: &str| {
        let Row { key, incarnation, version, fence, .. } = row.clone();
        Change::SaveCheckpoint(SaveCheckpoint { key, incarnation, version, fence, checkpoint: text.to_owned() })
    };
    let created = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let unclaimed = verdict(store, vec![checkpoint(&created, "0")]).await;
    assert!(matches!(unclaimed, Verdict::Fenced { change: 0, .. }), "{unclaimed:?}");
    let first = committed(store, Change::Claim(claim(&created))).await;
    committed(store, checkpoint(&first, "1")).await;
    let kept = committed(store, checkpoint(&first, "[2]")).await;
    assert_eq!(kept, Row { checkpoint: Some("[2]".to_owned()), ..first.clone() });
    assert_eq!(get(store, "a").await, kept);
    assert_eq!(history(store, "a").await.len(), 1);
    let free = committed(store, Change::Release(release(&first))).await;
    let late = verdict(store, vec![checkpoint(&first, "3")]).await;
    assert_eq!(late, Verdict::Fenced { change: 0, current: Box::new(free.clone()) }, "the claim is released");
    let second = committed(store, Change::Claim(claim(&free))).await;
    assert_eq!(second.checkpoint.as_deref(), Some("[2]"), "a checkpoint survives release and claim");
    let fenced = verdict(store, vec![checkpoint(&first, "3")]).await;
    assert_eq!(fenced, Verdict::Fenced { change: 0, current: Box::new(second.clone()) });
    let again = committed(store, Change::Transition(fire(&second, "again", "Opening"))).await;
    assert_eq!(again.checkpoint, None, "a self-transition clears the checkpoint");
    let moved_on = verdict(store, vec![checkpoint(&second, "3")]).await;
    assert_eq!(moved_on, Verdict::Conflict { change: 0, current: Some(Box::new(again)) });
}

/// A parked row is not due, cannot be claimed, and its history says why.
pub async fn a_parked_row_is_not_due_and_is_in_the_history(store: &Arc<dyn Store>) {
    let created = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let claimed = committed(store, Change::Claim(claim(&created))).await;
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
    let entries = store
        .history(HistoryQuery { key: Some(key("a")), by_operators: false, after: 1, newest_first: false, limit: 10 })
        .await
        .unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].kind, entries[0].version), (HistoryKind::Note, 1));
    assert_eq!(entries[0].payload.as_deref(), Some("it is jammed"));
}

/// Claimed rows are found by their owner, by the end of their owner's lease, and by their machine, page by page.
pub async fn claimed_rows_are_paged(store: &Arc<dyn Store>) {
    take(store, "me", 15, now()).await;
    take(store, "dead", 5, now()).await;
    for n in 0..9 {
        let row = committed(store, Change::Create(create(&n.to_string(), entering("Opening")))).await;
        let owner = ["me", "dead", "unknown"][n % 3];
        committed(store, Change::Claim(Claim { owner: owner.into(), ..claim(&row) })).await;
    }
    let other = Create { key: Key::new("Window", "w"), ..create("w", entering("Open")) };
    let window = committed(store, Change::Create(other)).await;
    committed(store, Change::Claim(Claim { owner: "dead".into(), ..claim(&window) })).await;
    committed(store, Change::Create(create("free", entering("Opening")))).await;

    let mut mine: Vec<Held> = Vec::new();
    loop {
        let page = store.held_by("me".into(), mine.last().map(|held| held.key.clone()), 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        mine.extend(page);
    }
    let mut expected = Vec::new();
    for id in ["0", "3", "6"] {
        let Row { key, incarnation, entered, fence, .. } = get(store, id).await;
        expected.push(Held::new(key, incarnation, entered, fence));
    }
    assert_eq!(mine, expected);

    let orphaned = async |scope: Scope, at: SystemTime| {
        let mut all: Vec<Key> = Vec::new();
        loop {
            let page = store.orphaned(scope.clone(), all.last().cloned(), 2, at).await.unwrap();
            assert!(page.len() <= 2);
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    };
    let both = Scope::from(vec!["Window".to_owned(), "Door".to_owned()]);
    assert_eq!(orphaned(both.clone(), later(4)).await, ["2", "5", "8"].map(key), "without a lease");
    let gone = orphaned(both, later(5)).await;
    assert_eq!(gone[..6], ["1", "2", "4", "5", "7", "8"].map(key));
    assert_eq!(gone[6..], [Key::new("Window", "w")]);
    let (mut in_halves, half) = (Vec::new(), BUCKETS / 2);
    for buckets in [(0..half).collect::<Buckets>(), (half..BUCKETS).collect()] {
        let scope = Scope { machines: vec!["Door".to_owned()], buckets };
        let found = orphaned(scope, later(5)).await;
        assert!(found.iter().all(|key| buckets.contains_key(key)), "{found:?}");
        in_halves.extend(found);
    }
    in_halves.sort();
    assert_eq!(in_halves, ["1", "2", "4", "5", "7", "8"].map(key));

    let mut claims: Vec<Row> = Vec::new();
    loop {
        let after = claims.last().map(|row| row.key.id.to_string());
        let page = store.claims("Door".into(), after, 4).await.unwrap();
        assert!(page.len() <= 4);
        if page.is_empty() {
            break;
        }
        claims.extend(page);
    }
    let ids: Vec<_> = claims.iter().map(|row| row.key.id.to_string()).collect();
    assert_eq!(ids.concat(), "012345678");
    assert_eq!(claims[1], get(store, "1").await);
}

/// While an owner's lease lives, no other owner's claim of its rows commits.
pub async fn l1_a_live_lease_keeps_other_owners_from_claiming(store: &Arc<dyn Store>) {
    take(store, "a", 15, now()).await;
    let created = committed(store, Change::Create(create("1", entering("Opening")))).await;
    let held = committed(store, Change::Claim(Claim { owner: "a".into(), ..claim(&created) })).await;
    // Another caller's event keeps the owner, and with it the claim.
    let moved = committed(store, Change::Transition(fire(&held, "again", "Opening"))).await;
    assert_eq!(moved.owner.as_deref(), Some("a"));
    match claimed_at(store, &moved, "b", later(14)).await {
        Verdict::Fenced { current, .. } => assert_eq!(*current, moved),
        other => panic!("{other:?}"),
    }
    assert!(matches!(claimed_at(store, &moved, "a", later(14)).await, Verdict::Committed { .. }));
    let held = get(store, "1").await;
    assert_eq!((held.attempt, &held.error), (1, &None), "the transition reset the attempts");
    // A renewal extends the lease; an expired one does not block other owners.
    assert!(renew(store, "a", 15, later(10)).await.is_ok());
    assert!(matches!(claimed_at(store, &held, "b", later(24)).await, Verdict::Fenced { .. }));
    assert!(matches!(claimed_at(store, &held, "b", later(25)).await, Verdict::Committed { .. }));
    // Neither does an ended one.
    take(store, "b", 15, later(25)).await;
    let held = get(store, "1").await;
    assert_eq!((held.attempt, held.error.as_deref()), (2, Some(Claim::CRASH)));
    assert!(matches!(claimed_at(store, &held, "c", later(26)).await, Verdict::Fenced { .. }));
    store.end_leases(vec!["b".into()], later(26)).await.unwrap();
    assert!(matches!(claimed_at(store, &held, "c", later(26)).await, Verdict::Committed { .. }));
}

/// Fences grow with every claim, over removal and reuse of an id too.
pub async fn l4_fences_grow_over_removal_and_reuse_of_an_id(store: &Arc<dyn Store>) {
    let mut last = 0;
    for owner in ["a", "b"] {
        for _ in 0..3 {
            let created = committed(store, Change::Create(create("1", entering("Opening")))).await;
            assert_eq!(created.fence, 0, "a new incarnation has no fence");
            let held = committed(store, Change::Claim(Claim { owner: owner.into(), ..claim(&created) })).await;
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

/// An expired lease is listed until no row names its owner.
pub async fn a_lapsed_lease_is_kept_while_its_owner_has_rows(store: &Arc<dyn Store>) {
    assert_eq!(take(store, "idle", 5, now()).await, Renewed::new(later(5), now()));
    assert_eq!(take(store, "busy", 15, now()).await, Renewed::new(later(15), now()));
    let created = committed(store, Change::Create(create("1", entering("Opening")))).await;
    committed(store, Change::Claim(Claim { owner: "busy".into(), ..claim(&created) })).await;
    take(store, "me", 15, later(20)).await;
    let leases = store.leases(later(20)).await.unwrap();
    let seen: Vec<_> = leases.iter().map(|lease| (&*lease.owner, lease.live, lease.until)).collect();
    assert_eq!(seen, [("busy", false, later(15)), ("me", true, later(35))]);
    assert_eq!((leases[0].since, &*leases[0].holder), (now(), "process busy"));
    store.end_leases(vec!["me".into()], later(21)).await.unwrap();
    let left = store.leases(later(21)).await.unwrap();
    assert_eq!(left.iter().map(|lease| &*lease.owner).collect::<Vec<_>>(), ["busy"]);
}

/// A lease that has expired or was ended is not renewed. A new one can be taken.
pub async fn l6_a_lapsed_lease_is_not_renewed(store: &Arc<dyn Store>) {
    assert_eq!(renew(store, "a", 15, now()).await, Err(Lapsed::new(now())), "it has never had one");
    take(store, "a", 15, now()).await;
    let created = committed(store, Change::Create(create("1", entering("Opening")))).await;
    let held = committed(store, Change::Claim(Claim { owner: "a".into(), ..claim(&created) })).await;
    assert_eq!(renew(store, "a", 15, later(14)).await, Ok(Renewed::new(later(29), later(14))));
    assert_eq!(renew(store, "a", 15, later(29)).await, Err(Lapsed::new(later(29))), "its last moment is over");
    assert!(matches!(claimed_at(store, &held, "b", later(29)).await, Verdict::Committed { .. }));
    take(store, "a", 15, later(30)).await;
    assert_eq!(store.held_by("a".into(), None, 10).await.unwrap(), [], "what was taken over stays taken over");
    store.end_leases(vec!["a".into()], later(31)).await.unwrap();
    assert_eq!(renew(store, "a", 15, later(31)).await, Err(Lapsed::new(later(31))));
}

/// A lease shows its process as it was described, since when, and whether it has joined or is leaving.
pub async fn a_lease_describes_its_process(store: &Arc<dyn Store>) {
    let process = Process {
        owner: "7-a".into(),
        holder: "process 7".into(),
        node: "node \u{e4}".into(),
        pid: 7,
        machines: vec![MachineVersion::new("Door", 3), MachineVersion::new("Window", 1)],
        build: Some("1.2.3".into()),
        slots: 256,
    };
    let ttl = Duration::from_secs(15);
    store.take_lease(process.clone(), ttl, now()).await.unwrap();
    let taken = Lease::new(process.clone(), now(), later(15), true);
    assert_eq!(store.leases(now()).await.unwrap(), [taken]);
    let renewal = Renewal { owner: "7-a".into(), ttl, leaving: false };
    store.renew_lease(renewal.clone(), later(5)).await.unwrap().unwrap();
    store.renew_lease(Renewal { leaving: true, ..renewal }, later(10)).await.unwrap().unwrap();
    let leaving = &store.leases(later(10)).await.unwrap()[0];
    assert_eq!((leaving.since, leaving.joined, leaving.until), (now(), Some(later(5)), later(25)));
    assert!(leaving.live && leaving.leaving);
    let newer = Process { build: Some("1.3".into()), ..process };
    store.take_lease(newer.clone(), ttl, later(30)).await.unwrap();
    let again = Lease::new(newer, now(), later(45), true);
    assert_eq!(store.leases(later(30)).await.unwrap(), [again], "it has to join again");
}
