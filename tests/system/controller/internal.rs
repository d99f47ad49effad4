//! Internal transitions: the visit goes on, with its timer, its worker and its claim.

use super::{HOUR, PATIENCE, SECOND};
use fsm_runtime::{
    HistoryQuery, Machines, Runtime, Signals, TransitionError,
    clock::ManualClock,
    prelude::*,
    store::{HistoryKind, Row, sqlite::Sqlite},
};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

/// A payment, with notes that do not disturb it.
#[derive(StateMachine, Debug, PartialEq)]
#[fsm(initial = Charging, durable, derive(Debug, PartialEq, Serialize, Deserialize))]
enum Payment {
    /// A worker charges the card.
    #[state(work, checkpoint = u32)]
    #[on(note { text: String } => _, with = note)]
    #[on(hold { held: bool } => _)]
    #[on(count => _, with = count)]
    #[on(charged => Charged, guard = is_free)]
    #[on(late => Late)]
    #[after("1h", late)]
    Charging { notes: Vec<String>, held: bool },
    /// Looks at the clock each minute.
    #[on(tick => _, with = tick)]
    #[after("1m", tick)]
    #[on(give_up => Charged)]
    Late { notes: Vec<String> },
    /// Done.
    #[state(end)]
    Charged { notes: Vec<String> },
}

fn note(mut charging: payment::Charging, event: payment::event::Note) -> payment::Charging {
    charging.notes.push(event.text);
    charging
}

fn count(mut charging: payment::Charging, _: payment::event::Count) -> payment::Charging {
    charging.notes.push("counted".into());
    charging
}

fn tick(mut late: payment::Late, _: payment::event::Tick) -> payment::Late {
    late.notes.push("tick".into());
    late
}

fn is_free(charging: &payment::Charging, _: &payment::event::Charged) -> Result<(), &'static str> {
    if charging.held { Err("it is held") } else { Ok(()) }
}

/// A command to a worker.
enum Do {
    Charge,
    Count,
    Fail,
    Checkpoint(u32, oneshot::Sender<bool>),
    /// Waits for a change, and returns version and notes.
    Refresh(oneshot::Sender<(u64, Vec<String>)>),
}

/// One execution of the worker.
struct Call {
    attempt: u32,
    key: String,
    progress: Option<u32>,
    signals: Signals,
    commands: mpsc::UnboundedSender<Do>,
}

impl Call {
    fn send(&self, what: Do) {
        assert!(self.commands.send(what).is_ok(), "the worker runs");
    }
}

struct Charger(mpsc::UnboundedSender<Call>);

impl payment::Workers for Charger {
    async fn charging(&self, mut task: payment::Task<payment::Charging>) -> Outcome<payment::Charging> {
        let (commands, mut received) = mpsc::unbounded_channel();
        let (attempt, key, progress, signals) = (task.attempt(), task.key(), task.last_checkpoint()?, task.signals());
        let _ = self.0.send(Call { attempt, key, progress, signals, commands });
        loop {
            let command = tokio::select! {
                biased;
                Some(command) = received.recv() => command,
                () = task.cancelled() => return Err("cancelled".into()),
            };
            match command {
                Do::Charge => return task.charged(),
                Do::Count => return task.count(),
                Do::Fail => return Err(WorkError::retry_after(SECOND, "not now")),
                Do::Checkpoint(number, reply) => {
                    let _ = reply.send(task.checkpoint(&number).await.is_ok());
                }
                Do::Refresh(reply) => {
                    task.changed().await;
                    task.refresh().await?;
                    let _ = reply.send((task.version(), task.notes.clone()));
                }
            }
        }
    }
}

struct World {
    runtime: Runtime,
    payments: Machines<Payment>,
    calls: mpsc::UnboundedReceiver<Call>,
    clock: ManualClock,
    dir: TempDir,
}

async fn start(path: &Path, clock: &ManualClock) -> (Runtime, mpsc::UnboundedReceiver<Call>) {
    let (sender, calls) = mpsc::unbounded_channel();
    let store = Sqlite::open(path.join("payments.db")).await.unwrap();
    let builder = Runtime::builder(store).clock(clock.clock()).lease_ttl(HOUR * 10_000);
    (builder.machine::<Payment, Charger>(Charger(sender)).start().await.unwrap(), calls)
}

