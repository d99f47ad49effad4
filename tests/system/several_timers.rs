//! Several timers of a state: each fires its own event; delays and times come from the data; an internal transition rewinds some.

#![allow(clippy::needless_pass_by_value, reason = "a `with` takes state and event, though it only reads them")]

use fsm_runtime::{
    HistoryQuery, Machines, Runtime,
    clock::{self, ManualClock},
    prelude::*,
    store::{HistoryKind, Row, sqlite::Sqlite},
};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_mins(1);
const BEGIN: SystemTime = SystemTime::UNIX_EPOCH;

mod declared {
    use super::*;

    /// A room that is lent.
    #[derive(StateMachine, Clone, Debug, PartialEq)]
    #[fsm(initial = Lent | Idle, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
    pub(super) enum Room {
        /// In use. The first two timers can be due at the same time.
        #[on(warn => _, with = warn)]
        #[on(end => Free)]
        #[on(extend { by: Duration } => _, with = extend, rewind = [warn, end])]
        #[on(note => _)]
        #[on(check => _, guard = is_checked)]
        #[on(again => Self)]
        #[on(look => _, with = look)]
        #[after(|room| room.notice, warn)]
        #[at(|room| room.until, end)]
        #[after("1h", check)]
        #[after(|room| room.looks_every, look)]
        Lent { notice: Duration, until: SystemTime, looks_every: Option<Duration>, warnings: u32 },
        /// Without a use.
        #[on(lend { notice: Duration, until: SystemTime } => Lent, with = lend)]
        Idle,
        /// Not in use any more.
        #[state(end)]
        Free,
    }

    fn warn(lent: room::Lent, _: room::event::Warn) -> room::Lent {
        room::Lent { warnings: lent.warnings + 1, ..lent }
    }

    fn extend(lent: room::Lent, event: room::event::Extend) -> room::Lent {
        room::Lent { until: clock::now() + event.by, ..lent }
    }

    fn is_checked(_: &room::Lent, _: &room::event::Check) -> Result<(), &'static str> {
        Err("it was not inspected")
    }

    /// The second look is the last one.
    fn look(lent: room::Lent, _: room::event::Look) -> room::Lent {
        let looks_every = lent.looks_every.map(|every| if every == 2 * MINUTE { Duration::ZERO } else { 2 * MINUTE });
        room::Lent { looks_every, ..lent }
    }

    fn lend(_: room::Idle, event: room::event::Lend) -> room::Lent {
        lent(event.notice, event.until)
    }

    pub(super) fn lent(notice: Duration, until: SystemTime) -> room::Lent {
        room::Lent { notice, until, looks_every: None, warnings: 0 }
    }
}

use declared::{Room, lent, room};

struct World {
    runtime: Runtime,
    rooms: Machines<Room>,
    clock: ManualClock,
    dir: TempDir,
}

async fn start(dir: &Path, clock: &ManualClock) -> Runtime {
    let store = Sqlite::open(dir.join("rooms.db")).await.unwrap();
    Runtime::builder(store).clock(clock.clock()).machine::<Room, _>(()).start().await.unwrap()
}

impl World {
    async fn new() -> Self {
        let (dir, clock) = (TempDir::new().unwrap(), ManualClock::new(BEGIN));
        let runtime = start(dir.path(), &clock).await;
        Self { rooms: runtime.machines(), runtime, clock, dir }
    }

    async fn run_for(&self, duration: Duration) {
        self.runtime.run_for(&self.clock, duration).await.unwrap();
    }

    async fn row(&self) -> Row {
        self.rooms.row("a").await.unwrap()
    }

    /// The timers that run, with their due times in minutes.
    async fn timers(&self) -> Vec<(String, u64)> {
        let minutes = |at: SystemTime| at.duration_since(BEGIN).unwrap().as_secs() / 60;
        let row = self.row().await;
        assert_eq!(row.timer_at, row.timers.values().min().copied(), "{row:?}");
        row.timers.into_iter().map(|(event, at)| (event, minutes(at))).collect()
    }

