//! The commands `up`, `down`, `manage`, `unpark`, `ls`, `status`, `log`, `graph` and `move`.

use crate::{
    cli::Paths,
    config::{Config, Entry, display_path},
    goal::Goal,
    lock::{ProcessState, RunDir},
    machine::Server,
    render,
    session::{Session, run_dir},
    store::Location,
    tail::{claimed, history, rows},
};
use anyhow::{Context as _, anyhow, bail, ensure};
use fsm_runtime::ReadError;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Starts servers, and waits until they run.
pub(crate) async fn up(paths: &Paths, ids: &[String]) -> anyhow::Result<()> {
    let config = load(paths)?;
    let entries = chosen(&config, ids, paths)?;
    let mut session = Session::work(paths).await?;
    let reached = reach(&mut session, entries.into_iter().map(goal).collect()).await;
    session.close().await;
    reached?;
    ensure!(
        !ids.is_empty() || config.problems.is_empty(),
        "{} has invalid entries, see above",
        display_path(&paths.file)
    );
    Ok(())
}

/// Stops servers, and waits until their processes have ended.
pub(crate) async fn down(paths: &Paths, ids: &[String]) -> anyhow::Result<()> {
    Session::read(paths).await?;
    let mut session = Session::work(paths).await?;
    let reached = reach(&mut session, ids.iter().map(|id| Goal::stopped(id)).collect()).await;
    session.close().await;
    reached
}

/// Keeps the configured servers running until Ctrl-C or SIGTERM. Prints the runtime's status on SIGUSR1.
pub(crate) async fn manage(paths: &Paths) -> anyhow::Result<()> {
    let (shutdown, mut status) = (shutdown_signal()?, signal(SignalKind::user_defined1())?);
    let config = load(paths)?;
    let mut session = Session::work(paths).await?;
    let runtime = session.runtime();
    println!("managing the servers of {}; Ctrl-C stops the manager, not the servers", display_path(&paths.file));
    let keep = async {
        if let Err(error) = reach(&mut session, config.entries.iter().map(goal).collect()).await {
            eprintln!("error: {error:#}");
        }
        session.follow().await
    };
    let print_status = async {
        while status.recv().await.is_some() {
            print!("{}", runtime.status());
        }
    };
    let ended = tokio::select! {
        ended = keep => ended,
        () = shutdown => Ok(()),
        () = print_status => Ok(()),
        // A supervisor such as systemd has to restart the manager.
        ended = runtime.ended() => Err(anyhow!("the runtime has stopped: {}", ended.failed.unwrap_or_default())),
    };
    session.close().await;
    ended
}

/// Gives parked work new attempts, and records the user as the actor.
pub(crate) async fn unpark(paths: &Paths, id: &str) -> anyhow::Result<()> {
    let servers = Session::read(paths).await?.servers();
    let row = match servers.row(id).await {
        Err(ReadError::NotFound { .. }) => {
            bail!("there is no server `{}`; run `servers ls` for a list", id.escape_debug())
        }
        read => read?,
    };
    ensure!(row.parked.is_some(), "the work on `{id}` is not parked; run `servers ls` for its state");
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    servers.with_actor(user).unpark(id).await?;
    println!("the work on `{id}` has new attempts; it continues when a manager runs");
    Ok(())
}

/// Lists the servers in the store.
pub(crate) async fn ls(paths: &Paths) -> anyhow::Result<()> {
    let servers = Session::read(paths).await?.servers();
    println!("{}", render::head());
    for row in rows(&servers).await? {
        println!("{}", render::server(&servers.get(&row.key.id).await?, &row));
    }
    Ok(())
}

/// Shows the nodes that work on the store, and their claims.
pub(crate) async fn status(paths: &Paths) -> anyhow::Result<()> {
    let session = Session::read(paths).await?;
    for node in session.nodes().await? {
        println!("{}", render::node(&node));
    }
    println!("{}", render::work_head());
    for claim in claimed(&session.servers()).await? {
        println!("{}", render::work(&claim));
    }
    Ok(())
}

/// Prints the history of a server.
pub(crate) async fn log(paths: &Paths, id: &str) -> anyhow::Result<()> {
    let servers = Session::read(paths).await?.servers();
    let entries = history(&servers, id, 0).await?;
    ensure!(!entries.is_empty(), "there is no server `{}`; run `servers ls` for a list", id.escape_debug());
    for entry in &entries {
        println!("{}", render::entry(entry));
    }
    Ok(())
}

/// Prints the diagram, with the state of server `id` highlighted.
pub(crate) async fn graph(paths: &Paths, id: Option<&str>) -> anyhow::Result<()> {
    let diagram = Server::GRAPH.mermaid();
    match id {
        None => print!("{diagram}"),
        Some(id) => {
            let record = match Session::read(paths).await?.servers().get(id).await {
                Err(ReadError::NotFound { .. }) => {
                    bail!("there is no server `{}`; run `servers ls` for a list", id.escape_debug())
                }
                read => read?,
            };
            print!("{}", diagram.highlight(record.state().as_str()));
        }
    }
    Ok(())
}

/// Moves the contents of the store to a database.
pub(crate) async fn move_to(paths: &Paths, to: &Location) -> anyhow::Result<()> {
    let store = paths.store();
    store.move_to(to, |progress| println!("{progress}")).await?;
    println!("moved; name the database with --store from now on");
    Ok(())
}

/// Reads the configuration file, and prints its problems.
pub(crate) fn load(paths: &Paths) -> anyhow::Result<Config> {
    let locks = RunDir::at(&run_dir(paths));
    // A process that has not written its port yet may be about to listen on it.
    let config = Config::load(&paths.file, |id, port| {
        let Ok(ProcessState::Alive(process)) = locks.state(id) else { return false };
        process.port.is_none_or(|own| own == port)
    });
    for problem in &config.problems {
        eprintln!("error: {problem}");
    }
    ensure!(!config.entries.is_empty(), "{} has no valid server", display_path(&paths.file));
    Ok(config)
}

fn chosen<'c>(config: &'c Config, ids: &[String], paths: &Paths) -> anyhow::Result<Vec<&'c Entry>> {
    if ids.is_empty() {
        return Ok(config.entries.iter().collect());
    }
    let find = |id: &String| {
        let found = config.entries.iter().find(|entry| entry.id == *id);
        found.with_context(|| {
            let valid: Vec<_> = config.entries.iter().map(|entry| entry.id.as_str()).collect();
            let (file, valid) = (display_path(&paths.file), valid.join(", "));
            format!("{file} has no valid server `{id}`; its valid servers are {valid}")
        })
    };
    ids.iter().map(find).collect()
}

/// The goal that a configured server runs.
pub(crate) fn goal(entry: &Entry) -> Goal {
    Goal::running(&entry.id, entry.spec.clone())
}

/// Waits until all goals are reached. Prints those that fail, and returns an error if there are any.
pub(crate) async fn reach(session: &mut Session, goals: Vec<Goal>) -> anyhow::Result<()> {
    let failures = session.reach(goals).await?;
    for failure in &failures {
        eprintln!("error: server `{}`: {}", failure.id.escape_debug(), failure.reason);
    }
    ensure!(failures.is_empty(), "{} of the servers failed, see above", failures.len());
    Ok(())
}

/// Completes on Ctrl-C or SIGTERM, which no longer end the process.
pub(crate) fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
