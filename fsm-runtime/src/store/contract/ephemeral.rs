//! Promises about entries under leases and kept results, of a store that has them.

use super::build::{claim, committed, create, entering, later, now, random_text};
use crate::store::{Change, Entering, Ephemerals, MAX_KEY_BYTES, NewEphemeral, NewResult, Position, Store};
use std::{sync::Arc, time::Duration};

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn entry(name: &str, id: &str) -> NewEphemeral {
    NewEphemeral {
        kind: "lock",
        name: name.to_owned(),
        id: id.to_owned(),
        holder: format!("holder of {id}"),
        value: None,
        ttl: TEN_SECONDS,
    }
}

async fn enter(entries: &dyn Ephemerals, name: &str, id: &str) -> u64 {
    entries.enter(entry(name, id), now()).await.unwrap()
}

/// The id of the entry that is directly ahead of `id`; `None` if it is first.
async fn ahead(entries: &dyn Ephemerals, id: &str, seconds: u64) -> Option<String> {
    match entries.position(id.to_owned(), later(seconds)).await.unwrap() {
        Position::First => None,
        Position::Behind(ahead) => Some(ahead.id),
        Position::Gone => Some("gone".to_owned()),
    }
}

/// Entries of one queue are in the order of their arrival; other queues and kinds have an order of their own.
pub async fn g2_entries_wait_in_order(store: &Arc<dyn Store>) {
    let Some(entries) = store.ephemerals() else { return };
    let first = enter(entries, "a", "1").await;
    let second = enter(entries, "a", "2").await;
    let third = enter(entries, "a", "3").await;
    enter(entries, "b", "4").await;
    entries.enter(NewEphemeral { kind: "service", ..entry("a", "5") }, now()).await.unwrap();
    assert!(first < second && second < third);
    for (id, expected) in [("1", None), ("2", Some("1")), ("3", Some("2")), ("4", None), ("5", None)] {
        assert_eq!(ahead(entries, id, 1).await.as_deref(), expected, "ahead of {id}");
    }
    let Position::Behind(ahead_of_second) = entries.position("2".into(), now()).await.unwrap() else {
        panic!("behind")
    };
    assert_eq!((ahead_of_second.sequence, &*ahead_of_second.holder), (first, "holder of 1"));
    assert_eq!((ahead_of_second.since, ahead_of_second.until), (now(), later(10)));
    entries.remove_entry("2".into(), now()).await.unwrap();
    entries.remove_entry("2".into(), now()).await.unwrap();
    assert_eq!(ahead(entries, "3", 1).await.as_deref(), Some("1"));
    assert_eq!(ahead(entries, "2", 1).await.as_deref(), Some("gone"));
    entries.remove_entry("1".into(), now()).await.unwrap();
    assert_eq!(ahead(entries, "3", 1).await, None);
}

/// A repeated request to enter, after a lost answer, adds nothing.
pub async fn g2_an_entry_enters_once(store: &Arc<dyn Store>) {
    let Some(entries) = store.ephemerals() else { return };
    let sequence = enter(entries, "a", "1").await;
    let second = enter(entries, "a", "2").await;
    assert_eq!(enter(entries, "a", "1").await, sequence);
    assert_eq!(ahead(entries, "1", 1).await, None);
    let all = entries.entries("lock", None, None, 9, now()).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [sequence, second]);
    // Under other fences than those of the first time, too.
    assert!(enter(entries, "a", "3").await > second);
}

/// Names of any text fit up to the limit.
pub async fn g2_the_longest_names_fit(store: &Arc<dyn Store>) {
    let Some(entries) = store.ephemerals() else { return };
    let name = random_text(MAX_KEY_BYTES);
    let fence = enter(entries, &name, "1").await;
    let found = entries.entries("lock", Some(name.clone()), None, 9, now()).await.unwrap();
    assert_eq!(found.iter().map(|entry| &entry.name).collect::<Vec<_>>(), [&name]);
    let result = NewResult { entry: "1".into(), arguments: None, outcome: "7".into(), failed: false, ttl: TEN_SECONDS };
    assert!(entries.keep_result(result, now()).await.unwrap());
    let kept = entries.result("lock", name.clone(), now()).await.unwrap();
    assert_eq!(kept.map(|kept| kept.fence), Some(fence));
    assert!(entries.remove_result("lock", name, now()).await.unwrap());
}

