//! `pool`: five weather stations under one supervisor. Each fails in a different way, and the stream of their readings
//! continues. It uses `fsm_runtime::supervisor` only, without a state machine or a store.

use fsm_runtime::supervisor::{BoxError, Child, ChildContext, ChildInfo, ChildState, Restarts, Supervisor};
use std::{
    collections::BTreeMap,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

const READINGS: u32 = 6;
const MS: Duration = Duration::from_millis(1);

/// How a station fails at its third reading.
#[derive(Clone, Copy)]
enum Fault {
    /// It panics.
    Panic,
    /// It returns an error.
    Error,
    /// It returns `Ok`, although it is permanent.
    Return,
    /// It waits forever without a heartbeat.
    Hang,
    /// It blocks its thread, so that it cannot be aborted.
    Block,
}

const STATIONS: [(&str, Fault); 5] = [
    ("athens", Fault::Panic),
    ("bergen", Fault::Error),
    ("cairo", Fault::Return),
    ("dakar", Fault::Hang),
    ("essen", Fault::Block),
];

/// A reading of a station.
struct Reading {
    station: String,
    number: u32,
    run: u64,
}

/// Reads from the saved position on. The fault occurs in the first run only.
async fn station(ctx: ChildContext, output: mpsc::Sender<Reading>, fault: Fault) -> Result<(), BoxError> {
    let mut next = ctx.saved()?.unwrap_or(1);
    while !ctx.is_cancelled() {
        ctx.beat();
        ctx.clock().sleep(150 * MS).await;
        if next > READINGS {
            continue; // all readings are sent
        }
        let fault = (next == 3 && ctx.run() == 1).then_some(fault);
        match fault {
            Some(Fault::Return) => return Ok(()),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Block) => thread::sleep(4_000 * MS),
            Some(Fault::Panic | Fault::Error) | None => {}
        }
        let reading = Reading { station: ctx.id().to_owned(), number: next, run: ctx.run() };
        next += 1;
        ctx.passing(next)?; // if this reading fails the run, the next run skips it
        match fault {
            Some(Fault::Panic) => panic!("reading {} is not a number", reading.number),
            Some(Fault::Error) => return Err(format!("reading {} is damaged", reading.number).into()),
            _ => ctx.hand_on(&output, reading, next).await?, // sends the reading and saves the position in one step
        }
    }
    Ok(())
}

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<ExitCode, BoxError> {
    // The supervisor reports panics, so the default hook is not needed.
    std::panic::set_hook(Box::new(|_| {}));

    let (output, mut stream) = mpsc::channel(8);
    let mut builder = Supervisor::builder().restarts(Restarts::Intensity { max: 10, window: Duration::from_secs(10) });
    for (id, fault) in STATIONS {
        let output = output.clone();
        let child = Child::new(id, move |ctx| station(ctx, output.clone(), fault))
            .heartbeat(1_000 * MS)
            .shutdown_timeout(500 * MS);
        builder = builder.child(child);
    }
    let supervisor = builder.start().await?;

    let mut printer = Printer::new();
    let mut seen: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    while seen.len() < STATIONS.len() || seen.values().any(|numbers| numbers.last() != Some(&READINGS)) {
        let next = tokio::time::timeout(20 * MS, stream.recv()).await;
        printer.changes(&supervisor.children().await?);
        if let Ok(Some(Reading { station, number, run })) = next {
            printer.line(&station, &format!("reading {number}, by run {run}"));
            seen.entry(station).or_default().push(number);
        }
    }

    println!("\nstation  state    runs  last error");
    for child in supervisor.children().await? {
        let error = child.last_error.map_or_else(String::new, |error| error.to_string());
        println!("{:<8} {:<8} {:>4}  {error}", child.id, format!("{:?}", child.state), child.runs);
    }
    let report = supervisor.shutdown(Duration::from_secs(5)).await;
    println!("\nshutdown: {} children were stopped by force", report.stopped.len());

    let mut complete = report.stopped.is_empty();
    for (id, fault) in STATIONS {
        let expected: Vec<u32> = match fault {
            Fault::Panic | Fault::Error => vec![1, 2, 4, 5, 6],
            Fault::Return | Fault::Hang | Fault::Block => vec![1, 2, 3, 4, 5, 6],
        };
        println!("{id:<8} {:?}", seen[id]);
        complete &= seen[id] == expected;
    }
    println!("every valid reading arrived once and in order: {}", if complete { "yes" } else { "NO" });
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints readings and state changes.
struct Printer {
    since: Instant,
    before: BTreeMap<String, (ChildState, u64)>,
}

impl Printer {
    fn new() -> Self {
        Self { since: Instant::now(), before: BTreeMap::new() }
    }

    fn line(&self, id: &str, text: &str) {
        println!("{:4.1}s  {id:<8} {text}", self.since.elapsed().as_secs_f32());
    }

    /// Prints each child whose state has changed, with its last error.
    fn changes(&mut self, children: &[ChildInfo]) {
        for child in children {
            let now = (child.state, child.runs);
            let first = (ChildState::Running, 1);
            if self.before.insert(child.id.clone(), now).unwrap_or(first) != now {
                let error = child.last_error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
                self.line(&child.id, &format!("    -- {:?}, run {}{error}", child.state, child.runs));
            }
        }
    }
}
