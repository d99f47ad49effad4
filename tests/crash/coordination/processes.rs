//! The processes: this binary, started again with [`PROCESS`] in its environment.

use super::{PATIENCE, calls, leaders, locks, now, services, slots, until, witness::Witness};
use fsm_runtime::{
    Builder, Runtime,
    store::{postgres::Postgres, sqlite::Sqlite},
};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    io::Read,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Set for a process: what it does, and where, as JSON.
pub(crate) const PROCESS: &str = "FSM_COORDINATION_PROCESS";

/// Where processes meet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) store: StoreAt,
    /// The folder of the witness.
    pub(crate) folder: PathBuf,
    /// The arguments with which this binary becomes a process.
    pub(crate) arguments: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum StoreAt {
    Sqlite(PathBuf),
    Postgres { url: String, schema: String },
}

/// What a process does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Role {
    Lock,
    Lead,
    /// The calls of a round.
    Call(u32),
    Serve,
    Watch,
    Work,
}

impl Place {
    pub(super) fn witness(&self, file: &str) -> Witness {
        Witness::new(self.folder.join(file))
    }

    /// A client of the store.
    pub(super) async fn client(&self) -> Runtime {
        self.runtime(|builder| builder).await
    }

    pub(super) async fn runtime(&self, with: impl Fn(Builder) -> Builder) -> Runtime {
        match &self.store {
            StoreAt::Sqlite(path) => {
                let began = Instant::now();
                loop {
                    // A stopped process may keep the file locked for longer than the busy timeout.
                    let failed = match Sqlite::open(path).await {
                        Ok(store) => match with(Runtime::builder(store)).start().await {
                            Ok(runtime) => return runtime,
                            Err(error) => error.to_string(),
                        },
                        Err(error) => error.to_string(),
                    };
                    assert!(began.elapsed() < PATIENCE, "{failed}");
                }
            }
            StoreAt::Postgres { url, schema } => {
                let store = Postgres::options(url).schema(schema).timeout(PATIENCE).open().await.expect("a store");
                with(Runtime::builder(store)).start().await.expect("a runtime")
            }
        }
    }
}

/// Does what the text, the value of [`PROCESS`], says, until the standard input ends.
pub(crate) async fn run(text: &str) {
    let (place, role): (Place, Role) = serde_json::from_str(text).expect("a place and a role");
    let stop = CancellationToken::new();
    let ended = stop.clone();
    std::thread::spawn(move || {
        // An error is an end, too.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ended.cancel();
    });
    match role {
        Role::Lock => locks::hold_until(&place, stop).await,
        Role::Lead => leaders::lead_until(&place, stop).await,
        Role::Call(round) => calls::call(&place, round).await,
        Role::Serve => services::serve_until(&place, stop).await,
        Role::Watch => services::watch_until(&place, stop).await,
        Role::Work => slots::work_until(&place, stop).await,
    }
}

/// A running process.
pub(super) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    pub(super) fn start(place: &Place, role: Role) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(&place.arguments).env(PROCESS, serde_json::to_string(&(place, role)).expect("JSON"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a process");
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is alive until it is waited for");
    }

    /// # Panics
    /// If it has ended by itself with an error.
    pub(super) fn has_ended(&mut self) -> bool {
        let ended = self.child.try_wait().expect("it is a child");
        assert!(ended.is_none_or(|status| status.success()), "process {} has failed", self.id());
        ended.is_some()
    }

    pub(super) fn kill(mut self) {
        self.has_ended();
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it is gone");
    }

    /// Lets it shut down.
    pub(super) async fn end(mut self) {
        drop(self.stdin.take());
        until("the end of a process", async || self.has_ended().then_some(())).await;
    }
}

impl Drop for Process {
    /// After a panic of the test.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was done to processes, by their ids.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Which processes were killed, and when.
    pub(super) kills: Vec<(u32, u64)>,
    /// From when to when a process was stopped.
    pub(super) stops: HashMap<u32, Vec<(u64, u64)>>,
}

impl Faults {
    /// When process `pid` was killed, if it was there at `at`. In a long run, a later process may have its id.
    pub(super) fn killed(&self, pid: u32, at: u64) -> Option<u64> {
        self.kills.iter().filter(|(killed, when)| *killed == pid && *when >= at).map(|(_, when)| *when).min()
    }

    /// Whether the process was stopped at any time from `from` to `to`.
    pub(super) fn was_stopped(&self, pid: u32, from: u64, to: u64) -> bool {
        self.stops.get(&pid).into_iter().flatten().any(|(stopped, went_on)| *stopped <= to && from <= *went_on)
    }

    pub(super) fn count(&self) -> String {
        let stops: usize = self.stops.values().map(Vec::len).sum();
        format!("{} kills, {stops} stops", self.kills.len())
    }
}

/// Processes that do the same.
pub(super) struct Crowd {
    place: Place,
    role: Role,
    pub(super) processes: Vec<Process>,
    pub(super) faults: Faults,
}

impl Crowd {
    pub(super) fn start(place: &Place, role: Role, count: usize) -> Self {
        let processes = (0..count).map(|_| Process::start(place, role)).collect();
        Self { place: place.clone(), role, processes, faults: Faults::default() }
    }

    /// Its place among the living.
    pub(super) fn find(&self, pid: u32) -> Option<usize> {
        self.processes.iter().position(|process| process.id() == pid)
    }

    pub(super) fn random(&self) -> usize {
        fastrand::usize(..self.processes.len())
    }

    /// Kills one, and starts another one. Returns when.
    pub(super) fn kill(&mut self, which: usize) -> u64 {
        let killed = std::mem::replace(&mut self.processes[which], Process::start(&self.place, self.role));
        let (pid, at) = (killed.id(), now());
        killed.kill();
        self.faults.kills.push((pid, at));
        at
    }

    pub(super) fn stop(&self, which: usize) -> u64 {
        let at = now();
        self.processes[which].signal(Signal::STOP);
        at
    }

    /// Lets one go on that was stopped at `stopped`. Returns when.
    pub(super) fn go_on(&mut self, which: usize, stopped: u64) -> u64 {
        let at = now();
        self.processes[which].signal(Signal::CONT);
        self.faults.stops.entry(self.processes[which].id()).or_default().push((stopped, now()));
        at
    }

    /// Lets all shut down.
    pub(super) async fn end(&mut self) {
        for process in self.processes.drain(..) {
            process.end().await;
        }
    }
}

/// Ends the client of a process.
pub(super) async fn shut_down(runtime: &Runtime) {
    runtime.shutdown(Duration::from_secs(1)).await;
}
