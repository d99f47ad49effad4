//! Lists of instances: a row that cannot be read does not hide the others; id prefixes, and the newest first.

use fsm_runtime::{
    HistoryQuery, ListQuery, Machines, ReadError, RowError, Runtime,
    clock::ManualClock,
    store::{Page, StoreError, sqlite::Sqlite},
};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// The release that runs.
mod now {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A parcel.
    #[derive(StateMachine)]
    #[fsm(initial = Packed | Sending, version = 2, durable, derive(Serialize, Deserialize))]
    pub(super) enum Parcel {
        #[on(send => Sending)]
        Packed { items: Vec<String> },
        #[state(work)]
        #[on(sent => Sent)]
        Sending { items: Vec<String> },
        #[state(end)]
        Sent,
    }
}

/// The release before.
mod before {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A parcel.
    #[derive(StateMachine)]
    #[fsm(initial = Packed, durable, derive(Serialize, Deserialize))]
    pub(super) enum Parcel {
        #[on(send => Packed)]
        Packed { items: Vec<String> },
    }
}

/// The release after.
mod next {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A parcel.
    #[derive(StateMachine)]
    #[fsm(initial = Packed | Insured, version = 3, durable, derive(Serialize, Deserialize))]
    pub(super) enum Parcel {
        #[on(insure => Insured)]
        Packed { items: Vec<String> },
        #[on(pack { items: Vec<String> } => Packed)]
        Insured,
    }
}

use now::{Parcel, parcel};

/// Sends each parcel.
struct Post;

impl parcel::Workers for Post {
    async fn sending(&self, task: parcel::Task<parcel::Sending>) -> fsm_runtime::Outcome<parcel::Sending> {
        task.sent()
    }
}

fn packed() -> parcel::Packed {
    parcel::Packed { items: vec!["book".to_owned()] }
}

async fn client(path: &Path) -> (Runtime, Machines<Parcel>) {
    let store = Sqlite::open(path).await.unwrap();
    let builder = Runtime::builder(store).tolerate_unknown().migrate::<Parcel>(1, Ok);
    let runtime = builder.start().await.unwrap();
    let parcels = runtime.machines::<Parcel>();
    (runtime, parcels)
}

/// Changes the stored data of an instance behind the runtime's back.
fn spoil(path: &Path, id: &str, data: &str) {
    let changed = rusqlite::Connection::open(path)
        .unwrap()
        .execute("UPDATE fsm_instances SET data = ?2 WHERE id = ?1", [id, data])
        .unwrap();
    assert_eq!(changed, 1);
}

/// The id of each item, with `!` for one that cannot be read.
fn shown(page: &Page<Result<parcel::AnyRecord, RowError>>) -> Vec<String> {
    let item = |item: &Result<parcel::AnyRecord, RowError>| match item {
        Ok(record) => record.id().to_owned(),
        Err(error) => format!("{}!", error.key().id),
    };
    page.items.iter().map(item).collect()
}

/// All pages of one row.
async fn pages(parcels: &Machines<Parcel>, query: ListQuery<parcel::State>) -> String {
    let (mut query, mut all) = (query.limit(1), Vec::new());
    loop {
        let page = parcels.list(&query).await.unwrap();
        all.extend(shown(&page));
        let Some(next) = page.next else { return all.join(" ") };
        query = query.after(next);
    }
}

#[tokio::test]
async fn x13_an_unreadable_row_is_an_error_in_its_place() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("parcels.db");
    let (_runtime, parcels) = client(&path).await;
    for id in ["a", "b", "c", "d", "e"] {
        parcels.create(id, packed()).await.unwrap();
    }
    spoil(&path, "b", r#"{"items":3}"#);
    let later = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    later.machines::<next::Parcel>().create("bb", next::parcel::Insured).await.unwrap();
    let newest = next::parcel::Packed { items: Vec::new() };
    later.machines::<next::Parcel>().create("f", newest).await.unwrap();

    let page = parcels.list(&ListQuery::all().limit(4)).await.unwrap();
    assert_eq!(shown(&page), ["a", "b!", "bb!", "c"]);
    assert!(matches!(&page.items[1], Err(RowError::Undecodable { state, .. }) if state == "Packed"));
    assert!(matches!(&page.items[2], Err(RowError::Newer { found: 3, known: 2, .. })));
    assert!(page.items[1].as_ref().unwrap_err().to_string().contains("Parcel `b`"), "{page:?}");
    let rest = parcels.list(&ListQuery::all().after(page.next.unwrap())).await.unwrap();
    assert_eq!((shown(&rest), rest.next), (vec!["d".to_owned(), "e".to_owned(), "f!".to_owned()], None));

    assert_eq!(pages(&parcels, ListQuery::all()).await, "a b! bb! c d e f!");
    assert_eq!(pages(&parcels, ListQuery::all().newest_first()).await, "f! bb! e d c b! a");
    assert_eq!(pages(&parcels, ListQuery::all().id_prefix("b")).await, "b! bb!");
    assert_eq!(pages(&parcels, ListQuery::in_state(parcel::State::Packed)).await, "a b! c d e f!");
    let tomorrow = SystemTime::now() + Duration::from_hours(24);
    assert_eq!(pages(&parcels, ListQuery::all().entered_before(tomorrow)).await, "a b! c d e bb! f!");

    // What one row is in, nothing else needs to know.
    assert!(matches!(parcels.get("b").await, Err(ReadError::Row(RowError::Undecodable { .. }))));
    let counts: Vec<_> = parcels.count().await.unwrap().into_iter().map(|it| (it.name, it.instances)).collect();
    assert_eq!(counts, [("Insured".to_owned(), 1), ("Packed".to_owned(), 6)]);
    for id in ["b", "bb"] {
        assert_eq!(parcels.history(id, &HistoryQuery::new()).await.unwrap().items.len(), 1);
    }
    let strict: Result<Vec<_>, RowError> = parcels.list(&ListQuery::all()).await.unwrap().items.into_iter().collect();
    assert_eq!(&*strict.unwrap_err().key().id, "b", "the first one");
}