    /// Minute, event and kind of each entry after the creation.
    async fn history(&self) -> Vec<String> {
        let entries = self.rooms.history("a", &HistoryQuery::new().limit(100)).await.unwrap().items;
        let minutes = |at: SystemTime| at.duration_since(BEGIN).unwrap().as_secs() / 60;
        let line = |entry: fsm_runtime::store::HistoryEntry| {
            let event = entry.event?;
            let note = if entry.kind == HistoryKind::Note { entry.payload.unwrap_or_default() } else { String::new() };
            Some(format!("{} {event} {} {note}", minutes(entry.at), entry.cause.as_str()).trim().to_owned())
        };
        entries.into_iter().filter_map(line).collect()
    }
}

fn timers(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(event, at)| ((*event).to_owned(), *at)).collect()
}

#[tokio::test]
async fn t5_each_timer_fires_its_event_at_its_time() {
    let world = World::new().await;
    world.rooms.create("a", lent(10 * MINUTE, BEGIN + 25 * MINUTE)).await.unwrap();
    assert_eq!(world.timers().await, timers(&[("check", 60), ("end", 25), ("warn", 10)]));
    world.run_for(60 * MINUTE).await;
    assert_eq!(world.history().await, ["10 warn timer", "20 warn timer", "25 end timer"]);
    assert_eq!(world.timers().await, []);
}

#[tokio::test]
async fn t5_timers_run_on_while_the_process_is_down() {
    let world = World::new().await;
    world.rooms.create("a", lent(10 * MINUTE, BEGIN + 25 * MINUTE)).await.unwrap();
    world.runtime.shutdown(Duration::ZERO).await;
    world.clock.advance(30 * MINUTE);
    let runtime = start(world.dir.path(), &world.clock).await;
    runtime.run_until_idle().await.unwrap();
    let history = World { rooms: runtime.machines(), runtime, ..world }.history().await;
    assert_eq!(history, ["30 warn timer", "30 end timer"], "in the order in which they were due");
}

#[tokio::test]
async fn t5_timers_due_together_fire_in_declared_order() {
    let world = World::new().await;
    world.rooms.create("a", lent(20 * MINUTE, BEGIN + 20 * MINUTE)).await.unwrap();
    world.run_for(60 * MINUTE).await;
    assert_eq!(world.history().await, ["20 warn timer", "20 end timer"]);
}

#[tokio::test]
async fn t6_an_internal_transition_rewinds_only_named_timers() {
    let world = World::new().await;
    world.rooms.create("a", lent(10 * MINUTE, BEGIN + 25 * MINUTE)).await.unwrap();
    world.run_for(5 * MINUTE).await;
    let _ = world.rooms.fire("a", room::event::Note).await.unwrap();
    assert_eq!(world.timers().await, timers(&[("check", 60), ("end", 25), ("warn", 10)]));
    let _ = world.rooms.fire("a", room::event::Extend { by: 40 * MINUTE }).await.unwrap();
    assert_eq!(world.timers().await, timers(&[("check", 60), ("end", 45), ("warn", 15)]));
    let room::AnyRecord::Lent(lent) = world.rooms.get("a").await.unwrap() else { panic!("it is lent") };
    let lent = lent.note().await.unwrap().extend(20 * MINUTE).await.unwrap();
    assert_eq!(world.timers().await, timers(&[("check", 60), ("end", 25), ("warn", 15)]));
    let _ = lent.again().await.unwrap();
    assert_eq!(
        world.timers().await,
        timers(&[("check", 65), ("end", 25), ("warn", 15)]),
        "a re-entry starts all timers"
    );
}

#[tokio::test]
async fn t7_a_refused_timer_is_dropped_alone() {
    let world = World::new().await;
    world.rooms.create("a", lent(50 * MINUTE, BEGIN + 120 * MINUTE)).await.unwrap();
    world.run_for(70 * MINUTE).await;
    let dropped = "60 timer dropped timer a guard refused `check`: it was not inspected";
    assert_eq!(world.history().await, ["50 warn timer", dropped]);
    assert_eq!(world.timers().await, timers(&[("end", 120), ("warn", 100)]));
}

#[tokio::test]
async fn t8_a_deadline_that_has_passed_fires_at_once() {
    let world = World::new().await;
    world.clock.advance(30 * MINUTE);
    world.rooms.create("a", lent(10 * MINUTE, BEGIN + MINUTE)).await.unwrap();
    world.runtime.run_until_idle().await.unwrap();
    assert_eq!(world.history().await, ["30 end timer"]);
}

