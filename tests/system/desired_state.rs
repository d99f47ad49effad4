//! Desired states: how an instance converges to one, and what is reported when it cannot.

use fsm_runtime::{
    Blocked, Builder, Convergence, HistoryQuery, ReadError, RowError, TransitionError, WaitError,
    clock::ManualClock,
    prelude::*,
    store::{HistoryKind, Row},
};
use pump::{EventKind, State, event};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

const SECOND: Duration = Duration::from_secs(1);
/// The limit for anything that happens without the manual clock advancing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pump in a mine.
#[derive(StateMachine)]
#[fsm(initial = Off, durable, derive(Clone, Copy, Serialize, Deserialize))]
enum Pump {
    #[on(start => Starting, auto)]
    #[on(scrap => Scrapped)]
    Off { oil: u8 },
    /// A worker starts it.
    #[state(work)]
    #[on(started => On)]
    #[on(fail => Broken)]
    #[on(abort => Off, auto)]
    Starting { oil: u8 },
    #[on(stop => Off, auto)]
    #[on(fail => Broken)]
    #[after("1h", fail)]
    #[on(inspect => On | Broken, with = inspect, auto)]
    On { oil: u8 },
    #[on(repair => Off, auto, guard = has_oil)]
    #[on(refill { litres: u8 } => Off, with = refill)]
    #[on(seal => Sealed)]
    Broken { oil: u8 },
    #[on(unseal { code: u32 } => Off, auto)]
    Sealed { oil: u8 },
    #[on(inspect => On | Broken, with = inspect_scrap, auto)]
    Scrapped { oil: u8 },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape of a guard")]
fn has_oil(broken: &pump::Broken, _: &event::Repair) -> Result<(), &'static str> {
    if broken.oil > 0 { Ok(()) } else { Err("it has no oil") }
}

fn refill(_: pump::Broken, event: event::Refill) -> pump::Off {
    pump::Off { oil: event.litres }
}

fn inspect(on: pump::On, _: event::Inspect) -> pump::choice::OnInspect {
    pump::Broken { oil: on.oil }.into()
}

fn inspect_scrap(scrap: pump::Scrapped, _: event::Inspect) -> pump::choice::ScrappedInspect {
    pump::Broken { oil: scrap.oil }.into()
}

/// Each start ends with the next result of the test, or succeeds by default.
struct Electrician(tokio::sync::Mutex<mpsc::UnboundedReceiver<Outcome>>);

enum Outcome {
    Fail,
    Permanent,
    Wait,
}

impl pump::Workers for Electrician {
    async fn starting(&self, task: pump::Task<pump::Starting>) -> fsm_runtime::Outcome<pump::Starting> {
        let next = self.0.lock().await.try_recv();
        match next {
            Ok(Outcome::Fail) => task.fail(),
            Ok(Outcome::Permanent) => Err(WorkError::permanent("no cable")),
            Ok(Outcome::Wait) => {
                task.cancelled().await;
                Err("cancelled".into())
            }
            Err(_) => task.started(),
        }
    }
}

struct Mine {
    runtime: Runtime,
    pumps: Machines<Pump>,
    starts: mpsc::UnboundedSender<Outcome>,
    clock: ManualClock,
    dir: TempDir,
}

impl Mine {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let (runtime, starts) = work(&dir.path().join("mine.db"), &clock, |builder| builder).await;
        let pumps = runtime.machines();
        Self { runtime, pumps, starts, clock, dir }
    }

    async fn client(&self) -> Runtime {
        let store = Sqlite::open(self.dir.path().join("mine.db")).await.unwrap();
        Runtime::builder(store).clock(self.clock.clock()).start().await.unwrap()
    }

    async fn off(&self, id: &str) {
        let _ = self.pumps.create(id, pump::Off { oil: 1 }).await.unwrap();
    }

    async fn settled(&self, id: &str) -> Convergence<State, EventKind> {
        self.pumps.wait_for_desired_state(id, PATIENCE).await.unwrap().convergence
    }

    /// Waits until `right` holds of the row.
    async fn row(&self, id: &str, right: impl Fn(&Row) -> bool) -> Row {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let row = self.pumps.row(id).await.unwrap();
            if right(&row) {
                return row;
            }
            assert!(std::time::Instant::now() < deadline, "the row stays {row:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn history(&self, id: &str) -> Vec<String> {
        let entries = self.pumps.history(id, &HistoryQuery::new().limit(1_000)).await.unwrap().items;
        let line = |e: &fsm_runtime::store::HistoryEntry| match e.kind {
            HistoryKind::Note => {
                format!("{}: {}: {}", e.version, e.event.as_deref().unwrap(), e.payload.as_deref().unwrap())
            }
            _ => format!("{}: {} -> {} ({})", e.version, e.event.as_deref().unwrap_or("created"), e.to, e.cause),
        };
        entries.iter().map(line).collect()
    }
}

