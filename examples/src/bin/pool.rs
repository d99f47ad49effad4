//! `pool`: five weather stations, each with a trouble of its own, under one supervisor; and the one stream of their
//! readings, which goes on through all of it. No machine, no store: only `fsm_runtime::supervisor`.

use fsm_runtime::supervisor::{BoxError, Child, ChildInfo, Context, Restarts, State, Supervisor};
use std::{
    collections::BTreeMap,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

const READINGS: u32 = 6;
const MS: Duration = Duration::from_millis(1);

/// What befalls a station at its third reading.
#[derive(Clone, Copy)]
enum Trouble {
    /// It cannot make sense of the reading.
    Panics,
    Fails,
    /// It thinks that it is done.
    Returns,
    /// It waits for something that never comes, and listens to nobody.
    FallsSilent,
    /// It blocks its thread, so that it cannot even be aborted.
    BlocksItsThread,
}

const STATIONS: [(&str, Trouble); 5] = [
    ("athens", Trouble::Panics),
    ("bergen", Trouble::Fails),
    ("cairo", Trouble::Returns),
    ("dakar", Trouble::FallsSilent),
    ("essen", Trouble::BlocksItsThread),
];

/// A reading on its way to whoever wants it.
struct Reading {
    station: String,
    number: u32,
    run: u64,
}

/// Reads on from where the run before it stood. The trouble comes once; what is poisonous is passed by.
async fn station(ctx: Context, output: mpsc::Sender<Reading>, trouble: Trouble) -> Result<(), BoxError> {
    let mut next = ctx.saved()?.unwrap_or(1);
    while !ctx.is_cancelled() {
        ctx.beat();
        ctx.clock().sleep(150 * MS).await;
        if next > READINGS {
            continue; // it has nothing more to tell, and goes on living
        }
        let trouble = (next == 3 && ctx.run() == 1).then_some(trouble);
        match trouble {
            Some(Trouble::Returns) => return Ok(()),
            Some(Trouble::FallsSilent) => std::future::pending().await,
            Some(Trouble::BlocksItsThread) => thread::sleep(4_000 * MS),
            Some(Trouble::Panics | Trouble::Fails) | None => {}
        }
        let reading = Reading { station: ctx.id().to_owned(), number: next, run: ctx.run() };
        next += 1;
        ctx.passing(next)?; // whatever this reading does to us, the next run does not meet it
        match trouble {
            Some(Trouble::Panics) => panic!("reading {} is not a number", reading.number),
            Some(Trouble::Fails) => return Err(format!("reading {} is damaged", reading.number).into()),
            _ => ctx.hand_on(&output, reading, next).await?, // the value and the position, in one step
        }
    }
    Ok(())
}

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<ExitCode, BoxError> {
    // The supervisor says what a panic said; once is enough.
    std::panic::set_hook(Box::new(|_| {}));

    let (output, mut stream) = mpsc::channel(8);
    let mut builder = Supervisor::builder().restarts(Restarts::Intensity { max: 10, window: Duration::from_secs(10) });
    for (id, trouble) in STATIONS {
        let output = output.clone();
        let child = Child::new(id, move |ctx| station(ctx, output.clone(), trouble))
            .heartbeat(1_000 * MS)
            .shutdown_timeout(500 * MS);
        builder = builder.child(child);
    }
    let supervisor = builder.start().await?;

    let mut told = Told::new();
    let mut seen: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    while seen.len() < STATIONS.len() || seen.values().any(|numbers| numbers.last() != Some(&READINGS)) {
        let next = tokio::time::timeout(20 * MS, stream.recv()).await;
        told.changes(&supervisor.children().await?);
        if let Ok(Some(Reading { station, number, run })) = next {
            told.line(&station, &format!("reading {number}, by run {run}"));
            seen.entry(station).or_default().push(number);
        }
    }

    println!("\nstation  state    runs  last error");
    for child in supervisor.children().await? {
        let error = child.last_error.map_or_else(String::new, |error| error.to_string());
        println!("{:<8} {:<8} {:>4}  {error}", child.id, format!("{:?}", child.state), child.runs);
    }
    let report = supervisor.shutdown(Duration::from_secs(5)).await;
    println!("\nstopped; children that had to be cut: {}", report.stopped.len());

    let mut right = report.stopped.is_empty();
    for (id, trouble) in STATIONS {
        let expected: Vec<u32> = match trouble {
            Trouble::Panics | Trouble::Fails => vec![1, 2, 4, 5, 6],
            Trouble::Returns | Trouble::FallsSilent | Trouble::BlocksItsThread => vec![1, 2, 3, 4, 5, 6],
        };
        println!("{id:<8} {:?}", seen[id]);
        right &= seen[id] == expected;
    }
    println!("each good reading came once, and in order: {}", if right { "yes" } else { "NO" });
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was printed, so that changes are.
struct Told {
    since: Instant,
    before: BTreeMap<String, (State, u64)>,
}

impl Told {
    fn new() -> Self {
        Self { since: Instant::now(), before: BTreeMap::new() }
    }

    fn line(&self, id: &str, what: &str) {
        println!("{:4.1}s  {id:<8} {what}", self.since.elapsed().as_secs_f32());
    }

    /// Says of each child that changed what it is doing now, and why.
    fn changes(&mut self, children: &[ChildInfo]) {
        for child in children {
            let now = (child.state, child.runs);
            let first = (State::Running, 1);
            if self.before.insert(child.id.clone(), now).unwrap_or(first) != now {
                let why = child.last_error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
                self.line(&child.id, &format!("    -- {:?}, run {}{why}", child.state, child.runs));
            }
        }
    }
}
