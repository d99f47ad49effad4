//! The supervisor through its public API, on a manual clock. The code of each test is a row of `tests/BEHAVIOURS.md`.

mod heartbeat;
mod leak;
mod manage;
mod many;
mod model;
mod restart;
mod start;
mod stop;
mod strategy;
mod stream;
mod tree;

use fsm_runtime::{
    clock::ManualClock,
    supervisor::{BoxError, Child, ChildContext, ChildInfo, ChildState, Restarts, Supervisor, SupervisorBuilder},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::mpsc;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const LATER: Duration = Duration::from_hours(1);
const RUNNING: ChildState = ChildState::Running;
/// No stopped child.
const NONE: [&str; 0] = [];

/// A limit that no test reaches by chance.
const OFTEN: Restarts = Restarts::Intensity { max: 1_000, window: Duration::from_secs(5) };

/// A command to a puppet.
#[derive(Debug)]
enum Do {
    Started,
    Beat,
    Progress(u64),
    Fail(&'static str),
    Panic(&'static str),
    Return,
}

/// The commands of all puppets, their log, and the clock.
#[derive(Clone)]
struct World {
    manual: ManualClock,
    log: Arc<Mutex<Vec<String>>>,
    strings: Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Do>>>>,
}

/// Logs the end of a run.
struct Gone(World, String);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.say(format!("-{}", self.1));
    }
}

impl World {
    fn new() -> Self {
        Self { manual: ManualClock::new(SystemTime::UNIX_EPOCH), log: Arc::default(), strings: Arc::default() }
    }

    /// A supervisor on this world's clock.
    fn builder(&self) -> SupervisorBuilder {
        Supervisor::builder().clock(self.manual.clock()).restarts(OFTEN)
    }

    /// Logs `+id` when a run starts and `-id` when it ends; follows commands, and ends when cancelled.
    fn puppet(&self, id: &str) -> Child {
        let world = self.clone();
        Child::new(id, move |ctx| world.clone().act(ctx, Duration::ZERO))
    }

    /// A puppet that logs `!id` when cancelled, and needs some time to end.
    fn slow(&self, id: &str, needs: Duration) -> Child {
        let world = self.clone();
        Child::new(id, move |ctx| world.clone().act(ctx, needs))
    }

    /// A puppet that ignores cancellation.
    fn deaf(&self, id: &str) -> Child {
        self.slow(id, Duration::MAX)
    }

    async fn act(self, ctx: ChildContext, needs: Duration) -> Result<(), BoxError> {
        let (string, mut orders) = mpsc::unbounded_channel();
        self.strings.lock().unwrap().insert(ctx.id().to_owned(), string);
        self.say(format!("+{}", ctx.id()));
        let _gone = Gone(self.clone(), ctx.id().to_owned());
        loop {
            let order = tokio::select! {
                Some(order) = orders.recv() => order,
                () = ctx.cancelled() => {
                    if !needs.is_zero() {
                        self.say(format!("!{}", ctx.id()));
                        ctx.clock().sleep(needs).await;
                    }
                    return Ok(());
                }
            };
            match order {
                Do::Started => ctx.started(),
                Do::Beat => ctx.beat(),
                Do::Progress(value) => ctx.progress(value),
                Do::Fail(text) => return Err(text.into()),
                Do::Panic(text) => panic!("{text}"),
                Do::Return => return Ok(()),
            }
        }
    }

    /// Sends a command to the present run of a puppet, and waits for the effects that need no time.
    async fn tell(&self, id: &str, order: Do) {
        self.strings.lock().unwrap()[id].send(order).expect("it runs");
        settle().await;
    }

    async fn advance(&self, by: Duration) {
        self.manual.advance(by);
        settle().await;
    }

    fn say(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    /// The log since the last call, in one line.
    fn log(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(" ")
    }
}

/// Runs all tasks until they wait for time. Exact on a current-thread executor, where every ready task has been polled
/// by then.
async fn settle() {
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
}

/// For executors with more threads: polls until a value, up to a limit.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + secs(20);
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "the condition does not become true");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn info(supervisor: &Supervisor, id: &str) -> ChildInfo {
    let children = supervisor.children().await.unwrap();
    children.into_iter().find(|child| child.id == id).unwrap_or_else(|| panic!("there is no {id}"))
}

/// Each child's state and count of runs: `a Running 1, b Finished 2`.
async fn states(supervisor: &Supervisor) -> String {
    let children = supervisor.children().await.unwrap();
    let line = |child: &ChildInfo| format!("{} {:?} {}", child.id, child.state, child.runs);
    children.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// Begins a shutdown, and runs it as far as it needs no time.
async fn stopping(supervisor: &Supervisor, deadline: Duration) -> tokio::task::JoinHandle<Vec<String>> {
    let supervisor = supervisor.clone();
    let stop = tokio::spawn(async move {
        let report = supervisor.shutdown(deadline).await;
        report.stopped.iter().map(|cut| format!("{} {:?}", cut.id, cut.how)).collect()
    });
    settle().await;
    stop
}