async fn work(
    path: &Path,
    clock: &ManualClock,
    configure: impl FnOnce(Builder) -> Builder,
) -> (Runtime, mpsc::UnboundedSender<Outcome>) {
    let (starts, next) = mpsc::unbounded_channel();
    let store = Sqlite::open(path).await.unwrap();
    let builder = Runtime::builder(store).machine::<Pump, _>(Electrician(next.into())).clock(clock.clock());
    (configure(builder.max_attempts(3).backoff(SECOND, SECOND)).start().await.unwrap(), starts)
}

#[tokio::test]
async fn auto_transitions_and_work_lead_to_the_desired_state() {
    let mine = Mine::new().await;
    mine.off("a").await;
    let desired = mine.pumps.with_actor("ada").converge("a", State::On).await.unwrap();
    assert_eq!((desired.target, desired.version, desired.setbacks), (State::On, 1, 0), "the version is kept");
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
    assert_eq!(
        mine.history("a").await,
        [
            "1: created -> Off (caller)",
            "1: desired state set: On",
            "2: start -> Starting (converge)",
            "3: started -> On (worker)"
        ]
    );
    assert_eq!(
        mine.pumps.history("a", &HistoryQuery::new().limit(2)).await.unwrap().items[1].actor.as_deref(),
        Some("ada")
    );
    let row = mine.row("a", |row| row.desired_at.is_none()).await;
    assert_eq!(row.wake_at(), row.timer_at, "a reached desired state is not due");
}

#[tokio::test]
async fn setting_a_desired_state_keeps_records_valid() {
    let mine = Mine::new().await;
    let off = mine.pumps.create("a", pump::Off { oil: 1 }).await.unwrap();
    let _ = mine.pumps.converge("a", State::Off).await.unwrap();
    assert_eq!(off.scrap().await.unwrap().version(), 2);
}

#[tokio::test]
async fn an_instance_moved_away_by_its_timer_is_brought_back() {
    let mine = Mine::new().await;
    mine.off("a").await;
    let _ = mine.pumps.converge("a", State::On).await.unwrap();
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
    mine.clock.advance(Duration::from_hours(1));
    let row = mine.row("a", |row| row.state == "Broken").await;
    let next = mine.runtime.run_until_idle().await.unwrap();
    let at = match mine.pumps.desired_state("a").await.unwrap().unwrap().convergence {
        Convergence::Retrying { event, at, why } => {
            assert_eq!((event, why.as_str()), (EventKind::Repair, "`fail` led from `On` back to `Broken`"));
            at
        }
        other => panic!("{other:?}"),
    };
    assert!(at <= row.updated + SECOND, "{at:?}");
    assert_eq!(next, Some(at), "only the pause is pending");
    mine.clock.advance_to(at);
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
    assert_eq!(
        mine.history("a").await[4..],
        [
            "4: fail -> Broken (timer)",
            "5: repair -> Off (converge)",
            "6: start -> Starting (converge)",
            "7: started -> On (worker)"
        ]
    );
    assert_eq!(mine.pumps.desired_state("a").await.unwrap().unwrap().setbacks, 1);
}

