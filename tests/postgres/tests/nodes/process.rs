//! A node as a process of its own: this binary again, with one test. It works and calls until its standard input ends.

use super::sagas;
use fsm_runtime::{
    DurableState, Runtime, TransitionError,
    prelude::*,
    store::postgres::{Postgres, Sql},
};
use rustix::{
    process::{Pid, Signal, kill_process},
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};
use tests_postgres::Server;
use tokio_util::sync::CancellationToken;

/// Set for a process that is a node: its [`Node`] as JSON.
const NODE: &str = "FSM_NODE_PROCESS";

/// Three steps of work in a row, which can be cancelled at any time.
#[derive(StateMachine)]
#[fsm(initial = First, durable, derive(Serialize, Deserialize))]
#[on(call_off => Undoing, except(Undoing))]
pub(crate) enum Errand {
    /// The first step.
    #[state(work)]
    #[on(next { fence: u64 } => Second)]
    First,
    /// The second step.
    #[state(work)]
    #[on(next => Third)]
    Second { fence: u64 },
    /// The third step.
    #[state(work)]
    #[on(next => Done)]
    Third { fence: u64 },
    /// Called off.
    #[state(work)]
    #[on(undone { fence: u64 } => Undone)]
    Undoing,
    /// All steps are done.
    #[state(end)]
    Done { fence: u64 },
    /// It was called off.
    #[state(end)]
    Undone { fence: u64 },
}

/// Rings after a second.
#[derive(StateMachine)]
#[fsm(initial = Set, durable, derive(Serialize, Deserialize))]
pub(crate) enum Alarm {
    /// It will ring.
    #[on(ring => Rung)]
    #[after("1s", ring)]
    Set,
    /// It has rung.
    #[state(end)]
    Rung,
}

/// What a process does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Works on errands, and has callers.
    Errands,
    /// Commits with statements that wait for the file `go`.
    WaitsInStatements,
    /// Works on trips.
    Trips,
}

/// A process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) url: String,
    pub(crate) schema: String,
    /// The files that all processes append to.
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) lease: Duration,
    /// Tasks that create errands, and call some off.
    pub(crate) callers: usize,
    pub(crate) role: Role,
    /// How far its clock is off, such as `+1h`.
    pub(crate) clock: Option<String>,
    /// The network namespace that it runs in.
    pub(crate) namespace: Option<String>,
}

/// The visible effects of workers, and the answers that callers got.
#[derive(Debug)]
struct Files {
    effects: File,
    answers: File,
    go: PathBuf,
}

impl Files {
    fn open(node: &Node) -> Self {
        let open = |name: &str| {
            OpenOptions::new().append(true).create(true).open(node.folder.join(name)).expect("a file of the test")
        };
        Self { effects: open("effects"), answers: open("answers"), go: node.folder.join("go") }
    }

    /// One write, so that the lines of processes do not mix.
    fn write(mut file: &File, line: &str) {
        file.write_all(line.as_bytes()).expect("a file of the test");
    }

    /// Writes the visible effect of a step. That of an id with `long` lasts until the file `go` is there.
    async fn cause<S: DurableState<Machine = Errand>>(&self, task: &errand::Task<S>) -> u64 {
        let effect = Effect { files: self, id: task.id(), fence: task.fence() };
        effect.write("begin", task.version());
        if task.id().starts_with("long") {
            while !self.go.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } else {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..30))).await;
        }
        effect.write("done", task.version());
        task.fence()
    }
}

/// An effect that ends when it is dropped: its worker has returned, or was aborted.
struct Effect<'a> {
    files: &'a Files,
    id: &'a str,
    fence: u64,
}

impl Effect<'_> {
    fn write(&self, what: &str, version: u64) {
        let line = format!("{what} {} {version} {} {} {}\n", self.id, self.fence, std::process::id(), now());
        Files::write(&self.files.effects, &line);
    }
}

impl Drop for Effect<'_> {
    fn drop(&mut self) {
        self.write("end", 0);
    }
}

impl errand::Workers for Files {
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

/// Microseconds of one clock for all processes, whatever the time of each is.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000).expect("after the start of the machine")
}

/// Works until the standard input ends, and then shuts down.
async fn work(node: Node) {
    let store = Postgres::options(&node.url).schema(&node.schema).timeout(Duration::from_mins(1));
    let store = store.open().await.expect("the store opens");
    match node.role {
        Role::Errands => work_on_errands(node, store).await,
        Role::WaitsInStatements => wait_in_statements(&node, store).await,
        Role::Trips => sagas::book(&node, store).await,
    }
}

