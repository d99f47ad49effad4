//! What a process costs that does nothing, and how soon it sees what another one changes.

use fsm_runtime::{prelude::*, store::Store};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Set for the process that does nothing: the store's path.
pub(crate) const IDLER: &str = "FSM_CRASH_IDLER";
const LOOKS: u32 = 40;
/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(4);

/// A job that a worker would do, were there one.
#[derive(StateMachine)]
#[fsm(initial = Waiting, durable, derive(Serialize, Deserialize))]
enum Errand {
    #[on(begin => Running)]
    Waiting,
    #[state(work)]
    #[on(done => Done)]
    Running,
    #[state(end)]
    Done,
}

struct Nobody;

impl errand::Workers for Nobody {
    async fn running(&self, task: errand::Task<errand::Running>) -> Outcome<errand::Running> {
        task.done()
    }
}

/// A controller without work, which prints a line for each change of another process.
pub(crate) async fn do_nothing(path: &Path) {
    let store = Sqlite::open(path).await.expect("the store");
    let mut changes = store.notices();
    let _runtime = Runtime::builder(store).machine::<Errand, _>(Nobody).start().await.expect("a controller");
    println!("ready");
    while changes.recv().await.is_ok() {
        // One write, and at once.
        std::io::stdout().lock().write_all(b"seen\n").expect("the parent reads");
    }
}

pub(crate) async fn an_idle_process_rarely_wakes_and_sees_changes_soon() -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("errands.db");
    let store = Sqlite::open(&path).await.expect("the store");
    let runtime = Runtime::builder(store).start().await.expect("a client");
    let errands = runtime.machines::<Errand>();
    let mut this = Command::new(std::env::current_exe().expect("this binary"));
    let mut idler = this.env(IDLER, &path).stdout(Stdio::piped()).spawn().expect("a process");
    let output = BufReader::new(idler.stdout.take().expect("its output"));
    let (line, lines) = mpsc::channel();
    thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|text| line.send((text, Instant::now()))));
    let next = || lines.recv_timeout(Duration::from_secs(20)).expect("it is told of the change");
    assert_eq!(next().0, "ready");
    // What its own start has set going.
    thread::sleep(Duration::from_millis(500));
    let before = Cost::of(idler.id());
    thread::sleep(WATCHED);
    let cost = Cost::of(idler.id()).since(before);
    let mut took = Vec::new();
    for n in 0..LOOKS {
        thread::sleep(Duration::from_millis(fastrand::u64(150..300)));
        while lines.try_recv().is_ok() {}
        errands.create(&n.to_string(), errand::Waiting).await.expect("a new id");
        let committed = Instant::now();
        took.push(next().1.saturating_duration_since(committed));
    }
    idler.kill().expect("SIGKILL");
    idler.wait().expect("it is gone");
    took.sort();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    let wakes = f64::from(cost.wakes) / WATCHED.as_secs_f64();
    let share = cost.on_cpu.as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
    let found = format!("{wakes:.1} wake-ups a second, {share:.2} % of a core, median {median:?}, longest {longest:?}");
    // Twice and more of what is found, since the machine may be busy.
    if cfg!(target_os = "linux") {
        assert!(wakes <= 40.0 && share <= 1.0, "{found}");
        assert!(median <= Duration::from_millis(20), "{found}");
    }
    found
}

#[derive(Clone, Copy)]
struct Cost {
    wakes: u32,
    on_cpu: Duration,
}

impl Cost {
    /// Of all threads of the process, since they began.
    fn of(pid: u32) -> Self {
        let (mut wakes, mut nanos) = (0_u32, 0_u64);
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let text = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            let status = text("status");
            let switches = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            wakes += switches.and_then(|number| number.trim().parse::<u32>().ok()).unwrap_or(0);
            nanos += text("schedstat").split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
        }
        Self { wakes, on_cpu: Duration::from_nanos(nanos) }
    }

    fn since(self, before: Self) -> Self {
        Self { wakes: self.wakes - before.wakes, on_cpu: self.on_cpu.saturating_sub(before.on_cpu) }
    }
}