impl World {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let (runtime, calls) = start(dir.path(), &clock).await;
        let payments = runtime.machines();
        Self { runtime, payments, calls, clock, dir }
    }

    async fn restart(&mut self) {
        self.runtime.shutdown(Duration::ZERO).await;
        (self.runtime, self.calls) = start(self.dir.path(), &self.clock).await;
        self.payments = self.runtime.machines();
    }

    async fn call(&mut self) -> Call {
        tokio::time::timeout(PATIENCE, self.calls.recv()).await.expect("a worker starts").unwrap()
    }

    /// A payment that is being charged, and its worker.
    async fn charging(&mut self, id: &str, held: bool) -> Call {
        let _ = self.payments.create(id, payment::Charging { notes: Vec::new(), held }).await.unwrap();
        self.call().await
    }

    async fn note(&self, id: &str, text: &str) {
        let _ = self.payments.fire(id, payment::event::Note { text: text.into() }).await.unwrap();
    }

    /// Runs another payment from start to end. Everything that the controller had queued before is done by then.
    async fn barrier(&mut self, id: &str) {
        self.charging(id, false).await.send(Do::Charge);
        self.payments.wait_for(id, payment::State::Charged, PATIENCE).await.unwrap();
    }

    async fn row(&self, id: &str, right: impl Fn(&Row) -> bool) -> Row {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let row = self.payments.row(id).await.unwrap();
            if right(&row) {
                return row;
            }
            assert!(std::time::Instant::now() < deadline, "the row stays {row:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn history(&self, id: &str) -> Vec<String> {
        let entries = self.payments.history(id, &HistoryQuery::new().limit(100)).await.unwrap().items;
        let line = |e: &fsm_runtime::store::HistoryEntry| {
            format!("{}: {} {} -> {} ({})", e.version, e.kind, e.event.as_deref().unwrap_or("created"), e.to, e.cause)
        };
        entries.iter().map(line).collect()
    }
}

#[tokio::test]
async fn c19_an_internal_transition_leaves_the_worker_running() {
    let mut world = World::new().await;
    let call = world.charging("a", false).await;
    let before = world.payments.row("a").await.unwrap();
    world.clock.advance(SECOND);
    world.note("a", "one").await;
    world.barrier("other").await;
    assert!(!call.signals.is_cancelled() && world.calls.is_empty());
    let after = world.payments.row("a").await.unwrap();
    let data = after.data.clone();
    assert_eq!(after, super::super::with(before.clone(), |row| (row.version, row.data) = (2, data)));
    call.send(Do::Charge);
    world.payments.wait_for("a", payment::State::Charged, PATIENCE).await.unwrap();
    let payment::AnyRecord::Charged(charged) = world.payments.get("a").await.unwrap() else { panic!() };
    assert_eq!(charged.notes, ["one"], "the result is made of the present data");
    assert_eq!(
        world.history("a").await,
        [
            "1: transition created -> Charging (caller)",
            "2: internal note -> Charging (caller)",
            "3: transition charged -> Charged (worker)"
        ]
    );
    assert_eq!(world.payments.row("a").await.unwrap().owner, None);
}