async fn work_on_errands(node: Node, store: Postgres) {
    let builder = Runtime::builder(store).machine::<Errand, _>(Files::open(&node)).machine::<Alarm, _>(());
    let builder = builder.node(&node.name).lease_ttl(node.lease);
    let builder = builder.poll_interval(Duration::from_millis(500)).max_attempts(1_000_000);
    let builder = builder.backoff(Duration::from_millis(1), Duration::from_millis(50));
    let runtime = builder.start().await.expect("the node starts");
    println!("ready");
    let (stop, mut callers) = (CancellationToken::new(), tokio::task::JoinSet::new());
    for caller in 0..node.callers {
        let id = format!("{}-{}-{caller}", node.name, std::process::id());
        callers.spawn(call(runtime.machines::<Errand>(), Files::open(&node), id, stop.clone()));
    }
    input_ended().await;
    stop.cancel();
    callers.join_all().await;
    runtime.shutdown(Duration::from_secs(1)).await;
}

pub(crate) async fn input_ended() {
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.expect("it reads").expect("standard input");
}

/// Creates errands and calls some off. Each answer is written down when it has come, and so is each error of the store.
async fn call(errands: Machines<Errand>, files: Files, prefix: String, stop: CancellationToken) {
    for n in 0_u64.. {
        if stop.is_cancelled() {
            return;
        }
        let id = format!("{prefix}-{n}");
        match errands.create(&id, errand::First).await {
            Ok(record) => Files::write(&files.answers, &format!("create {id} {}\n", record.version())),
            Err(error) => Files::write(&files.answers, &format!("error {id} 0 {error}\n")),
        }
        if fastrand::u8(..4) == 0 {
            let id = format!("{prefix}-{}", n.saturating_sub(fastrand::u64(..5)));
            match errands.fire(&id, errand::event::CallOff).await {
                Ok(record) => Files::write(&files.answers, &format!("call_off {id} {}\n", record.version())),
                Err(TransitionError::Store(error)) => Files::write(&files.answers, &format!("error {id} 0 {error}\n")),
                // It has ended, or was called off.
                Err(_) => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..150))).await;
    }
}

/// Calls an errand off in a transaction whose statements wait for the file `go`, and prints how it ended.
async fn wait_in_statements(node: &Node, store: Postgres) {
    let runtime = Runtime::builder(store.clone()).start().await.expect("the node starts");
    println!("ready");
    let mut group = runtime.group();
    let _ = group.add(runtime.machines::<Errand>().fire("long", errand::event::CallOff));
    let go = Files::open(node).go;
    let waiting = move |_: &Sql<'_>| {
        println!("in statements");
        while !go.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    };
    match group.commit_with(&store, waiting).await {
        Ok(_) => println!("committed"),
        Err(error) => println!("error: {error}"),
    }
    input_ended().await;
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(node: &Node) -> Self {
        let binary = std::env::current_exe().expect("this binary");
        let mut command = match &node.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command.args(["--exact", "--nocapture", "process::a_node_ends_with_its_input"]);
        command.env(NODE, serde_json::to_string(node).expect("JSON"));
        if let Some(offset) = &node.clock {
            let faked = [("FAKETIME", offset.as_str()), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
            command.envs(faked).env("LD_PRELOAD", tests_postgres::faketime());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().expect("it is piped"));
        Self { child, stdin, output: BufReader::new(stdout) }
    }

    pub(crate) fn started(node: &Node) -> Self {
        let mut process = Self::start(node);
        process.read("ready");
        process
    }

    /// Waits for a line that begins with `beginning`, and returns it.
    pub(crate) fn read(&mut self, beginning: &str) -> String {
        let mut line = String::new();
        while !line.starts_with(beginning) {
            line.clear();
            assert!(
                self.output.read_line(&mut line).expect("text") > 0,
                "the process ended before it wrote `{beginning}`"
            );
        }
        line
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is alive until it is waited for");
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it is gone");
    }

    /// Lets it shut down, which must succeed.
    pub(crate) fn end(mut self) {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        assert!(self.child.wait().expect("it is gone").success(), "{rest}");
    }
}

impl Drop for Process {
    /// After a panic of the test.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Also the process itself.
#[test]
fn a_node_ends_with_its_input() {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    if let Ok(node) = std::env::var(NODE) {
        return executor.block_on(work(serde_json::from_str(&node).expect("a node")));
    }
    let (server, folder) = (Server::shared(), tempfile::tempdir().expect("a folder"));
    let node = Node::new(server, folder.path(), "a");
    let process = Process::started(&node);
    let leases = || {
        executor.block_on(async {
            let client = server.connect().await;
            let rows = client.query(&format!("SELECT node FROM {}.leases WHERE until > now()", node.schema), &[]).await;
            rows.unwrap().iter().map(|row| row.get(0)).collect::<Vec<String>>()
        })
    };
    assert_eq!(leases(), ["a"]);
    process.end();
    assert_eq!(leases(), Vec::<String>::new(), "its lease has ended with it");
}

impl Node {
    /// A node that works, in a schema of its own.
    pub(crate) fn new(server: &Server, folder: &std::path::Path, name: &str) -> Self {
        Self {
            url: server.url(),
            schema: server.new_schema(),
            folder: folder.to_owned(),
            name: name.to_owned(),
            lease: Duration::from_secs(3),
            callers: 0,
            role: Role::Errands,
            clock: None,
            namespace: None,
        }
    }

    pub(crate) fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }
}
