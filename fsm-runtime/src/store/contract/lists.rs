//! Promises about lists and due work.

use super::build::{claim, committed, create, entering, get, later, now, release, tick};
use crate::store::{
    Attempts, BUCKETS, Buckets, Change, ChangedKeys, Create, Due, Entering, Filter, HistoryQuery, Hold, Key, Only,
    Page, Release, Row, Scope, Store, StoreError, Verdict,
};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Due work is paged by time, over machines and buckets.
pub async fn due_work_is_paged_earliest_first(store: &Arc<dyn Store>) {
    for n in (0..25).rev() {
        let into = Entering { timers: tick(n / 2), ..entering("Open") };
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
    for buckets in [(0..BUCKETS / 2).collect::<Buckets>(), (BUCKETS / 2..BUCKETS).collect()] {
        let scope = Scope { machines: vec!["Door".into()], buckets };
        for due in store.due(scope, later(10), None, 100).await.unwrap() {
            assert!(buckets.contains_key(&due.key));
            assert_eq!(store.get(due.key.clone()).await.unwrap().unwrap().shard, due.key.shard());
            by_half.push(due);
        }
    }
    by_half.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    assert_eq!(by_half, all);
    let both = store.due(vec!["Door".into(), "Window".into()].into(), now(), None, 10).await.unwrap();
    assert_eq!(both.len(), 3);
    // Rows of two machines due at one time.
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

/// Rows are listed by id or state, page by page, and counted by state.
pub async fn lists_are_paged_and_filtered(store: &Arc<dyn Store>) {
    for n in 0..10 {
        let state = if n % 2 == 0 { "Open" } else { "Closed" };
        committed(store, Change::Create(create(&n.to_string(), entering(state)))).await;
    }
    let ids = |page: &Page<Row>| page.items.iter().map(|row| row.key.id.to_string()).collect::<Vec<_>>();
    let filter = Filter { limit: 4, ..Filter::new("Door") };
    let first = store.list(filter.clone()).await.unwrap();
    assert_eq!(ids(&first), ["0", "1", "2", "3"]);
    let second = store.list(Filter { after: first.next, ..filter.clone() }).await.unwrap();
    assert_eq!(ids(&second), ["4", "5", "6", "7"]);
    let last = store.list(Filter { after: second.next, ..filter.clone() }).await.unwrap();
    assert_eq!((ids(&last), last.next), (vec!["8".to_owned(), "9".to_owned()], None));
    let open = Filter { states: Some(vec!["Open".to_owned()]), limit: 2, ..filter.clone() };
    let first = store.list(open.clone()).await.unwrap();
    assert_eq!(ids(&first), ["0", "2"]);
    let second = store.list(Filter { after: first.next, ..open.clone() }).await.unwrap();
    assert_eq!(ids(&second), ["4", "6"]);
    let last = store.list(Filter { after: second.next, ..open.clone() }).await.unwrap();
    assert_eq!((ids(&last), last.next), (vec!["8".to_owned()], None));
    assert!(store.list(Filter { entered_before: Some(now()), ..open.clone() }).await.unwrap().items.is_empty());
    assert!(store.list(Filter { only: Some(Only::Parked), ..open }).await.unwrap().items.is_empty());
    let counted = store.count("Door".into()).await.unwrap().into_iter().map(|it| (it.state, it.schema, it.rows));
    assert_eq!(counted.collect::<Vec<_>>(), [("Closed".into(), 1, 5), ("Open".into(), 1, 5)]);
    assert!(store.list(Filter { machine: "Window".into(), ..filter }).await.unwrap().items.is_empty());
    let in_use = store.states_in_use("Door".into()).await.unwrap();
    let states: Vec<_> = in_use.iter().map(|it| (it.state.as_str(), it.schema)).collect();
    assert_eq!(states, [("Closed", 1), ("Open", 1)]);
    for it in in_use {
        assert_eq!(store.get(it.example).await.unwrap().map(|row| row.state), Some(it.state));
    }
}

/// A list of several states, of one with rows of several schema versions, or of parked rows is one list by age.
pub async fn lists_of_several_states_are_ordered_by_age(store: &Arc<dyn Store>) {
    for n in 0..12_u64 {
        let into = Entering {
            schema: 1 + u32::try_from(n % 2).unwrap(),
            ..entering(["Open", "Ajar", "Shut"][usize::try_from(n).unwrap() % 3])
        };
        let created = Change::Create(create(&format!("{:02}", 11 - n), into));
        let mut verdicts = store.commit(vec![created.into()], later(n)).await.unwrap();
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
    let filter = Filter { limit: 2, ..Filter::new("Door") };
    let two = Filter { states: Some(vec!["Open".into(), "Ajar".into()]), ..filter.clone() };
    assert_eq!(all(two.clone()).await, "11 10 08 07 05 04 02 01");
    assert_eq!(all(Filter { entered_before: Some(later(4)), ..two.clone() }).await, "11 10 08");
    assert_eq!(all(Filter { only: Some(Only::Parked), ..two }).await, "07 05 04 02 01");
    let of_an_age = Filter { entered_before: Some(later(4)), ..filter.clone() };
    assert_eq!(all(of_an_age).await, "11 10 09 08", "in every state");
    let parked = Filter { only: Some(Only::Parked), ..filter };
    assert_eq!(all(parked.clone()).await, "07 06 05 04 03 02 01 00");
    assert_eq!(all(Filter { states: Some(vec!["Shut".into()]), ..parked.clone() }).await, "06 03 00");
    assert_eq!(all(Filter { entered_before: Some(later(6)), limit: 9, ..parked }).await, "07 06");
    let counted = store.count("Door".into()).await.unwrap().into_iter().map(|it| (it.state, it.schema, it.rows));
    let expected = ["Ajar", "Open", "Shut"].map(|state| [(state.to_owned(), 1, 2), (state.to_owned(), 2, 2)]);
    assert_eq!(counted.collect::<Vec<_>>(), expected.concat());
}

/// All rows, two to a page.
fn all() -> Filter {
    Filter { limit: 2, ..Filter::new("Door") }
}

/// The ids of all pages of two rows.
async fn ids(store: &Arc<dyn Store>, filter: Filter) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(Filter { after, ..filter.clone() }).await.unwrap();
        assert!(page.items.len() <= filter.limit);
        ids.extend(page.items.into_iter().map(|row| row.key.id.to_string()));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

/// Creates rows with these ids in three states, two schema versions and the order given. Two at a time enter their state at the
/// same time. Every third one and every fourth one is parked; of the others, every second one has failed and is tried again. Every
/// second row is held.
async fn rows_of_several_ages(store: &Arc<dyn Store>, ids: &[&str]) {
    for (n, id) in (0_u64..).zip(ids) {
        let place = usize::try_from(n).unwrap();
        let into =
            Entering { schema: 1 + u32::try_from(n % 2).unwrap(), ..entering(["Open", "Ajar", "Shut"][place % 3]) };
        let mut verdicts = store.commit(vec![Change::Create(create(id, into)).into()], later(n / 2)).await.unwrap();
        let Verdict::Committed { rows } = verdicts.remove(0) else { panic!("{id}") };
        if n % 3 == 1 || n % 4 == 0 {
            let parked = Release { retry: None, parked: Some("p".into()), ..release(&rows[0]) };
            committed(store, Change::Release(parked)).await;
        } else if n % 2 == 0 || n % 5 == 0 {
            fail(store, &rows[0]).await;
        }
        if n % 2 == 1 {
            hold(store, &get(store, id).await).await;
        }
    }
}

async fn fail(store: &Arc<dyn Store>, row: &Row) -> Row {
    let claimed = committed(store, Change::Claim(claim(row))).await;
    let failed = Release { retry: Some(Duration::from_mins(1)), error: Some("e".into()), ..release(&claimed) };
    committed(store, Change::Release(failed)).await
}

async fn hold(store: &Arc<dyn Store>, row: &Row) -> Row {
    let Row { key, incarnation, version, hold: seen, .. } = row.clone();
    committed(store, Change::Hold(Hold { key, incarnation, version, seen, hold: Some("h".into()), note: None })).await
}

/// Rows whose work is tried again after a failure are listed until they are claimed, parked, or start from zero; held rows, until the
/// hold ends.
pub async fn rows_that_back_off_or_are_held_are_listed(store: &Arc<dyn Store>) {
    let list = |only| Filter { only: Some(only), ..all() };
    let backing_off = async || ids(store, list(Only::BackingOff)).await.concat();
    for id in ["a", "b", "c", "d", "resting"] {
        committed(store, Change::Create(create(id, Entering { work: true, ..entering("Opening") }))).await;
    }
    let mut failed = Vec::new();
    for id in ["a", "b", "c", "d"] {
        failed.push(fail(store, &get(store, id).await).await);
    }
    assert_eq!(backing_off().await, "abcd");
    let claimed = committed(store, Change::Claim(claim(&failed[0]))).await;
    assert_eq!(backing_off().await, "bcd", "one is claimed");
    let requeued = Release { attempts: Attempts::Reset, ..release(&claimed) };
    committed(store, Change::Release(requeued)).await;
    assert_eq!(backing_off().await, "bcd", "its work has not failed since");
    let parked = Release { retry: None, parked: Some("p".into()), ..release(&failed[1]) };
    committed(store, Change::Release(parked)).await;
    assert_eq!(backing_off().await, "cd");
    let held = hold(store, &failed[2]).await;
    assert_eq!(backing_off().await, "cd", "a hold changes nothing about it");
    assert_eq!(ids(store, list(Only::Held)).await, ["c"]);
    let Row { key, incarnation, version, hold: seen, .. } = held;
    committed(store, Change::Hold(Hold { key, incarnation, version, seen, hold: None, note: None })).await;
    assert!(ids(store, list(Only::Held)).await.is_empty());
}

/// A list with the newest first has the rows of the same list by age in the exact reverse order, on any page.
pub async fn x14_lists_newest_first_are_the_reverse(store: &Arc<dyn Store>) {
    rows_of_several_ages(store, &["c", "a", "b", "f", "e", "d", "g", "i", "h"]).await;
    let by_age = Filter { entered_before: Some(later(99)), ..all() };
    let everything = ids(store, by_age.clone()).await;
    assert_eq!(everything.concat(), "acbfdegih");
    let of_states = |states: &[&str]| Some(states.iter().map(|state| (*state).to_owned()).collect());
    let lists = [
        by_age.clone(),
        Filter { entered_before: Some(later(3)), ..all() },
        Filter { states: of_states(&["Open"]), ..all() },
        Filter { states: of_states(&["Open", "Shut"]), ..all() },
        Filter { only: Some(Only::Parked), ..all() },
        Filter { only: Some(Only::Parked), states: of_states(&["Ajar"]), entered_before: Some(later(3)), ..all() },
        Filter { only: Some(Only::BackingOff), ..all() },
        Filter { only: Some(Only::Held), ..all() },
        Filter { id_prefix: Some(String::new()), only: Some(Only::Parked), ..all() },
        Filter { id_prefix: Some(String::new()), ..by_age.clone() },
    ];
    for list in lists {
        let oldest_first = ids(store, list.clone()).await;
        assert!(oldest_first.len() > 1, "{list:?}");
        let mut newest_first = ids(store, Filter { newest_first: true, ..list.clone() }).await;
        newest_first.reverse();
        assert_eq!(newest_first, oldest_first, "{list:?}");
    }
    let mut newest_first = ids(store, Filter { newest_first: true, ..all() }).await;
    newest_first.reverse();
    assert_eq!(newest_first, everything, "without another condition");
}

/// An id prefix selects the rows whose id begins with it, byte by byte, in every list.
pub async fn x14_lists_are_restricted_by_an_id_prefix(store: &Arc<dyn Store>) {
    rows_of_several_ages(
        store,
        &["ab/2", "ab/1", "ab", "a", "ac", "AB/3", "ab\u{10ffff}", "ab_1", "abc", "%", "\u{10ffff}", "\u{10ffff}x"],
    )
    .await;
    let everything = ids(store, all()).await;
    let by_age = Filter { newest_first: true, ..all() };
    let newest_first = ids(store, by_age.clone()).await;
    for prefix in ["", "a", "ab", "ab/", "ab\u{10ffff}", "\u{10ffff}", "A", "%", "_", "abcd"] {
        let begins =
            |ids: &[String]| -> Vec<String> { ids.iter().filter(|id| id.starts_with(prefix)).cloned().collect() };
        let of_prefix = |list: Filter| Filter { id_prefix: Some(prefix.to_owned()), ..list };
        assert_eq!(ids(store, of_prefix(all())).await, begins(&everything), "{prefix:?} by id");
        assert_eq!(ids(store, of_prefix(by_age.clone())).await, begins(&newest_first), "{prefix:?}, newest first");
        for list in [
            Filter { states: Some(vec!["Open".into(), "Ajar".into()]), ..all() },
            Filter { only: Some(Only::Parked), ..all() },
            Filter { only: Some(Only::BackingOff), ..all() },
            Filter { only: Some(Only::Held), entered_before: Some(later(3)), ..all() },
            Filter { entered_before: Some(later(3)), ..all() },
            Filter { only: Some(Only::Parked), states: Some(vec!["Open".into()]), newest_first: true, ..all() },
        ] {
            let expected = begins(&ids(store, list.clone()).await);
            assert_eq!(ids(store, of_prefix(list.clone())).await, expected, "{prefix:?} in {list:?}");
        }
    }
}

/// The end of a page of one list is no beginning of a list in another order.
pub async fn x12_a_cursor_of_another_order_is_refused(store: &Arc<dyn Store>) {
    rows_of_several_ages(store, &["a", "b", "c", "d", "e", "f", "g", "h"]).await;
    let lists = [all(), Filter { entered_before: Some(later(99)), ..all() }, Filter { newest_first: true, ..all() }];
    for (n, list) in lists.iter().enumerate() {
        let next = store.list(list.clone()).await.unwrap().next;
        for (m, other) in lists.iter().enumerate() {
            let continued = store.list(Filter { after: next.clone(), ..other.clone() }).await;
            match continued {
                Ok(page) => assert!(n == m && page.items.len() == 2, "{next:?} was taken by {other:?}"),
                Err(StoreError::Cursor { cursor }) => assert!(n != m && Some(cursor) == next, "{next:?} was refused"),
                Err(error) => panic!("expected `StoreError::Cursor`, found {error:?}"),
            }
        }
    }
}

/// A reader that continues after the last sequence that it has read misses no entry, whatever is written meanwhile.
pub async fn x6_readers_skip_no_entry_of_writers(store: &Arc<dyn Store>) {
    const WRITERS: usize = 4;
    const CHANGES: usize = 50;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for n in 0..CHANGES {
                committed(&store, Change::Create(create(&format!("{writer}-{n}"), entering("Open")))).await;
            }
        });
    }
    let (mut sequences, mut keys, mut through) = (Vec::new(), Vec::new(), 0);
    while sequences.len() < WRITERS * CHANGES || keys.len() < WRITERS * CHANGES {
        let after = sequences.last().copied().unwrap_or_default();
        let page = store.history(HistoryQuery::new().after(after).limit(7)).await.unwrap();
        sequences.extend(page.iter().map(|entry| entry.sequence));
        let page = store.changed(through, Buckets::ALL, 7).await.unwrap();
        through = page.through.max(through);
        keys.extend(page.keys);
        let newest = store.last_sequence().await.unwrap();
        let read_all = writers.is_empty() && page.through >= newest && sequences.last() == Some(&newest);
        assert!(!read_all || keys.len() == WRITERS * CHANGES, "{} entries of {}", keys.len(), WRITERS * CHANGES);
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    let all = store.history(HistoryQuery::new().limit(2 * WRITERS * CHANGES)).await.unwrap();
    assert_eq!(sequences, all.iter().map(|entry| entry.sequence).collect::<Vec<_>>());
    assert_eq!(keys, all.into_iter().map(|entry| (entry.sequence, entry.key)).collect::<Vec<_>>());
}

/// The keys of changed instances are read by bucket and page by page, and a page says up to where it is complete.
pub async fn changed_keys_are_paged_by_bucket(store: &Arc<dyn Store>) {
    assert_eq!(store.changed(0, Buckets::ALL, 10).await.unwrap(), ChangedKeys::new(Vec::new(), 0));
    for n in 0..30 {
        committed(store, Change::Create(create(&n.to_string(), entering("Open")))).await;
    }
    let history = store.history(HistoryQuery::new()).await.unwrap();
    let all: Vec<(u64, Key)> = history.into_iter().map(|entry| (entry.sequence, entry.key)).collect();
    let newest = store.last_sequence().await.unwrap();
    let read = async |buckets: Buckets, limit: usize| {
        let (mut keys, mut after) = (Vec::new(), 0);
        while after < newest {
            let page = store.changed(after, buckets, limit).await.unwrap();
            assert!(page.keys.len() <= limit && page.through > after, "{page:?} after {after}");
            assert!(page.keys.iter().all(|(sequence, _)| (after + 1..=page.through).contains(sequence)), "{page:?}");
            after = page.through;
            keys.extend(page.keys);
        }
        keys
    };
    for limit in [1, 7, 30, 100] {
        assert_eq!(read(Buckets::ALL, limit).await, all);
        let mut in_halves = Vec::new();
        for buckets in [(0..BUCKETS / 2).collect::<Buckets>(), (BUCKETS / 2..BUCKETS).collect()] {
            let keys = read(buckets, limit).await;
            assert!(!keys.is_empty() && keys.iter().all(|(_, key)| buckets.contains_key(key)), "{keys:?}");
            in_halves.extend(keys);
        }
        in_halves.sort();
        assert_eq!(in_halves, all);
    }
    assert_eq!(read(Buckets::NONE, 7).await, []);
}