#[tokio::test]
async fn c19_a_worker_learns_of_an_internal_transition() {
    let mut world = World::new().await;
    let call = world.charging("a", false).await;
    let (reply, seen) = oneshot::channel();
    call.send(Do::Refresh(reply));
    world.note("a", "one").await;
    let seen = tokio::time::timeout(PATIENCE, seen).await.unwrap().unwrap();
    assert_eq!(seen, (2, vec!["one".to_owned()]));
    call.send(Do::Charge);
    world.payments.wait_for("a", payment::State::Charged, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn c19_a_result_is_decided_on_the_present_data() {
    let mut world = World::new().await;
    let refused = world.charging("refused", false).await;
    let _ = world.payments.fire("refused", payment::event::Hold { held: true }).await.unwrap();
    refused.send(Do::Charge);
    let row = world.row("refused", |row| row.parked.is_some()).await;
    let why = row.parked.unwrap();
    assert!(why.contains("a guard refused `charged`: it is held"), "{why}");
    assert_eq!((row.state.as_str(), row.version, row.attempt), ("Charging", 2, 1));
}

#[tokio::test]
async fn c19_work_refused_on_outdated_data_is_repeated() {
    let mut world = World::new().await;
    let first = world.charging("a", true).await;
    let _ = world.payments.fire("a", payment::event::Hold { held: false }).await.unwrap();
    first.send(Do::Charge);
    // The worker got an error, so its event is not fired behind its back.
    let second = world.call().await;
    assert_eq!((second.attempt, &second.key), (2, &first.key));
    let row = world.payments.row("a").await.unwrap();
    assert_eq!((row.state.as_str(), row.version, row.parked), ("Charging", 2, None));
    second.send(Do::Charge);
    world.payments.wait_for("a", payment::State::Charged, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn c19_checkpoints_and_failures_count_after_a_change() {
    let mut world = World::new().await;
    let call = world.charging("a", false).await;
    world.note("a", "one").await;
    let (reply, kept) = oneshot::channel();
    call.send(Do::Checkpoint(7, reply));
    assert!(kept.await.unwrap());
    world.note("a", "two").await;
    call.send(Do::Fail);
    let failed = world.row("a", |row| row.error.is_some()).await;
    assert_eq!((failed.version, failed.attempt, failed.owner), (3, 1, None));
    // A change does not cut the backoff short, and keeps the checkpoint.
    world.note("a", "three").await;
    world.barrier("other").await;
    assert!(world.calls.is_empty());
    world.clock.advance(SECOND);
    let next = world.call().await;
    assert_eq!((next.attempt, next.progress, &next.key), (2, Some(7), &call.key));
}

#[tokio::test]
async fn c19_a_worker_ends_with_an_internal_transition() {
    let mut world = World::new().await;
    let first = world.charging("a", false).await;
    first.send(Do::Count);
    let second = world.call().await;
    assert_eq!((second.attempt, &second.key), (1, &first.key), "the same visit goes on");
    world.note("a", "one").await;
    second.send(Do::Count);
    world.call().await.send(Do::Charge);
    world.payments.wait_for("a", payment::State::Charged, PATIENCE).await.unwrap();
    let payment::AnyRecord::Charged(charged) = world.payments.get("a").await.unwrap() else { panic!() };
    assert_eq!(charged.notes, ["counted", "one", "counted"]);
}

#[tokio::test]
async fn c19_a_stop_returns_the_attempt_after_a_change() {
    let mut world = World::new().await;
    let call = world.charging("a", false).await;
    world.note("a", "one").await;
    world.restart().await;
    drop(call);
    assert_eq!(world.call().await.attempt, 1);
}

#[tokio::test]
async fn c19_a_record_from_before_an_internal_transition_conflicts() {
    let mut world = World::new().await;
    let _call = world.charging("a", false).await;
    let Some(stale) = world.payments.get_in::<payment::Charging>("a").await.unwrap() else { panic!() };
    world.note("a", "one").await;
    let Err(TransitionError::Conflict(conflict)) = stale.note("two".into()).await else { panic!() };
    let text = format!("{conflict:?}");
    let Some(fresh) = world.payments.get_in::<payment::Charging>("a").await.unwrap() else { panic!("{text}") };
    let noted = fresh.note("two".into()).await.unwrap();
    assert_eq!((noted.version(), noted.notes.len()), (3, 2));
    let entries = world.payments.history("a", &HistoryQuery::new().limit(9)).await.unwrap().items;
    assert_eq!(entries.last().map(|entry| entry.kind), Some(HistoryKind::Internal));
}

#[tokio::test]
async fn t4_an_internal_transition_leaves_the_timer_running() {
    let mut world = World::new().await;
    let _call = world.charging("a", false).await;
    world.clock.advance(HOUR / 2);
    world.note("a", "one").await;
    world.restart().await;
    let _again = world.call().await;
    world.clock.advance(HOUR / 2 - SECOND);
    world.barrier("other").await;
    assert_eq!(world.payments.get("a").await.unwrap().state(), payment::State::Charging);
    world.clock.advance(SECOND);
    world.payments.wait_for("a", payment::State::Late, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn t4_a_timer_with_an_internal_event_repeats() {
    let mut world = World::new().await;
    let _call = world.charging("a", false).await;
    world.clock.advance(HOUR);
    let entered = world.row("a", |row| row.state == "Late").await;
    for tick in 1..=3 {
        world.clock.advance(Duration::from_mins(1));
        let row = world.row("a", |row| row.version == entered.version + tick).await;
        assert_eq!((row.entered, row.updated), (entered.entered, entered.updated));
    }
    let payment::AnyRecord::Late(late) = world.payments.get("a").await.unwrap() else { panic!() };
    assert_eq!(late.notes, ["tick"; 3]);
}
