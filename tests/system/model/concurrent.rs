//! Many callers at once, in this process and in others, some of them killed: what they were told is explained by one order.

use super::{
    cases,
    linearize::{self, Asked, Call},
    op::{self, ENDED, Kind, MACHINES, OWNERS, Pick, Seen},
};
use fastrand::Rng;
use fsm_runtime::store::{Prune, Renewal, Store, StoreError, sqlite::Sqlite};
use rustix::time::{ClockId, clock_gettime};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

const INSTANCES: u8 = 4;
const CALLERS: usize = 6;
const CALLS: usize = 40;

/// The same clock for every process.
fn nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).expect("after the start") * 1_000_000_000 + u64::try_from(now.tv_nsec).expect("positive")
}

fn pick(rng: &mut Rng) -> Pick {
    let kinds = [
        (4, Kind::Create),
        (6, Kind::Transition),
        (4, Kind::WorkersTransition),
        (1, Kind::Override),
        (1, Kind::Wish),
        (6, Kind::Claim),
        (4, Kind::Checkpoint),
        (6, Kind::Release),
        (1, Kind::Arm),
        (1, Kind::Disarm),
        (1, Kind::Purge),
        (1, Kind::Rewrite),
    ];
    let mut lot = rng.usize(..kinds.iter().map(|(weight, _)| weight).sum::<usize>());
    let kind = kinds.into_iter().find(|(weight, _)| {
        let found = lot < *weight;
        lot = lot.saturating_sub(*weight);
        found
    });
    Pick {
        instance: rng.u8(..INSTANCES),
        kind: kind.expect("the lot is below the sum").1,
        stale: if rng.u8(..5) == 0 { rng.u8(1..4) } else { 0 },
        idempotency_key: (rng.u8(..4) == 0).then(|| rng.u8(..3)),
        into: rng.u8(..10),
        dice: rng.u8(..16),
    }
}

/// Groups of one change mostly, and never two of one instance.
fn picks(rng: &mut Rng) -> Vec<Pick> {
    let mut picks: Vec<Pick> = Vec::new();
    for _ in 0..if rng.u8(..5) == 0 { rng.usize(2..4) } else { 1 } {
        let next = pick(rng);
        if picks.iter().all(|pick| pick.instance != next.instance) {
            picks.push(next);
        }
    }
    picks
}

/// What a caller asks, and where it writes down what it was told.
struct Caller<W> {
    store: Sqlite,
    rng: Rng,
    seen: Seen,
    /// Told of each call before it is made, and again when it was answered.
    log: W,
}

impl<W: FnMut(&Call)> Caller<W> {
    async fn ask(&mut self, calls: usize) {
        for _ in 0..calls {
            match self.rng.u8(..20) {
                0..5 => self.look().await,
                5 => self.forget().await,
                6 => self.turn_away().await,
                7 => self.lease().await,
                _ => self.change().await,
            }
        }
    }

    fn begin(&mut self, asked: Asked) -> Call {
        let call = Call { called: nanos(), answered: None, asked, answer: Vec::new() };
        (self.log)(&call);
        call
    }

    fn end(&mut self, call: Call, answer: Vec<Option<linearize::Answer>>) {
        (self.log)(&Call { answered: Some(nanos()), answer, ..call });
    }

    async fn look(&mut self) {
        let instance = self.rng.u8(..INSTANCES);
        let call = self.begin(Asked::Get(instance));
        let Some(row) = heard(self.store.get(op::key(instance)).await) else { return };
        self.end(call, linearize::looked(row.as_ref()));
        if let Some(row) = &row {
            self.seen.see(instance, row);
        }
    }

    async fn change(&mut self) {
        let ops = self.seen.group(&picks(&mut self.rng));
        let call = self.begin(Asked::Group(ops.clone()));
        let groups = vec![op::group(&ops)];
        let Some(mut verdicts) = heard(self.store.commit(groups, linearize::at(call.called)).await) else { return };
        let verdict = verdicts.remove(0);
        self.end(call, linearize::answers(&verdict, ops.len()));
        self.seen.see_verdict(&ops, &verdict);
    }

