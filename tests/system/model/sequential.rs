//! The same changes on the store and on the reference model: verdicts, rows, history and every query are equal.

use super::{cases, reference::Model};
use crate::with;
use fsm_runtime::store::{
    Count, Filter, HistoryEntry, HistoryQuery, InUse, Key, Lapsed, Lease, Only, Process, Prune, Renewal, Renewed, Row,
    Store, Verdict, sqlite::Sqlite,
};
use proptest::{prelude::*, test_runner::Config};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use tests::calls::op::{self, ENDED, Kind, MACHINES, OWNERS, Op, Pick, STATES, Seen};

const INSTANCES: u8 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// Groups of one call.
    Commit(Vec<Vec<Pick>>),
    Prune {
        limit: usize,
        keys: Option<u64>,
        history: Option<u64>,
        ended: Option<u64>,
    },
    Renew {
        owner: usize,
        ttl: u64,
    },
    EndLease {
        owner: usize,
    },
}

fn picks() -> impl Strategy<Value = Pick> {
    let kind = prop_oneof![
        4 => Just(Kind::Create),
        6 => Just(Kind::Transition),
        3 => Just(Kind::WorkersTransition),
        2 => Just(Kind::Override),
        2 => Just(Kind::Wish),
        1 => Just(Kind::Hold),
        5 => Just(Kind::Claim),
        3 => Just(Kind::Checkpoint),
        5 => Just(Kind::Release),
        1 => Just(Kind::Arm),
        1 => Just(Kind::Disarm),
        1 => Just(Kind::Purge),
        2 => Just(Kind::Rewrite),
    ];
    let stale = prop_oneof![4 => Just(0), 1 => 1..4u8];
    let idempotency_key = prop_oneof![3 => Just(None), 1 => (0..3u8).prop_map(Some)];
    (0..INSTANCES, kind, stale, idempotency_key, 0..10u8, 0..16u8).prop_map(
        |(instance, kind, stale, idempotency_key, into, dice)| Pick {
            instance,
            kind,
            stale,
            idempotency_key,
            into,
            dice,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let group = prop_oneof![4 => prop::collection::vec(picks(), 1), 1 => prop::collection::vec(picks(), 0..4)];
    let groups = prop_oneof![4 => prop::collection::vec(group.clone(), 1), 1 => prop::collection::vec(group, 0..4)];
    let age = || prop::option::of(0..40u64);
    let prune = (0..4usize, age(), age(), age()).prop_map(|(limit, keys, history, ended)| Step::Prune {
        limit,
        keys,
        history,
        ended,
    });
    let renew = (0..OWNERS.len(), prop_oneof![1 => 0..20u64, 2 => Just(1_000)])
        .prop_map(|(owner, ttl)| Step::Renew { owner, ttl });
    let end = (0..OWNERS.len()).prop_map(|owner| Step::EndLease { owner });
    let step = prop_oneof![18 => groups.prop_map(Step::Commit), 2 => prune, 4 => renew, 1 => end];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(Config { cases: cases(96), failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_store_matches_the_model(steps in steps()) {
        let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
        executor.block_on(agree_on(&Sqlite::in_memory().unwrap(), steps))?;
    }
}

fn at(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_micros(micros)
}

async fn agree_on(store: &dyn Store, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut model, mut seen) = (Model::default(), Seen::default());
    let last = steps.len() as u64;
    for (time, step) in (1..).zip(steps) {
        let before = |age: u64| at(u64::saturating_sub(time, age));
        match step {
            Step::Commit(picks) => {
                let ops: Vec<Vec<Op>> = picks.iter().map(|picks| seen.group(picks)).collect();
                let groups: Vec<_> = ops.iter().map(|ops| op::group(ops)).collect();
                let found: Vec<Verdict> = store.commit(groups.clone(), at(time)).await.unwrap();
                let expected: Vec<Verdict> = groups.iter().map(|group| model.apply(group, at(time))).collect();
                let found: Vec<Verdict> = found.into_iter().map(without_shard).collect();
                prop_assert_eq!(&found, &expected, "at {}: {:?}", time, ops);
                for (ops, verdict) in ops.iter().zip(&found) {
                    seen.see_verdict(ops, verdict);
                }
            }
            Step::Prune { limit, keys, history, ended } => {
                let prune = Prune {
                    keys_before: keys.map(before),
                    operations_before: None,
                    history_before: history.map(before),
                    ended: MACHINES.map(|machine| (machine.to_owned(), ENDED.to_owned())).to_vec(),
                    ended_before: ended.map(before),
                    gone: None,
                    limit,
                };
                let found = store.prune(prune.clone()).await.unwrap();
                prop_assert_eq!(found, model.prune(&prune), "{:?}", prune);
            }
            Step::Renew { owner, ttl } => {
                let (owner, ttl) = (OWNERS[owner], Duration::from_micros(ttl));
                let (now, until) = (at(time), at(time) + ttl);
                let renewal = Renewal { owner: owner.to_owned(), ttl, leaving: false };
                let found = store.renew_lease(renewal, now).await.unwrap();
                let renewed = model.renew_lease(owner, until, now);
                prop_assert_eq!(found, renewed.then(|| Renewed::new(until, now)).ok_or(Lapsed::new(now)));
                let gone = model.gone(now);
                model.forget_leases(&gone);
                if !renewed {
                    let found = store.take_lease(Process::new(owner, owner), ttl, now).await.unwrap();
                    prop_assert_eq!(found, Renewed::new(until, now));
                    model.take_lease(owner, until, now);
                }
                let gone = model.gone(now);
                model.forget_leases(&gone);
            }
            Step::EndLease { owner } => {
                store.end_leases(vec![OWNERS[owner].to_owned()], at(time)).await.unwrap();
                model.end_lease(OWNERS[owner], at(time));
                let gone = model.gone(at(time));
                model.forget_leases(&gone);
            }
        }
        // The verdicts show most differences; all queries together cost more time.
        if time % 8 == 0 || time == last {
            rows_agree(store, &model).await?;
            history_agrees(store, &model).await?;
            work_agrees(store, &model, time).await?;
        }
    }
    Ok(())
}

fn lease(owner: &str, since: SystemTime, until: SystemTime, time: u64) -> Lease {
    Lease::new(Process::new(owner, owner), since, until, until > at(time))
}

fn without_shard(verdict: Verdict) -> Verdict {
    let without = |row: Row| with(row, |row| row.shard = 0);
    match verdict {
        Verdict::Committed { rows } => Verdict::Committed { rows: rows.into_iter().map(without).collect() },
        Verdict::Conflict { change, current } => {
            Verdict::Conflict { change, current: current.map(|row| Box::new(without(*row))) }
        }
        Verdict::Fenced { change, current } => Verdict::Fenced { change, current: Box::new(without(*current)) },
        verdict => verdict,
    }
}

async fn rows_agree(store: &dyn Store, model: &Model) -> Result<(), TestCaseError> {
    for instance in 0..INSTANCES {
        let key = op::key(instance);
        let row = store.get(key.clone()).await.unwrap().map(|row| with(row, |row| row.shard = 0));
        prop_assert_eq!(row.as_ref(), model.rows.get(&key));
    }
    for machine in MACHINES {
        prop_assert_eq!(listed(store, machine, None, None, None).await, model.all(machine));
        let parked = model.by_age(machine, |row| row.parked.is_some());
        prop_assert_eq!(listed(store, machine, None, Some(Only::Parked), None).await, parked);
        let held = model.by_age(machine, |row| row.hold.is_some());
        prop_assert_eq!(listed(store, machine, None, Some(Only::Held), None).await, held);
        let failed = |row: &Row| row.attempt > 0 && row.retry_at.is_some() && row.parked.is_none();
        prop_assert_eq!(
            listed(store, machine, None, Some(Only::BackingOff), None).await,
            model.by_age(machine, failed)
        );
        let all = model.by_age(machine, |_| true);
        let middle = all.get(all.len() / 2).map_or(SystemTime::UNIX_EPOCH, |row| row.updated);
        let older = model.by_age(machine, |row| row.updated < middle);
        prop_assert_eq!(listed(store, machine, None, None, Some(middle)).await, older);
        let (mut counts, mut in_use) = (Vec::new(), Vec::new());
        for (state, schema) in model.ranges(machine) {
            let rows = model.by_age(machine, |row| row.state == state);
            prop_assert_eq!(&listed(store, machine, Some(&[&state]), None, None).await, &rows);
            let middle = rows[rows.len() / 2].updated;
            let older = model.by_age(machine, |row| row.state == state && row.updated < middle);
            prop_assert_eq!(listed(store, machine, Some(&[&state]), None, Some(middle)).await, older);
            let those = model.by_age(machine, |row| (&row.state, row.schema) == (&state, schema));
            in_use.push(InUse::new(state.clone(), schema, those[0].key.clone()));
            counts.push(Count::new(state, schema, those.len() as u64));
        }
        let both = model.by_age(machine, |row| STATES[..2].contains(&&*row.state));
        prop_assert_eq!(listed(store, machine, Some(&STATES[..2]), None, None).await, both);
        prop_assert_eq!(store.count(machine.to_owned()).await.unwrap(), counts);
        prop_assert_eq!(store.states_in_use(machine.to_owned()).await.unwrap(), in_use);
    }
    Ok(())
}

/// All pages, two rows each.
async fn listed(
    store: &dyn Store,
    machine: &str,
    states: Option<&[&str]>,
    only: Option<Only>,
    entered_before: Option<SystemTime>,
) -> Vec<Row> {
    let mut filter = Filter {
        machine: machine.to_owned(),
        id_prefix: None,
        states: states.map(|states| states.iter().map(|state| (*state).to_owned()).collect()),
        entered_before,
        only,
        newest_first: false,
        after: None,
        limit: 2,
    };
    let rows = pages(store, filter.clone()).await;
    filter.id_prefix = Some(String::new());
    assert_eq!(pages(store, filter.clone()).await, rows, "every id has the empty prefix");
    if states.is_some() || only.is_some() || entered_before.is_some() {
        for id_prefix in [Some(String::new()), None] {
            filter = Filter { id_prefix, newest_first: true, ..filter };
            let mut newest_first = pages(store, filter.clone()).await;
            newest_first.reverse();
            assert_eq!(newest_first, rows, "{filter:?}");
        }
    }
    rows
}

async fn pages(store: &dyn Store, mut filter: Filter) -> Vec<Row> {
    let mut rows = Vec::new();
    loop {
        let page = store.list(filter.clone()).await.unwrap();
        rows.extend(page.items.into_iter().map(|row| with(row, |row| row.shard = 0)));
        filter.after = page.next;
        if filter.after.is_none() {
            return rows;
        }
    }
}

async fn history_agrees(store: &dyn Store, model: &Model) -> Result<(), TestCaseError> {
    let expected: Vec<HistoryEntry> = model.history.iter().map(|entry| HistoryEntry::clone(entry)).collect();
    prop_assert_eq!(&read(store, None, false).await, &expected);
    let mut backwards = read(store, None, true).await;
    backwards.reverse();
    prop_assert_eq!(&backwards, &expected);
    let mut by_key: BTreeMap<Key, Vec<HistoryEntry>> = BTreeMap::new();
    for entry in expected {
        by_key.entry(entry.key.clone()).or_default().push(entry);
    }
    for (key, entries) in by_key {
        prop_assert_eq!(read(store, Some(key), false).await, entries);
    }
    prop_assert_eq!(store.last_sequence().await.unwrap(), model.newest());
    prop_assert_eq!(store.pruned_through().await.unwrap(), model.pruned);
    for (key, _, used) in model.used() {
        let found = store.find_by_idempotency_key(key.clone(), used.clone()).await.unwrap();
        prop_assert_eq!(found, model.first(key, used));
    }
    Ok(())
}

/// All pages, three entries each.
async fn read(store: &dyn Store, key: Option<Key>, newest_first: bool) -> Vec<HistoryEntry> {
    let mut entries: Vec<HistoryEntry> = Vec::new();
    loop {
        let after = match entries.last() {
            Some(last) => last.sequence,
            None if newest_first => u64::MAX,
            None => 0,
        };
        let page = store
            .history(HistoryQuery { key: key.clone(), by_operators: false, after, newest_first, limit: 3 })
            .await
            .unwrap();
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}

async fn work_agrees(store: &dyn Store, model: &Model, time: u64) -> Result<(), TestCaseError> {
    let held = model.leases.iter().map(|(owner, (since, until))| lease(owner, *since, *until, time));
    let mut leases: Vec<Lease> = held.collect();
    leases.sort_by_key(|lease| (lease.since, lease.owner.clone()));
    let mut found = store.leases(at(time)).await.unwrap();
    for lease in &mut found {
        lease.joined = None;
    }
    prop_assert_eq!(found, leases);
    let machines = MACHINES.map(str::to_owned).to_vec();
    for until in [at(time), at(time + 10), at(time + 1_000)] {
        let mut due = Vec::new();
        loop {
            let page = store.due(machines.clone().into(), until, due.last().cloned(), 2).await.unwrap();
            if page.is_empty() {
                break;
            }
            due.extend(page);
        }
        prop_assert_eq!(due, model.due(&machines, until));
    }
    let mut orphaned = Vec::new();
    loop {
        let page = store.orphaned(machines.clone().into(), orphaned.last().cloned(), 2, at(time)).await.unwrap();
        if page.is_empty() {
            break;
        }
        orphaned.extend(page);
    }
    prop_assert_eq!(orphaned, model.orphaned(&machines, at(time)));
    for owner in OWNERS {
        let mut held = Vec::new();
        loop {
            let page = store.held_by(owner.to_owned(), held.last().cloned(), 2).await.unwrap();
            if page.is_empty() {
                break;
            }
            held.extend(page.into_iter().map(|held| held.key));
        }
        prop_assert_eq!(held, model.held_by(owner));
    }
    Ok(())
}