/// An expired entry is neither first nor ahead of another, and is not renewed.
pub async fn g2_a_lapsed_entry_never_comes_back(store: &Arc<dyn Store>) {
    let Some(entries) = store.ephemerals() else { return };
    enter(entries, "a", "1").await;
    enter(entries, "a", "2").await;
    let renew =
        async |id: &str, seconds| entries.renew_entry(id.to_owned(), TEN_SECONDS, later(seconds)).await.unwrap();
    assert!(renew("2", 9).await);
    assert_eq!(ahead(entries, "2", 9).await.as_deref(), Some("1"));
    assert_eq!(ahead(entries, "2", 10).await, None, "the first has lapsed");
    assert_eq!(ahead(entries, "1", 10).await.as_deref(), Some("gone"));
    assert!(!renew("1", 10).await);
    assert!(!renew("1", 9).await, "requested in time, and executed after another one was first");
    assert!(!renew("unknown", 10).await);
    assert!(!entries.set_entry_value("1".into(), "{}".into(), later(10)).await.unwrap());
    assert!(renew("2", 18).await);
    assert_eq!(ahead(entries, "2", 27).await, None);
}

/// The sequence of an entry is a fence: greater than all fences before, and claims get greater ones.
pub async fn g2_entries_and_claims_share_their_fences(store: &Arc<dyn Store>) {
    let Some(entries) = store.ephemerals() else { return };
    let row = committed(store, Change::Create(create("a", Entering { work: true, ..entering("Opening") }))).await;
    let before = enter(entries, "a", "1").await;
    let claimed = committed(store, Change::Claim(claim(&row))).await;
    let after = enter(entries, "a", "2").await;
    assert!(before < claimed.fence && claimed.fence < after);
}

/// However many enter at once, one is first, and each has another one ahead.
pub async fn g2_one_of_many_entries_is_first(store: &Arc<dyn Store>) {
    if store.ephemerals().is_none() {
        return;
    }
    let enter = |n: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            let entries = store.ephemerals().unwrap();
            let sequence = entries.enter(entry("a", &n.to_string()), now()).await.unwrap();
            // As soon as its own entry is there, it sees all that are ahead of it.
            (sequence, entries.position(n.to_string(), now()).await.unwrap())
        })
    };
    let tasks: Vec<_> = (0..32).map(enter).collect();
    let mut entered = Vec::new();
    for task in tasks {
        entered.push(task.await.unwrap());
    }
    entered.sort_by_key(|(sequence, _)| *sequence);
    let ahead = |position: &Position| match position {
        Position::Behind(ahead) => Some(ahead.sequence),
        Position::First => None,
        Position::Gone => panic!("it is gone"),
    };
    for (place, (_, position)) in entered.iter().enumerate() {
        let expected = place.checked_sub(1).map(|place| entered[place].0);
        assert_eq!(ahead(position), expected);
    }
}

