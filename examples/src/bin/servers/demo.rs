//! The demo: starts the configured servers, stops one, kills the process of another, and stops them all.

use crate::{
    cli::Paths,
    commands::{self, goal, load, reach},
    config::{Config, display_path},
    goal::Goal,
    machine::server::AnyRecord,
    render,
    session::Session,
    tail::history,
};
use anyhow::{Context as _, anyhow, bail, ensure};
use fsm_runtime::ReadError;
use std::time::Duration;

/// The pause after each step.
const PAUSE: Duration = Duration::from_secs(2);

/// The number of history entries that are printed for each server.
const MAX_ENTRIES: usize = 16;

/// Runs the demo. Stops the servers even if a step fails.
pub(crate) async fn run(paths: &Paths) -> anyhow::Result<()> {
    let shutdown = commands::shutdown_signal()?;
    let config = load(paths)?;
    let mut session = Session::work(paths).await?;
    let steps = tokio::select! {
        result = steps(&mut session, &config, paths) => result,
        () = shutdown => Err(anyhow!("interrupted")),
    };
    heading("Stop: the remaining servers");
    let second_shutdown = commands::shutdown_signal()?;
    let stopped = tokio::select! {
        result = stop_all(&mut session, &config) => result,
        () = second_shutdown => Err(anyhow!("interrupted while servers were stopping; run `servers ls` for a list")),
    };
    let histories = print_histories(&session, &config, paths).await;
    session.close().await;
    steps.and(stopped).and(histories)?;
    ensure!(config.problems.is_empty(), "{} has invalid entries, see above", display_path(&paths.file));
    Ok(())
}

async fn steps(session: &mut Session, config: &Config, paths: &Paths) -> anyhow::Result<()> {
    heading(&format!("Start: the servers of {}", display_path(&paths.file)));
    reach(session, config.entries.iter().map(goal).collect()).await?;
    session.watch(PAUSE).await?;

    if let [_, .., last] = &config.entries[..] {
        heading(&format!("Stop: `{}`", last.id));
        reach(session, vec![Goal::stopped(&last.id)]).await?;
        session.watch(PAUSE).await?;
    }

    if let Some(first) = config.entries.first() {
        let AnyRecord::Running(running) = session.servers().get(&first.id).await? else {
            bail!("`{}` is no longer running", first.id);
        };
        let pid = session.processes().kill(&first.id)?.context("the process has already exited")?;
        heading(&format!("Crash: process {pid} of `{}` was killed with SIGKILL", first.id));
        reach(session, vec![Goal::restarted(&first.id, running.version())]).await?;
        session.watch(PAUSE).await?;
    }
    Ok(())
}

async fn stop_all(session: &mut Session, config: &Config) -> anyhow::Result<()> {
    let mut goals = Vec::new();
    for entry in &config.entries {
        match session.servers().get(&entry.id).await {
            Ok(_) => goals.push(Goal::stopped(&entry.id)),
            Err(ReadError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    reach(session, goals).await
}

async fn print_histories(session: &Session, config: &Config, paths: &Paths) -> anyhow::Result<()> {
    heading(&format!("History: the entries stored in {}", display_path(&paths.data)));
    for entry in &config.entries {
        let entries = history(&session.servers(), &entry.id, 0).await?;
        let earlier = entries.len().saturating_sub(MAX_ENTRIES);
        println!("{}:", entry.id);
        if earlier > 0 {
            println!("  {earlier} earlier entries: run `servers log {}`", entry.id);
        }
        for entry in &entries[earlier..] {
            println!("  {}", render::entry(entry));
        }
    }
    println!("\nREADME.md has a diagram of these states; `servers graph` prints it.");
    Ok(())
}

fn heading(text: &str) {
    println!("\n== {text}");
}
