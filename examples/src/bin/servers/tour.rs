//! Owns the guided run: brings the file's servers up, takes one down, has an accident with another, and ends them all.

use crate::{
    cli::Places,
    config::{Config, shown},
    machine::server::AnyRecord,
    render,
    session::Session,
    steps::{self, fulfil, load, wish},
    tail::history,
    wish::Wish,
};
use anyhow::{Context as _, anyhow, bail, ensure};
use fsm_runtime::ReadError;
use std::time::Duration;

/// How long there is time to look, or to visit the servers, between two acts.
const PAUSE: Duration = Duration::from_secs(2);

/// How many entries of a history are shown at the end.
const SHOWN: usize = 16;

/// Runs it; whatever happens, none of its servers is left running.
pub(crate) async fn run(places: &Places) -> anyhow::Result<()> {
    let told_to_end = steps::told_to_end()?;
    let config = load(places)?;
    let mut session = Session::work(places).await?;
    let shown_so_far = tokio::select! {
        acted = acts(&mut session, &config, places) => acted,
        () = told_to_end => Err(anyhow!("interrupted")),
    };
    act("Down: the servers that are left");
    let told_again = steps::told_to_end()?;
    let ended = tokio::select! {
        ended = take_down(&mut session, &config) => ended,
        () = told_again => Err(anyhow!("interrupted while servers were taken down: see `servers ls`")),
    };
    let told = tell(&session, &config, places).await;
    session.close().await;
    shown_so_far.and(ended).and(told)?;
    ensure!(config.problems.is_empty(), "some entries of {} have to be mended, see above", shown(&places.file));
    Ok(())
}

async fn acts(session: &mut Session, config: &Config, places: &Places) -> anyhow::Result<()> {
    act(&format!("Up: the servers of {}", shown(&places.file)));
    fulfil(session, config.entries.iter().map(wish).collect()).await?;
    session.watch(PAUSE).await?;

    if let [_, .., last] = &config.entries[..] {
        act(&format!("Down: `{}` is not wanted any more", last.id));
        fulfil(session, vec![Wish::down(&last.id)]).await?;
        session.watch(PAUSE).await?;
    }

    if let Some(first) = config.entries.first() {
        let AnyRecord::Running(running) = session.servers().get(&first.id).await? else {
            bail!("`{}` does not run any more", first.id);
        };
        let pid = session.processes().kill(&first.id)?.context("its process is gone already")?;
        act(&format!("An accident: process {pid} of `{}` was killed, from outside", first.id));
        fulfil(session, vec![Wish::back(&first.id, running.version())]).await?;
        session.watch(PAUSE).await?;
    }
    Ok(())
}

async fn take_down(session: &mut Session, config: &Config) -> anyhow::Result<()> {
    let mut wishes = Vec::new();
    for entry in &config.entries {
        match session.servers().get(&entry.id).await {
            Ok(_) => wishes.push(Wish::down(&entry.id)),
            Err(ReadError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    fulfil(session, wishes).await
}

/// Prints what the store has kept of it all.
async fn tell(session: &Session, config: &Config, places: &Places) -> anyhow::Result<()> {
    act(&format!("What the store kept of it, in {}", shown(&places.data)));
    for entry in &config.entries {
        let entries = history(&session.servers(), &entry.id, 0).await?;
        let earlier = entries.len().saturating_sub(SHOWN);
        println!("{}:", entry.id);
        if earlier > 0 {
            println!("  {earlier} earlier ones: `servers log {}`", entry.id);
        }
        for entry in &entries[earlier..] {
            println!("  {}", render::entry(entry));
        }
    }
    println!("\nThe diagram of these states is in README.md; `servers graph` prints it.");
    Ok(())
}

fn act(what: &str) {
    println!("\n== {what}");
}
