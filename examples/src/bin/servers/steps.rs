//! Owns the single steps: `up`, `down`, `manage`, `release`, `ls`, `log` and `graph`.

use crate::{
    cli::Places,
    config::{Config, Entry, shown},
    lock::{RunDir, Sighting},
    machine::Server,
    render,
    session::{Session, run_folder},
    tail::{held, history, rows},
    wish::Wish,
};
use anyhow::{Context as _, anyhow, bail, ensure};
use fsm_runtime::ReadError;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Brings servers up, and waits for it.
pub(crate) async fn up(places: &Places, ids: &[String]) -> anyhow::Result<()> {
    let config = load(places)?;
    let entries = chosen(&config, ids, places)?;
    let mut session = Session::work(places).await?;
    let settled = fulfil(&mut session, entries.into_iter().map(wish).collect()).await;
    session.close().await;
    settled?;
    ensure!(!ids.is_empty() || config.problems.is_empty(), "the other entries have to be mended, see above");
    Ok(())
}

/// Takes servers down, and waits for it.
pub(crate) async fn down(places: &Places, ids: &[String]) -> anyhow::Result<()> {
    Session::read(places).await?;
    let mut session = Session::work(places).await?;
    let settled = fulfil(&mut session, ids.iter().map(|id| Wish::down(id)).collect()).await;
    session.close().await;
    settled
}

/// Keeps the file's servers up until Ctrl-C or SIGTERM; at SIGUSR1 it prints what it is at.
pub(crate) async fn manage(places: &Places) -> anyhow::Result<()> {
    let (told_to_end, mut asked) = (told_to_end()?, signal(SignalKind::user_defined1())?);
    let config = load(places)?;
    let mut session = Session::work(places).await?;
    let runtime = session.runtime();
    println!("managing the servers of {}; Ctrl-C ends the manager, not the servers", shown(&places.file));
    let keep = async {
        if let Err(error) = fulfil(&mut session, config.entries.iter().map(wish).collect()).await {
            eprintln!("error: {error:#}");
        }
        session.follow().await
    };
    let answer = async {
        while asked.recv().await.is_some() {
            print!("{}", runtime.status());
        }
    };
    let ended = tokio::select! {
        ended = keep => ended,
        () = told_to_end => Ok(()),
        () = answer => Ok(()),
        // Somebody has to start it anew.
        ended = runtime.ended() => Err(anyhow!("the work has ended: {}", ended.failed.unwrap_or_default())),
    };
    session.close().await;
    ended
}

/// Has the work on a parked server begin anew, on behalf of who asks.
pub(crate) async fn release(places: &Places, id: &str) -> anyhow::Result<()> {
    let servers = Session::read(places).await?.servers();
    let row = match servers.row(id).await {
        Err(ReadError::NotFound { .. }) => bail!("there is no server `{id}`; `servers ls` lists those there are"),
        read => read?,
    };
    ensure!(row.parked.is_some(), "the work on `{id}` is not parked; `servers ls` says where it stands");
    let who = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    servers.with_actor(who).unpark(id).await?;
    println!("the work on `{id}` begins anew, as soon as a manager runs");
    Ok(())
}

/// Lists the servers of the store.
pub(crate) async fn ls(places: &Places) -> anyhow::Result<()> {
    let servers = Session::read(places).await?.servers();
    println!("{}", render::head());
    for row in rows(&servers).await? {
        println!("{}", render::server(&servers.get(&row.key.id).await?, &row));
    }
    Ok(())
}

/// Shows who works on what, over all processes, as the store knows it.
pub(crate) async fn status(places: &Places) -> anyhow::Result<()> {
    let session = Session::read(places).await?;
    for process in session.all_processes().await? {
        println!("{}", render::process(&process));
    }
    println!("{}", render::work_head());
    for held in held(&session.servers()).await? {
        println!("{}", render::work(&held));
    }
    Ok(())
}

/// Prints the history of a server.
pub(crate) async fn log(places: &Places, id: &str) -> anyhow::Result<()> {
    let servers = Session::read(places).await?.servers();
    let entries = history(&servers, id, 0).await?;
    ensure!(!entries.is_empty(), "there is no server `{id}`; `servers ls` lists those there are");
    for entry in &entries {
        println!("{}", render::entry(entry));
    }
    Ok(())
}

/// Prints the diagram; with a server's state pointed out, if one is named.
pub(crate) async fn graph(places: &Places, id: Option<&str>) -> anyhow::Result<()> {
    let diagram = Server::GRAPH.mermaid();
    match id {
        None => print!("{diagram}"),
        Some(id) => {
            let record = match Session::read(places).await?.servers().get(id).await {
                Err(ReadError::NotFound { .. }) => {
                    bail!("there is no server `{id}`; `servers ls` lists those there are")
                }
                read => read?,
            };
            print!("{}", diagram.highlight(record.state().as_str()));
        }
    }
    Ok(())
}

/// Reads the file of servers, and says what is wrong with it.
pub(crate) fn load(places: &Places) -> anyhow::Result<Config> {
    let locks = RunDir::at(&run_folder(places));
    // Who holds the lock and has not said where it listens may be about to say so.
    let config = Config::load(&places.file, |id, port| {
        let Ok(Sighting::Alive(claim)) = locks.look(id) else { return false };
        claim.port.is_none_or(|held| held == port)
    });
    for problem in &config.problems {
        eprintln!("error: {problem}");
    }
    ensure!(!config.entries.is_empty(), "no server of {} can be used", shown(&places.file));
    Ok(config)
}

fn chosen<'c>(config: &'c Config, ids: &[String], places: &Places) -> anyhow::Result<Vec<&'c Entry>> {
    if ids.is_empty() {
        return Ok(config.entries.iter().collect());
    }
    let find = |id: &String| {
        let found = config.entries.iter().find(|entry| entry.id == *id);
        found.with_context(|| {
            let usable: Vec<_> = config.entries.iter().map(|entry| entry.id.as_str()).collect();
            let (file, usable) = (shown(&places.file), usable.join(", "));
            format!("{file} has no server `{id}` that can be used; it has {usable}")
        })
    };
    ids.iter().map(find).collect()
}

/// That the server of an entry runs.
pub(crate) fn wish(entry: &Entry) -> Wish {
    Wish::up(&entry.id, entry.spec.clone())
}

/// Waits until all wishes have come true; an error if some have not.
pub(crate) async fn fulfil(session: &mut Session, wishes: Vec<Wish>) -> anyhow::Result<()> {
    let unfulfilled = session.settle(wishes).await?;
    for wish in &unfulfilled {
        eprintln!("error: `{}`: {}", wish.id.escape_debug(), wish.why);
    }
    ensure!(unfulfilled.is_empty(), "{} not as wished for", unfulfilled.len());
    Ok(())
}

/// Ends at Ctrl-C or SIGTERM, which do not end the process any more.
pub(crate) fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