    /// Asks, and does not wait for the answer.
    async fn turn_away(&mut self) {
        let ops = self.seen.group(&picks(&mut self.rng));
        let call = self.begin(Asked::Group(ops.clone()));
        tokio::select! {
            biased;
            _ = self.store.commit(vec![op::group(&ops)], linearize::at(call.called)) => {}
            () = std::future::ready(()) => {}
        }
    }

    /// Of a length that lapses while others are at work, or not.
    async fn lease(&mut self) {
        let owner = self.rng.u8(..2);
        let name = OWNERS[usize::from(owner)].to_owned();
        if self.rng.u8(..4) == 0 {
            let call = self.begin(Asked::EndLease { owner });
            if heard(self.store.end_leases(vec![name], linearize::at(call.called)).await).is_some() {
                self.end(call, Vec::new());
            }
            return;
        }
        let ttl = Duration::from_micros(self.rng.u64(..20_000));
        let call = self.begin(Asked::Renew { owner, ttl });
        let renewal = Renewal { owner: name.clone(), holder: name, ttl };
        let Some(leases) = heard(self.store.renew(vec![renewal], linearize::at(call.called)).await) else { return };
        assert_eq!(leases[0].until, linearize::at(call.called) + ttl);
        self.end(call, Vec::new());
    }

    async fn forget(&mut self) {
        let before = nanos();
        let (asked, prune) = if self.rng.u8(..3) == 0 {
            let history_before = Some(linearize::at(before));
            (Asked::ForgetHistory { before }, Prune { history_before, limit: 1_000_000, ..Prune::default() })
        } else if self.rng.bool() {
            let ended = MACHINES.map(|machine| (machine.to_owned(), ENDED.to_owned())).to_vec();
            let prune = Prune { ended, ended_before: Some(linearize::at(before)), limit: 1, ..Prune::default() };
            (Asked::ForgetEnded { before }, prune)
        } else {
            let keys_before = Some(linearize::at(before));
            (Asked::ForgetKeys { before }, Prune { keys_before, limit: 1_000_000, ..Prune::default() })
        };
        let call = self.begin(asked);
        if heard(self.store.prune(prune).await).is_some() {
            self.end(call, Vec::new());
        }
    }
}