#[tokio::test]
async fn too_many_setbacks_give_up_until_set_again() {
    let mine = Mine::new().await;
    mine.off("a").await;
    for _ in 0..3 {
        mine.starts.send(Outcome::Fail).unwrap();
    }
    let _ = mine.pumps.converge("a", State::On).await.unwrap();
    while let Some(next) = mine.runtime.run_until_idle().await.unwrap() {
        mine.clock.advance_to(next);
    }
    let desired = mine.pumps.desired_state("a").await.unwrap().unwrap();
    let why = "`fail` led from `Starting` back to `Broken`".to_owned();
    assert_eq!((desired.convergence, desired.setbacks), (Convergence::Blocked(Blocked::FallsBack { why }), 3));
    assert_eq!(
        mine.history("a").await.last().unwrap(),
        "9: desired state given up: 3 setbacks, the last: `fail` led from `Starting` back to `Broken`"
    );
    let _ = mine.pumps.converge("a", State::On).await.unwrap();
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
}

#[tokio::test]
async fn an_outside_event_away_from_the_target_suspends_it() {
    let mine = Mine::new().await;
    mine.off("a").await;
    let _ = mine.pumps.converge("a", State::On).await.unwrap();
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
    let _ = mine.pumps.fire("a", event::Stop).await.unwrap();
    let why =
        "`stop`, fired by a caller or an operator, led from `On` to `Off`, away from the desired state".to_owned();
    assert_eq!(mine.settled("a").await, Convergence::Blocked(Blocked::Suspended { why }));
    assert_eq!(mine.row("a", |row| row.desired_at.is_none()).await.state, "Off");
    assert_eq!(
        mine.history("a").await.last().unwrap(),
        "4: desired state suspended: `stop`, fired by a caller or an operator, led from `On` to `Off`, away from the desired state"
    );
    let _ = mine.pumps.converge("a", State::On).await.unwrap();
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
    // An operator's override counts as an outside event.
    let seen = mine.row("a", |_| true).await;
    let _ = mine.pumps.with_actor("ada").move_to(&seen, pump::Broken { oil: 1 }, "it smokes").await.unwrap();
    assert!(matches!(mine.settled("a").await, Convergence::Blocked(Blocked::Suspended { .. })));
}

#[tokio::test]
async fn an_outside_event_towards_the_target_continues() {
    let mine = Mine::new().await;
    let _ = mine.pumps.create("a", pump::Off { oil: 1 }).await.unwrap();
    let seen = mine.row("a", |_| true).await;
    let ada = mine.pumps.with_actor("ada");
    let _ = ada.move_to(&seen, pump::Sealed { oil: 1 }, "a test").await.unwrap();
    let _ = mine.pumps.converge("a", State::On).await.unwrap();
    assert!(matches!(mine.settled("a").await, Convergence::Blocked(_)));
    let _ = mine.pumps.fire("a", event::Unseal { code: 7 }).await.unwrap();
    assert_eq!(mine.pumps.wait_for("a", State::On, PATIENCE).await.unwrap().state(), State::On);
}

#[tokio::test]
async fn a_blocked_convergence_is_typed() {
    let mine = Mine::new().await;
    let ada = mine.pumps.with_actor("ada");
    mine.off("a").await;
    let to = async |state: &str| mine.row("a", |row| row.state == state).await;

    // No path leads to a state that only a caller's event reaches.
    let desired = mine.pumps.converge("a", State::Scrapped).await.unwrap();
    let stuck = Blocked::NoPath { from: State::Off, to: State::Scrapped };
    assert_eq!(
        stuck.to_string(),
        "no path of `auto` transitions, work and timers leads from `Off` to `Scrapped`; fire an event that leads on, or \
         mark transitions `auto`"
    );
    assert_eq!(desired.convergence, Convergence::Blocked(stuck));
    mine.row("a", |row| row.desired_at.is_none()).await;
    assert_eq!(
        mine.history("a").await.last().unwrap(),
        "1: desired state blocked: no path of `auto` transitions, work and timers leads from `Off` to `Scrapped`"
    );

    let _ = ada.move_to(&to("Off").await, pump::Sealed { oil: 0 }, "a test").await.unwrap();
    let desired = mine.pumps.converge("a", State::On).await.unwrap();
    let stuck = Blocked::NeedsPayload { state: State::Sealed, event: EventKind::Unseal };
    assert_eq!(stuck.to_string(), "`unseal` in `Sealed` has a payload, which only a caller can supply; fire it");
    assert_eq!(desired.convergence, Convergence::Blocked(stuck));

    let _ = ada.move_to(&to("Sealed").await, pump::Scrapped { oil: 0 }, "a test").await.unwrap();
    let desired = mine.pumps.converge("a", State::On).await.unwrap();
    let stuck = Blocked::Branches { state: State::Scrapped, event: EventKind::Inspect };
    assert_eq!(
        stuck.to_string(),
        "`inspect` in `Scrapped` has several targets, and its `with` function chooses among them; fire it"
    );
    assert_eq!(desired.convergence, Convergence::Blocked(stuck));
}

