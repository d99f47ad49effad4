//! Promises about lists and due work.

use super::build::{committed, create, entering, later, now, release};
use crate::store::{Change, Create, Due, Entering, Filter, Key, Page, Release, Row, Scope, Store, Verdict};
use std::{sync::Arc, time::Duration};

/// Due work is paged by time, over machines and shards.
pub async fn due_work_is_paged_earliest_first(store: &Arc<dyn Store>) {
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
    let filter =
        Filter { machine: "Door".into(), states: None, entered_before: None, parked: false, after: None, limit: 4 };
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
    assert!(store.list(Filter { parked: true, ..open }).await.unwrap().items.is_empty());
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
    let filter =
        Filter { machine: "Door".into(), states: None, entered_before: None, parked: false, after: None, limit: 2 };
    let two = Filter { states: Some(vec!["Open".into(), "Ajar".into()]), ..filter.clone() };
    assert_eq!(all(two.clone()).await, "11 10 08 07 05 04 02 01");
    assert_eq!(all(Filter { entered_before: Some(later(4)), ..two.clone() }).await, "11 10 08");
    assert_eq!(all(Filter { parked: true, ..two }).await, "07 05 04 02 01");
    let of_an_age = Filter { entered_before: Some(later(4)), ..filter.clone() };
    assert_eq!(all(of_an_age).await, "11 10 09 08", "in every state");
    let parked = Filter { parked: true, ..filter };
    assert_eq!(all(parked.clone()).await, "07 06 05 04 03 02 01 00");
    assert_eq!(all(Filter { states: Some(vec!["Shut".into()]), ..parked.clone() }).await, "06 03 00");
    assert_eq!(all(Filter { entered_before: Some(later(6)), limit: 9, ..parked }).await, "07 06");
    let counted = store.count("Door".into()).await.unwrap().into_iter().map(|it| (it.state, it.schema, it.rows));
    let expected = ["Ajar", "Open", "Shut"].map(|state| [(state.to_owned(), 1, 2), (state.to_owned(), 2, 2)]);
    assert_eq!(counted.collect::<Vec<_>>(), expected.concat());
}