/// The first live entries of a queue have its slots: the others follow in order when one is removed or has expired.
pub async fn c24_the_first_entries_have_the_slots(store: &Arc<dyn Store>) {
    let Some(entries) = store.ephemerals() else { return };
    let mut sequences = Vec::new();
    for id in ["1", "2", "3", "4"] {
        sequences.push(enter(entries, "a", id).await);
    }
    enter(entries, "b", "5").await;
    entries.enter(NewEphemeral { kind: "service", ..entry("a", "6") }, now()).await.unwrap();
    let first = async |name: &str, limit, seconds| {
        let first = entries.first_entries("lock", name.to_owned(), limit, later(seconds)).await.unwrap();
        first.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(first("a", 2, 1).await, ["1", "2"]);
    assert_eq!(first("a", 9, 1).await, ["1", "2", "3", "4"]);
    assert_eq!(first("b", 2, 1).await, ["5"]);
    assert!(first("c", 2, 1).await.is_empty());
    let second = entries.first_entries("lock", "a".into(), 2, now()).await.unwrap().pop().unwrap();
    assert_eq!((second.sequence, &*second.holder, second.until), (sequences[1], "holder of 2", later(10)));
    entries.remove_entry("1".into(), now()).await.unwrap();
    assert_eq!(first("a", 2, 1).await, ["2", "3"]);
    assert!(entries.renew_entry("3".into(), TEN_SECONDS, later(9)).await.unwrap());
    assert_eq!(first("a", 2, 10).await, ["3"], "the others have lapsed");
    assert!(!entries.renew_entry("2".into(), TEN_SECONDS, later(9)).await.unwrap(), "requested in time, executed late");
    assert_eq!(first("a", 2, 10).await, ["3"]);
}

/// Live entries are listed by name and sequence, with their values.
pub async fn g4_entries_are_listed_with_their_values(store: &Arc<dyn Store>) {
    let Some(entries) = store.ephemerals() else { return };
    for (name, id) in [("b", "1"), ("a", "2"), ("b", "3"), ("a", "4")] {
        enter(entries, name, id).await;
    }
    assert!(entries.set_entry_value("3".into(), "{\"load\":1}".into(), now()).await.unwrap());
    entries.renew_entry("2".into(), Duration::from_mins(1), now()).await.unwrap();
    let ids = async |name: Option<&str>, after, limit, seconds| {
        let page = entries.entries("lock", name.map(str::to_owned), after, limit, later(seconds)).await.unwrap();
        page.into_iter().map(|entry| (entry.id, entry.value)).collect::<Vec<_>>()
    };
    let plain = |id: &str| (id.to_owned(), None);
    let loaded = ("3".to_owned(), Some("{\"load\":1}".to_owned()));
    assert_eq!(ids(None, None, 9, 1).await, [plain("2"), plain("4"), plain("1"), loaded.clone()]);
    assert_eq!(ids(Some("b"), None, 9, 1).await, [plain("1"), loaded.clone()]);
    let second = entries.entries("lock", None, None, 2, now()).await.unwrap().pop().unwrap();
    assert_eq!(ids(None, Some((second.name, second.sequence)), 9, 1).await, [plain("1"), loaded]);
    assert_eq!(ids(None, None, 9, 11).await, [plain("2")], "the others have lapsed");
    assert_eq!(entries.entries("service", None, None, 9, now()).await.unwrap(), []);
}

/// A result is kept once, under the live first entry, for a time.
pub async fn g1_a_result_is_kept_under_its_entry(store: &Arc<dyn Store>) {
    let Some(entries) = store.ephemerals() else { return };
    let fence = enter(entries, "a", "1").await;
    enter(entries, "a", "2").await;
    let new = |entry: &str, outcome: &str| NewResult {
        entry: entry.to_owned(),
        arguments: Some("[1]".to_owned()),
        outcome: outcome.to_owned(),
        failed: false,
        ttl: TEN_SECONDS,
    };
    assert!(!entries.keep_result(new("2", "0"), now()).await.unwrap(), "not the first");
    assert!(!entries.keep_result(new("1", "0"), later(10)).await.unwrap(), "it has lapsed");
    assert_eq!(entries.result("lock", "a".into(), now()).await.unwrap(), None);
    assert!(entries.keep_result(new("1", "7"), later(5)).await.unwrap());
    assert_eq!(ahead(entries, "1", 5).await.as_deref(), Some("gone"), "with its entry");
    let kept = entries.result("lock", "a".into(), later(6)).await.unwrap().unwrap();
    assert_eq!((kept.fence, &*kept.outcome, kept.arguments.as_deref(), kept.failed), (fence, "7", Some("[1]"), false));
    assert_eq!((kept.at, kept.until), (later(5), later(15)));
    assert!(entries.keep_result(NewResult { failed: true, ..new("2", "no") }, later(7)).await.unwrap());
    let kept = entries.result("lock", "a".into(), later(7)).await.unwrap().unwrap();
    assert_eq!((&*kept.outcome, kept.failed), ("no", true));
    assert_eq!(entries.result("lock", "a".into(), later(17)).await.unwrap(), None, "its time is over");
    assert_eq!(entries.result("service", "a".into(), later(7)).await.unwrap(), None);
    let removed = async || entries.remove_result("lock", "a".into(), later(8)).await.unwrap();
    assert_eq!((removed().await, removed().await), (true, false));
}

/// Changes of entries notify.
pub async fn g2_changes_of_entries_notify(store: &Arc<dyn Store>) {
    let Some(entries) = store.ephemerals() else { return };
    enter(entries, "a", "1").await;
    let mut changes = entries.entry_changes();
    changes.mark_unchanged();
    entries.remove_entry("1".into(), now()).await.unwrap();
    changes.changed().await.unwrap();
}