#[tokio::test]
async fn t8_delays_without_end_never_fire() {
    let world = World::new().await;
    world.rooms.create("a", lent(Duration::MAX, BEGIN + Duration::from_hours(1_000_000))).await.unwrap();
    world.run_for(Duration::from_hours(24)).await;
    let running: Vec<_> = world.row().await.timers.into_keys().collect();
    assert_eq!(running, ["end", "warn"], "the check was refused");
}

#[tokio::test]
async fn t8_a_timer_due_again_at_once_by_itself_ends() {
    let world = World::new().await;
    let looking = room::Lent { looks_every: Some(MINUTE), ..lent(50 * MINUTE, BEGIN + 300 * MINUTE) };
    world.rooms.create("a", looking).await.unwrap();
    world.run_for(10 * MINUTE).await;
    assert_eq!(world.history().await, ["1 look timer", "3 look timer"], "the second look leaves no delay");
    assert_eq!(world.timers().await, timers(&[("check", 60), ("end", 300), ("warn", 50)]));
}

#[tokio::test]
async fn an_override_starts_the_timers_of_its_state() {
    let world = World::new().await;
    world.rooms.create("a", room::Idle).await.unwrap();
    world.run_for(5 * MINUTE).await;
    let operator = world.rooms.with_actor("ada");
    operator.move_to(&world.row().await, lent(10 * MINUTE, BEGIN + 25 * MINUTE), "by phone").await.unwrap();
    assert_eq!(world.timers().await, timers(&[("check", 65), ("end", 25), ("warn", 15)]));
    operator.move_to(&world.row().await, room::Idle, "by phone").await.unwrap();
    assert_eq!(world.timers().await, []);
}

mod next {
    use super::{Deserialize, Duration, Serialize, StateMachine, SystemTime};

    /// A later release, without warnings: a room is cleaned, and given back a day before its end.
    #[derive(StateMachine, Clone, Debug, PartialEq)]
    #[fsm(initial = Lent | Idle, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
    pub(super) enum Room {
        /// In use.
        #[on(end | clean | give_back => Free)]
        #[at(|room| room.until, end)]
        #[after(|room| room.notice * 4, clean)]
        #[at(|room| room.until.checked_sub(Duration::from_mins(5)), give_back)]
        Lent { notice: Duration, until: SystemTime },
        /// Without a use.
        #[on(lend { notice: Duration, until: SystemTime } => Lent)]
        Idle,
        /// Not in use any more.
        #[state(end)]
        Free,
    }
}

#[tokio::test]
async fn a_new_release_adds_and_drops_timers() {
    let world = World::new().await;
    world.rooms.create("a", lent(10 * MINUTE, BEGIN + 50 * MINUTE)).await.unwrap();
    world.run_for(15 * MINUTE).await;
    world.runtime.shutdown(Duration::ZERO).await;
    let store = Sqlite::open(world.dir.path().join("rooms.db")).await.unwrap();
    let builder = Runtime::builder(store).clock(world.clock.clock()).machine::<next::Room, _>(());
    let runtime = builder.start().await.unwrap();
    let rooms = runtime.machines::<next::Room>();
    let row = rooms.row("a").await.unwrap();
    let minutes = |event: &str| row.timers[event].duration_since(BEGIN).unwrap().as_secs() / 60;
    assert_eq!(["clean", "end", "give_back"].map(minutes), [40, 50, 45], "counted from the entry");
    runtime.run_for(&world.clock, 25 * MINUTE).await.unwrap();
    assert_eq!(rooms.get("a").await.unwrap().state(), next::room::State::Free);
    let entries = rooms.history("a", &HistoryQuery::new().limit(100)).await.unwrap().items;
    let events: Vec<_> = entries.iter().filter_map(|entry| entry.event.as_deref()).collect();
    assert_eq!(events, ["warn", "armed", "timer dropped", "clean"]);
    let notes: Vec<_> = entries.iter().filter(|entry| entry.kind == HistoryKind::Note).collect();
    assert_eq!(notes[0].payload.as_deref(), Some("the state has timers now"));
    assert_eq!(notes[1].payload.as_deref(), Some("`Lent` no longer declares a timer that fires `warn`"));
}