#[tokio::test]
async fn a_refusing_guard_is_retried_up_to_the_limit() {
    let mine = Mine::new().await;
    mine.off("a").await;
    let seen = mine.row("a", |_| true).await;
    let _ = mine.pumps.with_actor("ada").move_to(&seen, pump::Broken { oil: 0 }, "a test").await.unwrap();
    let _ = mine.pumps.converge("a", State::Off).await.unwrap();
    while let Some(next) = mine.runtime.run_until_idle().await.unwrap() {
        mine.clock.advance_to(next);
    }
    let desired = mine.pumps.desired_state("a").await.unwrap().unwrap();
    let stuck = Blocked::Refused { event: EventKind::Repair, reason: "a guard refused `repair`: it has no oil".into() };
    assert_eq!(stuck.to_string(), "`repair` was given up: a guard refused `repair`: it has no oil");
    assert_eq!((desired.convergence, desired.setbacks), (Convergence::Blocked(stuck), 3));
    // The missing event comes from outside and leads toward the target.
    let _ = mine.pumps.fire("a", event::Refill { litres: 3 }).await.unwrap();
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
}

#[tokio::test]
async fn parked_work_blocks_until_it_is_released() {
    let mine = Mine::new().await;
    mine.off("a").await;
    mine.starts.send(Outcome::Permanent).unwrap();
    let _ = mine.pumps.converge("a", State::On).await.unwrap();
    let stuck = Blocked::Parked { why: "permanent error: no cable".into() };
    assert_eq!(
        stuck.to_string(),
        "work on it is parked: permanent error: no cable; call `unpark` to give it new attempts"
    );
    assert_eq!(mine.settled("a").await, Convergence::Blocked(stuck));
    mine.pumps.unpark("a").await.unwrap();
    assert_eq!(mine.pumps.wait_for("a", State::On, PATIENCE).await.unwrap().version(), 3);
}

#[tokio::test]
async fn work_is_cancelled_for_a_shorter_auto_transition() {
    let mine = Mine::new().await;
    mine.off("a").await;
    mine.starts.send(Outcome::Wait).unwrap();
    let _ = mine.pumps.fire("a", event::Start).await.unwrap();
    mine.row("a", |row| row.owner.is_some()).await;
    let _ = mine.pumps.converge("a", State::Off).await.unwrap();
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
    assert_eq!(mine.history("a").await.last().unwrap(), "3: abort -> Off (converge)");
}

#[tokio::test]
async fn c5_a_desired_state_survives_the_process() {
    let mine = Mine::new().await;
    mine.off("a").await;
    mine.runtime.shutdown(SECOND).await;
    let client = mine.client().await;
    let pumps = client.machines::<Pump>();
    // No controller runs.
    assert_eq!(pumps.converge("a", State::On).await.unwrap().convergence, Convergence::Pending);
    let path = mine.dir.path().join("mine.db");
    let (runtime, _starts) = work(&path, &mine.clock, |builder| builder).await;
    let desired = pumps.wait_for_desired_state("a", PATIENCE).await.unwrap();
    assert_eq!(desired.convergence, Convergence::Fulfilled);
    // A running controller is notified of a client's desired state at once, with the clock stopped.
    let _ = pumps.converge("a", State::Off).await.unwrap();
    assert_eq!(pumps.wait_for_desired_state("a", PATIENCE).await.unwrap().convergence, Convergence::Fulfilled);
    runtime.shutdown(SECOND).await;
}

