//! A new release and existing rows: states with new work or a new timer, and the stored definition.

use fsm_runtime::{
    HistoryQuery, Outcome, Runtime, StartError,
    clock::ManualClock,
    store::{Definition, Store, sqlite::Sqlite},
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_hours(1);

mod before {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A letter, sent by hand.
    #[derive(StateMachine)]
    #[fsm(initial = Written | Kept, durable, derive(Serialize, Deserialize))]
    pub(super) enum Letter {
        /// It waits to be sent.
        #[on(send => Sent)]
        Written,
        /// It is kept.
        #[on(burn => Burnt)]
        Kept,
        /// Gone.
        #[state(end)]
        Sent,
        /// Gone as well.
        #[state(end)]
        Burnt,
    }
}

mod after {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A letter, sent by a worker; a kept one is burnt.
    #[derive(StateMachine)]
    #[fsm(initial = Sending | Kept, durable, derive(Serialize, Deserialize))]
    pub(super) enum Letter {
        /// A worker sends it.
        #[state(work, was = "Written")]
        #[on(send => Sent)]
        Sending,
        /// It is kept.
        #[on(burn => Burnt)]
        #[after("2h", burn)]
        Kept,
        /// Gone.
        #[state(end)]
        Sent,
        /// Gone as well.
        #[state(end)]
        Burnt,
    }
}

use after::letter as new;
use before::letter as old;

struct Post;

impl new::Workers for Post {
    async fn sending(&self, task: new::Task<new::Sending>) -> Outcome<new::Sending> {
        task.send()
    }
}

struct World {
    _dir: TempDir,
    path: PathBuf,
    clock: ManualClock,
}

impl World {
    /// Rows of the previous release: more than a page to be sent, one kept.
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("letters.db");
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + HOUR);
        let store = Sqlite::open(&path).await.unwrap();
        let runtime =
            Runtime::builder(store).clock(clock.clock()).machine::<before::Letter, _>(()).start().await.unwrap();
        let letters = runtime.machines::<before::Letter>();
        let all = (0..600).map(|n| (format!("{n:03}"), old::Written));
        assert!(letters.create_many(all).await.iter().all(Result::is_ok));
        letters.create("kept", old::Kept).await.unwrap();
        runtime.shutdown(Duration::ZERO).await;
        Self { _dir: dir, path, clock }
    }

    async fn start(&self, path: &Path) -> Result<Runtime, StartError> {
        let store = Sqlite::open(path).await.unwrap();
        Runtime::builder(store).clock(self.clock.clock()).machine::<after::Letter, _>(Post).start().await
    }
}

async fn notes(runtime: &Runtime, id: &str) -> Vec<(String, String)> {
    let entries = runtime.machines::<after::Letter>().history(id, &HistoryQuery::new().limit(100)).await.unwrap().items;
    let notes = entries.into_iter().filter(|entry| entry.kind == fsm_runtime::store::HistoryKind::Note);
    notes.map(|note| (note.event.unwrap(), note.payload.unwrap())).collect()
}

#[tokio::test]
async fn rows_are_armed_for_new_work_and_timers_at_start() {
    let world = World::new().await;
    world.clock.advance(HOUR);
    let runtime = world.start(&world.path).await.unwrap();
    let letters = runtime.machines::<after::Letter>();
    for id in ["000", "300", "599"] {
        letters.wait_for(id, new::State::Sent, Duration::from_secs(20)).await.unwrap();
        assert_eq!(notes(&runtime, id).await, [("armed".into(), "the state has work now".into())]);
    }
    let kept = letters.row("kept").await.unwrap();
    assert_eq!(kept.timer_at, Some(SystemTime::UNIX_EPOCH + 3 * HOUR), "two hours after it was entered");
    assert_eq!((kept.version, kept.retry_at), (1, None));
    runtime.shutdown(Duration::from_secs(20)).await;
    drop((letters, runtime));

    let runtime = world.start(&world.path).await.unwrap();
    assert_eq!(notes(&runtime, "kept").await, [("armed".into(), "the state has a timer now".into())], "once");
    world.clock.advance(HOUR);
    runtime.machines::<after::Letter>().wait_for("kept", new::State::Burnt, 20 * HOUR).await.unwrap();
}

#[tokio::test]
async fn arming_without_a_state_index_refuses_the_start() {
    let world = World::new().await;
    drop(Sqlite::options().state_index(false).open(&world.path).await.unwrap());
    for _ in 0..2 {
        let error = world.start(&world.path).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Letter`: `Sending`, `Kept` became `work` or got an `after`, and without an index of states the rows that \
             stand there cannot be found to be woken; open the store once with `state_index(true)` in its options and start"
        );
    }
    drop(Sqlite::options().state_index(true).open(&world.path).await.unwrap());
    let runtime = world.start(&world.path).await.unwrap();
    runtime.machines::<after::Letter>().wait_for("599", new::State::Sent, 20 * HOUR).await.unwrap();
    runtime.shutdown(Duration::from_secs(20)).await;
    // Armed rows need no index.
    drop(runtime);
    drop(Sqlite::options().state_index(false).open(&world.path).await.unwrap());
    world.start(&world.path).await.unwrap();
}

#[tokio::test]
async fn a_client_stores_its_definition_only_where_none_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("letters.db");
    let store = Sqlite::open(&path).await.unwrap();
    let stored = async || store.definition("Letter".into()).await.unwrap();
    let client = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    let letters = client.machines::<before::Letter>();
    assert!(letters.get("a").await.is_err());
    assert_eq!(stored().await, None, "a reading client stores nothing");
    letters.create("a", old::Kept).await.unwrap();
    let Some(first @ Definition { controller: false, .. }) = stored().await else { panic!() };
    assert!(first.graph.contains("\"Written\""), "a tool can draw it: {}", first.graph);

    let controller =
        Runtime::builder(Sqlite::open(&path).await.unwrap()).machine::<after::Letter, _>(Post).start().await.unwrap();
    let Some(second @ Definition { controller: true, .. }) = stored().await else { panic!() };
    assert!(second.graph.contains("\"Sending\""));
    let other = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    other.machines::<before::Letter>().create("b", old::Kept).await.unwrap();
    assert_eq!(stored().await, Some(second));
    controller.shutdown(Duration::ZERO).await;
}