/// A machine that stands still for seconds makes the file busy for as long: then the call counts as one without an answer.
fn heard<T>(answer: Result<T, StoreError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(StoreError::Busy { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Callers in this process on these handles; what each was told.
async fn callers_on(handles: &[Sqlite]) -> Vec<Call> {
    let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
    let mut callers = JoinSet::new();
    for n in 0..CALLERS {
        let (store, calls) = (handles[n % handles.len()].clone(), calls.clone());
        callers.spawn(async move {
            let mut own: Vec<Call> = Vec::new();
            let log = |call: &Call| latest(&mut own, call.clone());
            Caller { store, rng: Rng::new(), seen: Seen::default(), log }.ask(CALLS).await;
            calls.lock().unwrap().extend(own);
        });
    }
    callers.join_all().await;
    std::mem::take(&mut calls.lock().unwrap())
}

/// A call that is told of again has its answer.
fn latest(calls: &mut Vec<Call>, call: Call) {
    match calls.last_mut().filter(|last| last.called == call.called) {
        Some(last) => *last = call,
        None => calls.push(call),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn x2_concurrent_calls_are_linearizable() {
    for round in 0..cases(6) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("doors.db");
        // In memory, one handle, and several on one file; each second time callers may commit in place.
        let handles = match round % 3 {
            0 => vec![Sqlite::in_memory().unwrap()],
            several => {
                let mut handles = Vec::new();
                for _ in 0..several * 2 - 1 {
                    let options = Sqlite::options().commit_in_place(round % 6 > 2);
                    handles.push(options.open(&path).await.unwrap());
                }
                handles
            }
        };
        let calls = callers_on(&handles).await;
        for handle in &handles {
            // Behind what nobody waits for any more.
            handle.prune(Prune::default()).await.unwrap();
        }
        linearize::check(&handles[0], &calls, INSTANCES).await;
    }
}

/// Set for the processes that call: the store's file, and the log of this one.
const CALLING: &str = "FSM_MODEL_CALLING";
const LOG: &str = "FSM_MODEL_LOG";

/// Not a test: what each of the other processes runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_another_process() {
    let (Some(path), Some(log)) = (std::env::var_os(CALLING), std::env::var_os(LOG)) else { return };
    let log = Arc::new(Mutex::new(File::create(log).unwrap()));
    let store = Sqlite::open(path).await.unwrap();
    let mut callers = JoinSet::new();
    for n in 0..2_u8 {
        let (store, log) = (store.clone(), log.clone());
        callers.spawn(async move {
            let log = |call: &Call| {
                let mut line = serde_json::to_string(&(n, call)).unwrap();
                line.push('\n');
                // One write: a kill cannot leave half a line that looks whole.
                log.lock().unwrap().write_all(line.as_bytes()).unwrap();
            };
            Caller { store, rng: Rng::new(), seen: Seen::default(), log }.ask(CALLS * 2).await;
        });
    }
    callers.join_all().await;
}

#[tokio::test]
async fn x2_calls_of_several_processes_are_linearizable() {
    for _ in 0..cases(2) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("doors.db");
        let logs: Vec<PathBuf> = (0..3).map(|n| dir.path().join(format!("{n}.log"))).collect();
        let mut processes: Vec<Child> = logs.iter().map(|log| start(&path, log)).collect();
        // At some moment in the midst of its calls.
        let (victim, lines) = (&mut processes[0], fastrand::usize(1..CALLS * 4));
        while victim.try_wait().unwrap().is_none()
            && !std::fs::read_to_string(&logs[0]).is_ok_and(|log| log.lines().count() >= lines)
        {
            std::thread::yield_now();
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        for (process, log) in processes.iter_mut().zip(&logs).skip(1) {
            let ended = process.wait().unwrap();
            assert!(ended.success(), "{ended}: {}", std::fs::read_to_string(said(log)).unwrap());
        }
        let calls: Vec<Call> = logs.iter().flat_map(|log| read(log)).collect();
        let store = Sqlite::open(&path).await.unwrap();
        linearize::check(&store, &calls, INSTANCES).await;
    }
}

fn start(path: &Path, log: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "model::concurrent::in_another_process"]).env(CALLING, path).env(LOG, log);
    command.stdout(File::create(said(log)).unwrap()).spawn().unwrap()
}

/// Where a process's own words go.
fn said(log: &Path) -> PathBuf {
    log.with_extension("out")
}

fn read(log: &Path) -> Vec<Call> {
    let mut calls: [Vec<Call>; 2] = [Vec::new(), Vec::new()];
    for line in std::fs::read_to_string(log).unwrap().lines() {
        // The last line of one that was killed may be cut.
        if let Ok((n, call)) = serde_json::from_str::<(usize, Call)>(line) {
            latest(&mut calls[n], call);
        }
    }
    calls.concat()
}

/// The check itself: a change that two were told to have made has no explanation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[should_panic(expected = "no order explains the answers")]
async fn a_change_acknowledged_twice_is_detected() {
    let store = Sqlite::in_memory().unwrap();
    let mut calls = callers_on(std::slice::from_ref(&store)).await;
    store.prune(Prune::default()).await.unwrap();
    let made = |call: &&Call| matches!(&call.asked, Asked::Group(_)) && call.made();
    let told = calls.iter().find(made).unwrap().clone();
    calls.push(Call { called: nanos(), answered: Some(nanos()), ..told });
    linearize::check(&store, &calls, INSTANCES).await;
}
