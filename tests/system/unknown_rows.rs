//! Rolling deploys: rows of a newer release in the same file, tolerated on request and left untouched.

use fsm_runtime::{
    ReadError, RowError, Runtime, StartError, TransitionError,
    clock::ManualClock,
    store::{Row, sqlite::Sqlite},
};
use std::{
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

const SCAN: Duration = Duration::from_secs(5);

/// The release that runs.
mod first {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A ticket.
    #[derive(StateMachine)]
    #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    pub(super) enum Ticket {
        /// A worker runs.
        #[state(work)]
        #[on(close => Closed)]
        Open,
        /// Over.
        #[state(end)]
        Closed,
    }
}

/// The next release, with one more state.
mod next {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A ticket.
    #[derive(StateMachine)]
    #[fsm(initial = Open | Review, durable, derive(Serialize, Deserialize))]
    pub(super) enum Ticket {
        /// A worker runs.
        #[state(work)]
        #[on(close => Closed)]
        #[on(review => Review)]
        Open,
        /// It is reviewed.
        #[state(work)]
        #[on(close => Closed)]
        Review,
        /// Over.
        #[state(end)]
        Closed,
    }
}

/// The release after that, with another schema version.
mod newer {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A ticket.
    #[derive(StateMachine)]
    #[fsm(initial = Open, version = 2, durable, derive(Serialize, Deserialize))]
    pub(super) enum Ticket {
        /// A worker runs.
        #[state(work)]
        #[on(close => Closed)]
        Open { urgent: bool },
        /// Over.
        #[state(end)]
        Closed,
    }
}

use first::ticket as old;

/// Reports its instance, and waits until cancelled.
struct Announcer(mpsc::UnboundedSender<String>);

impl old::Workers for Announcer {
    async fn open(&self, task: old::Task<old::Open>) -> fsm_runtime::Outcome<old::Open> {
        let _ = self.0.send(task.id().to_owned());
        task.cancelled().await;
        Err("told to end".into())
    }
}

/// The events in `tracing` on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self, with: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(with)).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn client(path: &Path) -> Runtime {
    Runtime::builder(Sqlite::open(path).await.unwrap()).start().await.unwrap()
}

struct World {
    dir: TempDir,
    clock: ManualClock,
    others: Runtime,
}

impl World {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let others = client(&dir.path().join("tickets.db")).await;
        Self { dir, clock: ManualClock::new(SystemTime::now() + Duration::from_mins(1)), others }
    }

    async fn start(&self, tolerant: bool) -> Result<(Runtime, mpsc::UnboundedReceiver<String>), StartError> {
        let store = Sqlite::open(self.dir.path().join("tickets.db")).await.unwrap();
        let (starts, begun) = mpsc::unbounded_channel();
        let builder = Runtime::builder(store).clock(self.clock.clock()).poll_interval(SCAN);
        let builder = if tolerant { builder.tolerate_unknown() } else { builder };
        Ok((builder.machine::<first::Ticket, _>(Announcer(starts)).start().await?, begun))
    }

    /// Runs scans: one more worker starts at the end of each.
    async fn scan(&self, begun: &mut mpsc::UnboundedReceiver<String>, round: u32) {
        let id = format!("known-{round}");
        self.others.machines::<first::Ticket>().create(&id, old::Open).await.unwrap();
        self.clock.advance(SCAN);
        while begun.recv().await.unwrap() != id {}
    }

    async fn row(&self, id: &str) -> Row {
        self.others.machines::<first::Ticket>().row(id).await.unwrap()
    }
}

#[tokio::test]
async fn c11_unknown_rows_are_tolerated_on_request() {
    let (log, _listening) = Log::listen();
    let world = World::new().await;
    let (later, newer) = (world.others.machines::<next::Ticket>(), world.others.machines::<newer::Ticket>());
    for n in 0..3 {
        later.create(&format!("review-{n}"), next::ticket::Review).await.unwrap();
    }
    newer.create("newer", newer::ticket::Open { urgent: true }).await.unwrap();
    let before = [world.row("review-0").await, world.row("newer").await];

    let refused = world.start(false).await.map(drop).unwrap_err();
    assert!(matches!(&refused, StartError::Newer { known: 1, rows, .. } if rows.len() == 1), "{refused}");
    assert_eq!(
        refused.to_string(),
        "rows of `Ticket` were written under newer schema versions than 1, which this code declares: `Open` under version 2 (for example Ticket \
         `newer`); run the newer release, or ignore such rows with `Builder::tolerate_unknown`"
    );
    let (runtime, mut begun) = world.start(true).await.unwrap();
    for round in 0..3 {
        world.scan(&mut begun, round).await;
    }
    assert_eq!([world.row("review-0").await, world.row("newer").await], before);

    let tickets = runtime.machines::<first::Ticket>();
    let error = tickets.get("review-1").await.unwrap_err();
    assert!(matches!(&error, ReadError::Row(RowError::UnknownState { state, .. }) if state == "Review"), "{error}");
    let error = tickets.fire("newer", old::event::Close).await.unwrap_err();
    assert!(matches!(error, TransitionError::Row(RowError::Newer { found: 2, known: 1, .. })), "{error}");
    let page = tickets.list(&fsm_runtime::ListQuery::all()).await.unwrap();
    let read: Vec<_> = page.items.iter().map(|ticket| ticket.as_ref().map(|it| it.id().to_owned())).collect();
    assert_eq!(read[..3].iter().flatten().collect::<Vec<_>>(), ["known-0", "known-1", "known-2"]);
    assert!(matches!(read[3], Err(RowError::Newer { key, .. }) if &*key.id == "newer"), "{read:?}");
    assert!(read[4..].iter().all(|it| matches!(it, Err(RowError::UnknownState { .. }))), "{read:?}");
    assert_eq!(tickets.rows(&fsm_runtime::ListQuery::all()).await.unwrap().items.len(), read.len());

    let left = runtime.unknown_rows().await.unwrap();
    let left: Vec<_> = left.iter().map(|it| (it.machine, it.state.as_str(), it.schema, it.rows)).collect();
    assert_eq!(left, [("Ticket", "Open", 2, 1), ("Ticket", "Review", 1, 3)]);
    let reports = log.lines("left unchanged");
    assert_eq!(reports.len(), 2, "each is reported once: {reports:#?}");
    assert!(reports[0].contains("WARN") && reports[0].contains("machine=Ticket state=Open schema=2 known_schema=1"));
    assert!(reports[1].contains("state=Review schema=1") && reports[1].contains("id=review-0"), "{reports:#?}");
    runtime.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn c11_a_move_to_an_unknown_state_stops_the_worker() {
    let (log, _listening) = Log::listen();
    let world = World::new().await;
    let (runtime, mut begun) = world.start(true).await.unwrap();
    let later = world.others.machines::<next::Ticket>();
    later.create("a", next::ticket::Open).await.unwrap();
    assert_eq!(begun.recv().await.unwrap(), "a");
    later.fire("a", next::ticket::event::Review).await.unwrap();
    // Newer code can claim it: it has no owner, and is due.
    let row = loop {
        let row = world.row("a").await;
        if row.owner.is_none() {
            break row;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((row.state.as_str(), row.version, row.parked.as_deref()), ("Review", 2, None));
    assert!(row.retry_at.is_some());
    world.scan(&mut begun, 0).await;
    assert_eq!(log.lines("left unchanged").len(), 1);
    assert_eq!(world.row("a").await.version, 2);
    runtime.shutdown(Duration::ZERO).await;
}
