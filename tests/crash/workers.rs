//! L1, L2: several processes work on one store, and are killed, stopped for longer than their lease, and shut down. Every
//! instance reaches its end, no state is committed twice, and no two running processes work on one instance at once.
//!
//! The effect of a worker is two lines in a file that all processes append to: at its start and at its end, each with the
//! fence of its claim.

use fsm_runtime::{
    DurableState, HistoryQuery,
    prelude::*,
    store::{HistoryEntry, sqlite::Sqlite},
};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

/// Set for a process that works: the store's path.
pub(crate) const VICTIM: &str = "FSM_CRASH_WORKER";
const PROCESSES: usize = 3;
const LEASE: Duration = Duration::from_secs(3);
/// The longest stop of a process: longer than its lease, and than the busy timeout of a lock that it may hold.
const LONGEST_STOP: u64 = 4_500;
/// The limit of unfinished instances.
const UNDER_WAY: u64 = 150;
/// The limit for the remaining instances after the last kill.
const PATIENCE: Duration = Duration::from_mins(2);

/// Three steps of work in a row, which can be cancelled at any time.
#[derive(StateMachine)]
#[fsm(initial = First, durable, derive(Serialize, Deserialize))]
#[on(call_off => Undoing, except(Undoing))]
enum Errand {
    #[state(work)]
    #[on(next { fence: u64 } => Second)]
    First,
    #[state(work)]
    #[on(next => Third)]
    Second { fence: u64 },
    #[state(work)]
    #[on(next => Done)]
    Third { fence: u64 },
    #[state(work)]
    #[on(undone { fence: u64 } => Undone)]
    Undoing,
    #[state(end)]
    Done { fence: u64 },
    #[state(end)]
    Undone { fence: u64 },
}

struct Effects(File);

impl Effects {
    /// Writes the visible effect of a step.
    async fn cause<S: DurableState<Machine = Errand>>(&self, task: &errand::Task<S>) -> u64 {
        self.write("begin", task.id(), task.version(), task.fence());
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..30))).await;
        self.write("end", task.id(), task.version(), task.fence());
        task.fence()
    }

    fn write(&self, what: &str, id: &str, version: u64, fence: u64) {
        let pid = std::process::id();
        // One write, so that lines do not mix.
        let line = format!("{what} {id} {version} {fence} {pid} {}\n", now());
        (&self.0).write_all(line.as_bytes()).expect("the file of effects");
    }
}

impl errand::Workers for Effects {
    async fn first(&self, task: errand::Task<errand::First>) -> Outcome<errand::First> {
        let fence = self.cause(&task).await;
        task.next(fence)
    }

    async fn second(&self, task: errand::Task<errand::Second>) -> Outcome<errand::Second> {
        let fence = self.cause(&task).await;
        task.next(fence)
    }

    async fn third(&self, task: errand::Task<errand::Third>) -> Outcome<errand::Third> {
        let fence = self.cause(&task).await;
        task.next(fence)
    }

    async fn undoing(&self, task: errand::Task<errand::Undoing>) -> Outcome<errand::Undoing> {
        let fence = self.cause(&task).await;
        task.undone(fence)
    }
}

/// Microseconds of one clock for all processes.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_micros()).expect("before 586,000")
}

fn effects(store: &Path) -> PathBuf {
    store.with_extension("effects")
}

/// Works until its standard input ends, and then shuts down.
pub(crate) async fn work_until_told(path: &Path) {
    let file = OpenOptions::new().append(true).create(true).open(effects(path)).expect("the file of effects");
    let runtime = loop {
        // A stopped process may hold the lock for longer than the busy timeout.
        let Ok(store) = Sqlite::open(path).await else { continue };
        let file = file.try_clone().expect("the file of effects");
        let builder = Runtime::builder(store).machine::<Errand, _>(Effects(file)).lease_ttl(LEASE);
        let builder = builder.poll_interval(Duration::from_millis(500)).max_attempts(1_000_000);
        if let Ok(runtime) = builder.backoff(Duration::from_millis(1), Duration::from_millis(50)).start().await {
            break runtime;
        }
    };
    let input_ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    input_ended.await.expect("it reads").expect("standard input");
    runtime.shutdown(Duration::from_secs(1)).await;
}

