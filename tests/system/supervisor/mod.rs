//! The supervisor as its users see it, on a clock that stands still. Each test carries the number of its behaviour.

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
    supervisor::{BoxError, Child, ChildInfo, Context, Restarts, State, Supervisor, SupervisorBuilder},
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
const RUNNING: State = State::Running;
/// Nothing that had to be cut.
const NONE: [&str; 0] = [];

/// So many that no test comes to their end by chance.
const OFTEN: Restarts = Restarts::Intensity { max: 1_000, window: Duration::from_secs(5) };

/// What a puppet is told to do.
#[derive(Debug)]
enum Do {
    Started,
    Beat,
    Progress(u64),
    Fail(&'static str),
    Panic(&'static str),
    Return,
}

/// The strings of all puppets, what they did, and the time.
#[derive(Clone)]
struct World {
    manual: ManualClock,
    log: Arc<Mutex<Vec<String>>>,
    strings: Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Do>>>>,
}

/// Says that a run is gone, however it went.
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

    /// Logs `+id` when a run begins and `-id` when it is gone; does as it is told, and ends when it is cancelled.
    fn puppet(&self, id: &str) -> Child {
        let world = self.clone();
        Child::new(id, move |ctx| world.clone().act(ctx, Duration::ZERO))
    }

    /// A puppet that says `!id` when it is cancelled, and needs some time after that.
    fn slow(&self, id: &str, needs: Duration) -> Child {
        let world = self.clone();
        Child::new(id, move |ctx| world.clone().act(ctx, needs))
    }

    /// A puppet that does not listen when it is cancelled.
    fn deaf(&self, id: &str) -> Child {
        self.slow(id, Duration::MAX)
    }

    async fn act(self, ctx: Context, needs: Duration) -> Result<(), BoxError> {
        let (string, mut told) = mpsc::unbounded_channel();
        self.strings.lock().unwrap().insert(ctx.id().to_owned(), string);
        self.say(format!("+{}", ctx.id()));
        let _gone = Gone(self.clone(), ctx.id().to_owned());
        loop {
            let order = tokio::select! {
                Some(order) = told.recv() => order,
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

    /// Has the present run of a puppet do something, and waits for what comes of it without time.
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

    /// What was logged since the last call, in one line.
    fn log(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(" ")
    }
}

/// Lets everybody do what can be done without time. Exact on a current-thread executor, where all that is ready has had
/// its turns by then.
async fn settle() {
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
}

/// For executors with more threads: polled, with a deadline that is never waited for in full.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + secs(20);
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "it does not come to be");
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

/// Begins a shutdown, and lets it come as far as it can without time.
async fn stopping(supervisor: &Supervisor, deadline: Duration) -> tokio::task::JoinHandle<Vec<String>> {
    let supervisor = supervisor.clone();
    let stop = tokio::spawn(async move {
        let report = supervisor.shutdown(deadline).await;
        report.stopped.iter().map(|cut| format!("{} {:?}", cut.id, cut.how)).collect()
    });
    settle().await;
    stop
}