#[tokio::test]
async fn x13_a_row_of_a_page_can_be_decoded() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("parcels.db");
    let (runtime, parcels) = client(&path).await;
    for id in ["a", "b"] {
        parcels.create(id, packed()).await.unwrap();
    }
    spoil(&path, "b", "[]");
    let rows = parcels.rows(&ListQuery::all()).await.unwrap().items;
    let parcel::AnyRecord::Packed(a) = parcels.decode(&rows[0]).unwrap() else { panic!("{rows:?}") };
    assert_eq!((a.id(), a.items.len()), ("a", 1));
    let sending = a.send().await.unwrap();
    assert_eq!(sending.version(), 2, "it is a record like any other");
    assert!(matches!(parcels.decode(&rows[1]), Err(RowError::Undecodable { key, .. }) if &*key.id == "b"));

    let error = runtime.machines::<super::job::Job>().decode(&rows[0]).unwrap_err();
    assert!(matches!(&error, RowError::OtherMachine { expected: "Job", .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "Parcel `a` is not an instance of `Job`; decode it with `runtime.machines::<Parcel>()`"
    );
}

#[tokio::test]
async fn x13_an_unreadable_row_keeps_no_other_from_work() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("parcels.db");
    let (client, parcels) = client(&path).await;
    for id in ["a", "b", "c"] {
        parcels.create(id, packed()).await.unwrap().send().await.unwrap();
    }
    client.shutdown(Duration::ZERO).await;
    spoil(&path, "b", r#"{"items":3}"#);
    let builder = Runtime::builder(Sqlite::open(&path).await.unwrap()).migrate::<Parcel>(1, Ok);
    let runtime = builder.machine::<Parcel, _>(Post).start().await.unwrap();
    let parcels = runtime.machines::<Parcel>();
    for id in ["a", "c"] {
        parcels.wait_for(id, parcel::State::Sent, Duration::from_secs(20)).await.unwrap();
    }
    assert_eq!(parcels.row("b").await.unwrap().state, "Sending");
    assert_eq!(pages(&parcels, ListQuery::all()).await, "a b! c");
    runtime.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn x13_a_bulk_migration_leaves_single_rows() {
    const LIMIT: usize = 2_000;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("parcels.db");
    let old = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    for id in ["a", "b", "c", "d"] {
        let packed = before::parcel::Packed { items: vec![id.to_owned()] };
        old.machines::<before::Parcel>().create(id, packed).await.unwrap();
    }
    old.shutdown(Duration::ZERO).await;
    spoil(&path, "b", "3");
    let store = Sqlite::options().max_value_bytes(LIMIT).open(&path).await.unwrap();
    let grow = |mut old: fsm_runtime::OldState| {
        if old.data["items"][0] == "c" {
            old.data["items"][0] = "c".repeat(LIMIT).into();
        }
        Ok(old)
    };
    let runtime = Runtime::builder(store).migrate::<Parcel>(1, grow).start().await.unwrap();
    let mut left = Vec::new();
    let done = runtime.machines::<Parcel>().migrate_all(|_, errors| left.extend(errors)).await.unwrap();
    assert_eq!((done.seen, done.rewritten, done.changed_meanwhile, done.left), (4, 2, 0, 2));
    left.sort_by(|a, b| a.key().cmp(b.key()));
    assert!(matches!(&left[0], RowError::Undecodable { key, .. } if &*key.id == "b"), "{left:?}");
    assert!(matches!(&left[1], RowError::Unstorable { key, migrated_from: 1, .. } if &*key.id == "c"), "{left:?}");
    assert!(
        left[1].to_string().starts_with("Parcel `c`, migrated from schema version 1, cannot be stored: the data has")
    );
}

#[tokio::test]
async fn x14_the_newest_of_a_customer_are_listed_first() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_hours(24));
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock()).start().await.unwrap();
    let parcels = runtime.machines::<Parcel>();
    for id in ["acme/2", "zeta/1", "acme/1", "acme/3", "acmeX"] {
        parcels.create(id, packed()).await.unwrap();
        clock.advance(Duration::from_mins(1));
    }
    parcels.fire("acme/2", parcel::event::Send).await.unwrap();
    let acme = ListQuery::all().id_prefix("acme/");
    assert_eq!(pages(&parcels, acme.clone()).await, "acme/1 acme/2 acme/3", "by id");
    assert_eq!(pages(&parcels, acme.clone().newest_first()).await, "acme/2 acme/3 acme/1", "by entered state");
    let packed = ListQuery::in_state(parcel::State::Packed);
    assert_eq!(pages(&parcels, packed.clone().id_prefix("acme/")).await, "acme/1 acme/3");
    assert_eq!(pages(&parcels, packed.newest_first()).await, "acmeX acme/3 acme/1 zeta/1");
    let next = parcels.list(&acme.clone().limit(1)).await.unwrap().next.unwrap();
    for other in [acme.newest_first(), ListQuery::all(), ListQuery::all().id_prefix("acme")] {
        let error = parcels.list(&other.after(next.clone())).await.unwrap_err();
        assert!(matches!(error, StoreError::Cursor { .. }), "{error:?}");
    }
}