/// A working process, and its stops.
struct Victim {
    child: Child,
    stdin: Option<ChildStdin>,
}

/// When a process was stopped and continued.
type Stops = HashMap<u32, Vec<(u64, u64)>>;

impl Victim {
    fn start(path: &Path) -> Self {
        let this = std::env::current_exe().expect("this binary");
        let mut child = Command::new(this).env(VICTIM, path).stdin(Stdio::piped()).spawn().expect("a process");
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is alive until it is waited for");
    }

    fn end(mut self, in_good_order: bool) {
        if in_good_order {
            drop(self.stdin.take());
        } else {
            self.child.kill().expect("SIGKILL");
        }
        self.child.wait().expect("it is gone");
    }
}

/// The number of kills, stops and shutdowns.
#[derive(Default)]
struct Done {
    kills: u32,
    ends: u32,
    stops: Stops,
}

/// Kills, stops and ends processes at random until `deadline`; the last ones finish the remaining instances.
fn torment(path: &Path, deadline: Instant) -> (Done, Vec<Victim>) {
    let mut done = Done::default();
    let mut victims: Vec<Victim> = (0..PROCESSES).map(|_| Victim::start(path)).collect();
    while Instant::now() < deadline {
        thread::sleep(Duration::from_millis(fastrand::u64(20..600)));
        let place = fastrand::usize(..victims.len());
        match fastrand::u8(0..10) {
            0..4 => {
                done.kills += 1;
                std::mem::replace(&mut victims[place], Victim::start(path)).end(false);
            }
            4..6 => {
                done.ends += 1;
                std::mem::replace(&mut victims[place], Victim::start(path)).end(true);
            }
            _ => {
                let victim = &victims[place];
                let began = now();
                victim.signal(Signal::STOP);
                thread::sleep(Duration::from_millis(fastrand::u64(1..LONGEST_STOP)));
                victim.signal(Signal::CONT);
                done.stops.entry(victim.child.id()).or_default().push((began, now()));
            }
        }
    }
    (done, victims)
}

pub(crate) async fn killed_and_stopped_processes_lose_their_claims(seconds: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("errands.db");
    let runtime = Runtime::builder(Sqlite::open(&path).await.expect("a store")).start().await.expect("a client");
    let errands = runtime.machines::<Errand>();
    let deadline = Instant::now() + Duration::from_secs(u64::from(seconds));
    let tormentor = thread::spawn({
        let path = path.clone();
        move || torment(&path, deadline)
    });
    let mut made = 0_u64;
    while !tormentor.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        // While a stopped process holds the lock, writes fail: the errors are ignored.
        if Instant::now() < deadline && under_way(&errands).await.is_some_and(|count| count < UNDER_WAY) {
            made += u64::from(errands.create(&made.to_string(), errand::First).await.is_ok());
        }
        if made > 0 && fastrand::u8(..4) == 0 {
            let recent = fastrand::u64(made.saturating_sub(50)..made);
            let _ = errands.fire(&recent.to_string(), errand::event::CallOff).await;
        }
    }
    let (done, victims) = tormentor.join().expect("its victims");
    let patience = Instant::now() + PATIENCE;
    while under_way(&errands).await != Some(0) {
        assert!(Instant::now() < patience, "{:?} instances did not reach their end", under_way(&errands).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for victim in victims {
        victim.end(true);
    }
    assert_eq!(runtime.nodes().await.expect("leases"), [], "no process has claims left");

    let effects = Effect::all(&std::fs::read_to_string(effects(&path)).expect("effects"));
    let mut commits = 0;
    for n in 0..made {
        let history =
            errands.history(&n.to_string(), &HistoryQuery::new().limit(usize::MAX)).await.expect("history").items;
        commits += check(&history, &effects);
    }
    let stops: usize = done.stops.values().map(Vec::len).sum();
    overlaps(&effects, &done.stops);
    format!("{made} instances, {commits} results, {} kills, {} ends, {stops} stops", done.kills, done.ends)
}

async fn under_way(errands: &Machines<Errand>) -> Option<u64> {
    let counts = errands.count().await.ok()?;
    let ended = |state: &str| matches!(state, "Done" | "Undone");
    Some(counts.into_iter().filter(|count| !ended(&count.name)).map(|count| count.instances).sum())
}

/// The visible effect of one claim.
struct Effect {
    version: u64,
    fence: u64,
    pid: u32,
    began: u64,
    /// `None` if its process was killed, or it was aborted.
    ended: Option<u64>,
}

/// By instance, in the order of their starts.
type AllEffects = BTreeMap<String, Vec<Effect>>;

impl Effect {
    fn all(lines: &str) -> AllEffects {
        let mut all = AllEffects::new();
        for line in lines.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, id, version, fence, pid, at] = words[..] else { panic!("{line}") };
            let number = |word: &str| word.parse::<u64>().expect("a number");
            let fence = number(fence);
            let of_instance = all.entry(id.to_owned()).or_default();
            if what == "begin" {
                let pid = pid.parse().expect("a pid");
                of_instance.push(Self { version: number(version), fence, pid, began: number(at), ended: None });
            } else {
                let effect =
                    of_instance.iter_mut().find(|effect| effect.fence == fence).expect("an ended effect has begun");
                effect.ended = Some(number(at));
            }
        }
        all
    }
}