#[tokio::test]
async fn c2_a_lost_desired_state_is_found_by_the_next_scan() {
    let mine = Mine::new().await;
    mine.off("a").await;
    let row = mine.row("a", |_| true).await;
    // Written directly, without a notification.
    let desired = r#"{"target":"On","seen":1,"setbacks":0,"interruption":null}"#;
    let now = row.created.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    let sql = format!("UPDATE fsm_instances SET desired = '{desired}', desired_at = {now}");
    rusqlite::Connection::open(mine.dir.path().join("mine.db")).unwrap().execute_batch(&sql).unwrap();
    mine.clock.advance(SECOND * 5);
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
}

#[tokio::test]
async fn an_unreadable_desired_state_is_a_typed_error() {
    let mine = Mine::new().await;
    mine.off("a").await;
    let row = mine.row("a", |_| true).await;
    let now = row.created.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    let sql = format!(r#"UPDATE fsm_instances SET desired = '{{"goal":"On"}}', desired_at = {now}"#);
    rusqlite::Connection::open(mine.dir.path().join("mine.db")).unwrap().execute_batch(&sql).unwrap();
    let error = mine.pumps.desired_state("a").await.unwrap_err();
    assert!(matches!(error, ReadError::Row(RowError::DesiredState { .. })), "{error:?}");
    let error = mine.pumps.wait_for_desired_state("a", PATIENCE).await.unwrap_err();
    assert!(matches!(error, WaitError::Read(ReadError::Row(RowError::DesiredState { .. }))), "{error:?}");
    // The controller takes it off the schedule, and does nothing else to the row.
    mine.clock.advance(SECOND * 5);
    let set_aside = mine.row("a", |row| row.desired_at.is_none()).await;
    assert_eq!(set_aside.desired.as_deref(), Some(r#"{"goal":"On"}"#));
    assert_eq!((set_aside.state.as_str(), set_aside.version), ("Off", row.version));
    // It can be replaced.
    let _ = mine.pumps.converge("a", State::On).await.unwrap();
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_one_of_a_desired_state_and_a_caller_fires() {
    let mine = Mine::new().await;
    let mut by_runtime = 0;
    for round in 0..100 {
        let id = format!("{round}");
        mine.off(&id).await;
        let off = match mine.pumps.get(&id).await.unwrap() {
            pump::AnyRecord::Off(off) => off,
            other => panic!("{other:?}"),
        };
        let converging = mine.pumps.converge(&id, State::On);
        let (converged, started) = tokio::join!(converging, off.start());
        let _ = converged.unwrap();
        assert!(matches!(started, Ok(_) | Err(TransitionError::Conflict(_))), "{started:?}");
        assert_eq!(mine.settled(&id).await, Convergence::Fulfilled);
        let starts: Vec<String> =
            mine.history(&id).await.into_iter().filter(|line| line.contains("start ->")).collect();
        assert_eq!(starts.len(), 1, "{starts:?}");
        assert_eq!(starts[0].ends_with("(caller)"), started.is_ok(), "{starts:?}");
        by_runtime += u32::from(started.is_err());
    }
    println!("{by_runtime} of 100 by the runtime");
}

#[tokio::test]
async fn a_cleared_desired_state_is_not_pursued() {
    let mine = Mine::new().await;
    mine.off("a").await;
    let _ = mine.pumps.converge("a", State::On).await.unwrap();
    assert_eq!(mine.settled("a").await, Convergence::Fulfilled);
    assert!(mine.pumps.clear_desired_state("a").await.unwrap());
    assert!(!mine.pumps.clear_desired_state("a").await.unwrap(), "it was already cleared");
    assert_eq!(mine.pumps.desired_state("a").await.unwrap(), None);
    while let Some(next) = mine.runtime.run_until_idle().await.unwrap() {
        mine.clock.advance_to(next);
    }
    assert_eq!(mine.row("a", |_| true).await.state, "Broken", "the timer moved it, and nothing moves it back");
    match mine.pumps.wait_for_desired_state("a", SECOND).await {
        Err(error @ WaitError::NoDesiredState { .. }) => {
            assert_eq!(error.to_string(), "no desired state is set for Pump `a`; call `converge` to set one");
        }
        other => panic!("{other:?}"),
    }
    let missing = mine.pumps.converge("missing", State::On).await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no Pump `missing`; it was removed or never created");
}
