//! `trip`: books trips with three providers that fail on request. A saga undoes what was booked for a trip that fails. The process that
//! works is killed in the middle, and started again.
//!
//! `cargo run --bin trip` shows it. The program starts itself as the process that works, `trip work DIR`.

mod machine;
mod providers;

use anyhow::{Context as _, bail};
use fsm_runtime::{HistoryQuery, ListQuery, Machines, Policy, prelude::*, store::StoreError};
use machine::{Agency, Trip, trip};
use providers::Providers;
use std::{
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const TRAVELLERS: [&str; 6] = ["ada", "bob", "cyd", "dan", "eve", "fay"];
/// The limit for everything that is awaited.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => {
            let dir = std::env::temp_dir().join(format!("trip-{}", std::process::id()));
            std::fs::create_dir_all(&dir)?;
            let shown = show(&dir).await;
            std::fs::remove_dir_all(&dir)?;
            shown
        }
        [work, dir] if work == "work" => self::work(Path::new(dir)).await,
        _ => bail!("run it without arguments"),
    }
}

/// Works on trips until its standard input ends.
async fn work(dir: &Path) -> anyhow::Result<()> {
    let store = Sqlite::open(dir.join("trips.db")).await?;
    let agency = Agency(Providers::open(&dir.join("providers.db"))?);
    let builder = Runtime::builder(store).machine::<Trip, _>(agency);
    // A refund is tried twice, and then an operator looks at it.
    let builder = builder.policy::<trip::Refunding>(Policy::new().max_attempts(2));
    let runtime = builder.backoff(Duration::from_millis(10), Duration::from_millis(50)).start().await?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    runtime.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

fn start(dir: &Path) -> anyhow::Result<Child> {
    let this = std::env::current_exe()?;
    Command::new(this).arg("work").arg(dir).stdin(Stdio::piped()).spawn().context("the process that works")
}

async fn show(dir: &Path) -> anyhow::Result<()> {
    let providers = Providers::open(&dir.join("providers.db"))?;
    let failures = [
        ("bob", "hotel", "refuse"),
        ("cyd", "bank", "refuse"),
        ("dan", "bank", "lose"),
        ("dan", "hotel", "refuse"),
        ("eve", "hotel", "lose"),
        ("fay", "hotel", "refuse"),
        ("fay", "undo bank", "break"),
    ];
    for (traveller, call, failure) in failures {
        providers.request(traveller, call, failure)?;
    }
    let client = Runtime::builder(Sqlite::open(dir.join("trips.db")).await?).start().await?;
    let trips = client.machines::<Trip>();
    for traveller in TRAVELLERS {
        trips.create(traveller, trip::Reserving).await?;
    }

    let mut first = start(dir)?;
    until("the bank has charged dan", || Ok(providers.calls("dan")?.contains(&"+bank".to_owned()))).await?;
    first.kill()?;
    first.wait()?;
    println!("killed: the bank has charged dan, and the trip is still {}", trips.get("dan").await?.state());
    providers.repair("dan", "bank")?;

    let mut second = start(dir)?;
    until("the hotel has a room for eve", || Ok(providers.calls("eve")?.contains(&"+hotel".to_owned()))).await?;
    trips.fire("eve", trip::event::Cancel { reason: "eve has changed her mind".into() }).await?;
    let begin = Instant::now();
    let parked = loop {
        let rows = trips.rows(&ListQuery::all().half_undone()).await?.items;
        if let Some(row) = rows.into_iter().next() {
            break row;
        }
        if begin.elapsed() > PATIENCE {
            bail!("no trip is half undone");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    println!("half undone: {} in {}: {}", parked.key.id, parked.state, parked.parked.unwrap_or_default());
    providers.repair("fay", "undo bank")?;
    trips.unpark("fay").await?;
    let is_end = |state| matches!(state, trip::State::Booked | trip::State::Cancelled);
    for traveller in TRAVELLERS {
        trips.wait_until(traveller, PATIENCE, "the end", is_end).await?;
    }
    drop(second.stdin.take());
    second.wait()?;

    for (title, end) in [("booked", trip::State::Booked), ("undone", trip::State::Cancelled)] {
        println!("\n== {title}");
        for trip in trips.list(&ListQuery::in_state(end)).await?.items {
            let trip = trip?;
            println!("{}  {}", trip.id(), providers.calls(trip.id())?.join(" "));
        }
    }
    println!("\n== the history of dan");
    print_history(&trips, "dan").await?;
    println!("\n{}", Trip::GRAPH.mermaid());
    Ok(())
}

async fn print_history(trips: &Machines<Trip>, id: &str) -> Result<(), StoreError> {
    for entry in trips.history(id, &HistoryQuery::new()).await?.items {
        let (from, event) = (entry.from.unwrap_or_default(), entry.event.unwrap_or_default());
        if event.is_empty() {
            println!("v{} created --> {} ({})", entry.version, entry.to, entry.cause);
        } else {
            println!("v{} {from} --{event}--> {} ({})", entry.version, entry.to, entry.cause);
        }
    }
    Ok(())
}

/// Waits until `holds`.
async fn until(what: &str, holds: impl Fn() -> rusqlite::Result<bool>) -> anyhow::Result<()> {
    let begin = Instant::now();
    while !holds()? {
        if begin.elapsed() > PATIENCE {
            bail!("this did not happen: {what}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsm_core::testing::Saga;

    fsm_core::diagram!(Trip in "README.md");

    #[test]
    fn each_failure_undoes_what_was_booked() {
        let failures = Saga::<Trip>::each_failure();
        assert_eq!(failures.len(), 6, "each step is refused or cancelled");
        for failure in failures {
            let reason = || "no".to_owned();
            let trip = failure.follow(Trip::Reserving, |step, _| match step.event {
                trip::EventKind::Reserved => trip::event::Reserved { seat: "12A".into() }.into(),
                trip::EventKind::Charged => trip::event::Charged { receipt: "7".into() }.into(),
                trip::EventKind::RoomBooked => trip::event::RoomBooked { room: "3".into() }.into(),
                trip::EventKind::Refused => trip::event::Refused { reason: reason() }.into(),
                trip::EventKind::Cancel => trip::event::Cancel { reason: reason() }.into(),
                trip::EventKind::RoomCancelled => trip::event::RoomCancelled.into(),
                trip::EventKind::Refunded => trip::event::Refunded.into(),
                trip::EventKind::Released => trip::event::Released.into(),
            });
            assert_eq!(trip.unwrap().state(), trip::State::Cancelled);
        }
    }
}