/// The history is an unbroken legal chain, and each result was stored under the claim of its effect. Returns the results.
fn check(history: &[HistoryEntry], effects: &AllEffects) -> u64 {
    let mut commits = 0;
    let mut fence = 0;
    for (place, entry) in history.iter().enumerate() {
        assert_eq!(entry.version, place as u64 + 1, "{entry:?}");
        assert_eq!(entry.from.as_deref(), place.checked_sub(1).map(|before| &*history[before].to), "{entry:?}");
        assert!(entry.fence >= fence, "an older claim came after a newer one: {entry:?}");
        fence = entry.fence;
        let Some(event) = entry.event.as_deref() else { continue };
        let declared = Errand::GRAPH.transition(entry.from.as_deref().unwrap_or_default(), event);
        assert!(declared.is_some_and(|declared| declared.to.contains(&&*entry.to)), "{entry:?}");
        if entry.cause == "worker" {
            commits += 1;
            let payload: serde_json::Value = serde_json::from_str(entry.payload.as_deref().unwrap()).expect("JSON");
            assert_eq!(payload["fence"].as_u64(), Some(entry.fence), "the result was committed under its own claim");
            let seen = effects[&*entry.key.id].iter().find(|effect| effect.fence == entry.fence);
            let seen = seen.unwrap_or_else(|| panic!("a result without an effect: {entry:?}"));
            assert_eq!((seen.version + 1, seen.ended.is_some()), (entry.version, true), "{entry:?}");
        }
    }
    let last = &*history.last().expect("a creation").to;
    assert!(matches!(last, "Done" | "Undone"), "it ended in {last}");
    commits
}

/// No effects of one instance overlap, unless a process was stopped meanwhile: its lease may have lapsed.
fn overlaps(effects: &AllEffects, stops: &Stops) {
    let was_stopped = |effect: &Effect, until: u64| {
        let stops = stops.get(&effect.pid).into_iter().flatten();
        stops.into_iter().any(|(from, to)| *from < until && effect.began < *to)
    };
    for (id, effects) in effects {
        for (place, one) in effects.iter().enumerate() {
            let Some(ended) = one.ended else { continue };
            for other in effects[place + 1..].iter().filter(|other| other.began < ended) {
                assert!(
                    was_stopped(one, ended),
                    "{id}: process {} began under fence {} while process {} was at it under fence {}",
                    other.pid,
                    other.fence,
                    one.pid,
                    one.fence,
                );
            }
        }
    }
}
