//! How soon another node goes on with the work of one that was killed, or that ended in order.

use super::line;
use fsm_runtime::{Runtime, prelude::*, store::postgres::Postgres};
use serde::{Deserialize, Serialize};
use std::{
    env,
    process::Stdio,
    time::{Duration, Instant},
};
use tests_postgres::Server;

/// The first argument of a process that is a node.
pub(super) const NODE: &str = "node";
const LEASE: Duration = Duration::from_secs(5);
const READY: &str = "ready";
const WORKS: &str = "works";

/// A watch.
#[derive(StateMachine)]
#[fsm(initial = Kept, durable, derive(Serialize, Deserialize))]
enum Watch {
    /// A worker keeps it until its process shuts down.
    #[state(work)]
    #[on(finish => Over)]
    Kept,
    /// The end.
    #[state(end)]
    Over,
}

struct Keeper;

impl watch::Workers for Keeper {
    async fn kept(&self, task: watch::Task<watch::Kept>) -> Outcome<watch::Kept> {
        println!("{WORKS}");
        task.draining().await;
        task.requeue_after(Duration::ZERO)
    }
}

/// A process that works until its standard input ends, which stands for a signal to end.
pub(super) async fn node(url: &str, schema: &str) {
    let store = Postgres::options(url).schema(schema).open().await.expect("the store opens");
    let builder = Runtime::builder(store).machine::<Watch, _>(Keeper).node(format!("node {}", std::process::id()));
    let runtime = builder.lease_ttl(LEASE).start().await.expect("a controller");
    println!("{READY}");
    let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let _ = ended.await;
    runtime.shutdown(Duration::from_secs(5)).await;
}

struct Process {
    child: std::process::Child,
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Process {
    fn start(server: &Server, schema: &str) -> Self {
        use std::io::BufRead as _;
        let mut command = std::process::Command::new(env::current_exe().expect("this program"));
        command.args([NODE, &server.url(), schema]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let output = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    async fn says(&mut self, expected: &str) {
        while let Some(line) = self.lines.recv().await {
            if line == expected {
                return;
            }
        }
        panic!("the process ended before `{expected}`");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) async fn print(server: &Server) {
    let killed = takeover(server, |child| child.kill().expect("killed")).await;
    line("takeover after SIGKILL, lease of 5 s", &format!("{killed:.1?}"), "<= 6 s");
    let ended = takeover(server, |child| drop(child.stdin.take())).await;
    line("takeover after a shutdown, as on SIGTERM", &format!("{ended:.1?}"), "< 1 s");
}

/// The time from `end` of the node that works to the worker on the other node.
async fn takeover(server: &Server, end: impl FnOnce(&mut std::process::Child)) -> Duration {
    let schema = server.new_schema();
    let store = Postgres::options(server.url()).schema(&schema).open().await.expect("the store opens");
    let client = Runtime::builder(store).start().await.expect("a client");
    client.machines::<Watch>().create("a", watch::Kept).await.expect("created");
    let mut first = Process::start(server, &schema);
    first.says(WORKS).await;
    let mut second = Process::start(server, &schema);
    second.says(READY).await;
    // The new node is counted as a member after two renewals.
    tokio::time::sleep(LEASE).await;
    let began = Instant::now();
    end(&mut first.child);
    second.says(WORKS).await;
    let taken = began.elapsed();
    client.shutdown(Duration::from_secs(1)).await;
    taken
}
