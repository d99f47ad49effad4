//! The guided run: three nodes share the servers. One is killed, one is stopped, and the others take over.

use crate::{
    cli::Paths,
    commands::{goal, load, shutdown_signal},
    config::{Config, display_path},
    goal::Goal,
    postgres,
    process::Processes,
    session::{Session, run_dir},
    store::Location,
    tail::claimed,
};
use anyhow::{Context as _, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs::{self, File, create_dir_all},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// The names of the nodes.
const NAMES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// The interval at which the store is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The time within which each step has to be done.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause after each step.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs all steps. Ends the nodes and the servers, and removes the data, also if a step fails.
pub(crate) async fn run(paths: &Paths) -> anyhow::Result<()> {
    ensure!(paths.store.is_none(), "`nodes` makes a store of its own, which it removes at the end; leave --store out");
    let shutdown = shutdown_signal()?;
    create_dir_all(&paths.data)?;
    let (lock, folder) = (File::create(paths.data.join("nodes.lock"))?, paths.data.join("nodes"));
    ensure!(lock.try_lock().is_ok(), "another run of `servers nodes` uses {}", display_path(&folder));
    let began = Instant::now();

    let server = postgres::Server::start().await;
    let store = match &server {
        Ok(server) => {
            say(began, &format!("the store is a PostgreSQL server, started for this run in {}", server.folder()));
            Location::Database(server.url())
        }
        Err(error) => {
            say(began, &format!("the store is a file: {error:#}"));
            Location::File(folder.join("servers.db"))
        }
    };
    let own = Paths { file: paths.file.clone(), data: folder.clone(), store: Some(store) };
    let config = load(&own)?;
    // A run that was killed may have left servers.
    remove(&own, &config).await?;
    let mut tour = Tour { began, paths: &own, config: &config, nodes: Vec::new(), shown: BTreeMap::new() };
    let steps = tokio::select! {
        steps = tour.steps() => steps,
        () = shutdown => Err(anyhow!("interrupted")),
    };
    let steps = steps.map_err(|error| tour.with_logs(error));
    for node in &mut tour.nodes {
        // It may have ended.
        let _ = node.process.kill().await;
    }
    let removed = remove(&own, &config).await;
    if let Ok(server) = server {
        server.stop().await;
    }
    steps.and(removed)?;
    say(began, "done: the nodes, the servers and the store are gone");
    Ok(())
}

/// Ends the servers' processes, and removes the folder.
async fn remove(paths: &Paths, config: &Config) -> anyhow::Result<()> {
    if !paths.data.exists() {
        return Ok(());
    }
    let processes = Processes::new(crate::lock::RunDir::at(&run_dir(paths)))?;
    for entry in &config.entries {
        processes.terminate(&entry.id).await?;
    }
    fs::remove_dir_all(&paths.data).with_context(|| format!("removing {}", display_path(&paths.data)))
}

/// A node: a process of `servers manage` with a name.
struct Node {
    name: &'static str,
    process: Child,
    log: PathBuf,
}

struct Tour<'a> {
    began: Instant,
    paths: &'a Paths,
    config: &'a Config,
    nodes: Vec<Node>,
    /// The node of each server, as it was printed last.
    shown: BTreeMap<String, String>,
}

impl Tour<'_> {
    async fn steps(&mut self) -> anyhow::Result<()> {
        create_dir_all(&self.paths.data)?;
        heading("Start: three nodes");
        for name in NAMES {
            self.start(name)?;
        }
        let mut session = self.client().await?;
        self.until("every node has a lease", &session, |seen| seen.live.len() == NAMES.len()).await?;
        let count = self.config.entries.len();
        session.reach(self.config.entries.iter().map(goal).collect()).await?;
        self.until("every server has a node", &session, |seen| seen.work.len() == count).await?;
        sleep(PAUSE).await;

        let (victim, work) = self.busiest(&session).await?;
        heading(&format!("Kill: {victim}, with SIGKILL. It worked on {}", work.join(", ")));
        let process = self.signal(victim, Signal::KILL)?;
        let (killed, pids) = (Instant::now(), self.pids(&session)?);
        self.say(&format!("process {process} is dead; its servers run on, without a worker"));
        self.taken_over(&session, victim, &work).await?;
        let after = killed.elapsed().as_secs_f64();
        ensure!(self.pids(&session)? == pids, "a server was restarted");
        self.say(&format!("taken over {after:.1} s after the kill; no server was restarted"));
        sleep(PAUSE).await;

        heading(&format!("Start: {victim} again"));
        self.start(victim)?;
        self.until("it has a lease", &session, |seen| seen.live.len() == NAMES.len()).await?;
        sleep(PAUSE).await;

        let (stopped, work) = self.busiest(&session).await?;
        heading(&format!("Stop: {stopped}, with SIGTERM. It works on {}", work.join(", ")));
        let (began, process) = (Instant::now(), self.signal(stopped, Signal::TERM)?);
        self.taken_over(&session, stopped, &work).await?;
        let after = began.elapsed().as_secs_f64();
        self.say(&format!("process {process} released them: taken over after {after:.1} s"));
        sleep(PAUSE).await;

        heading("End: the servers are stopped");
        let failures =
            session.reach(self.config.entries.iter().map(|entry| Goal::stopped(&entry.id)).collect()).await?;
        ensure!(failures.is_empty(), "{} of the servers did not stop", failures.len());
        for node in &mut self.nodes {
            terminate(&node.process, Signal::TERM)?;
        }
        for node in &mut self.nodes {
            timeout(PATIENCE, node.process.wait()).await.with_context(|| format!("{} does not stop", node.name))??;
        }
        session.close().await;
        Ok(())
    }

    /// A client of the store, which the first node may be creating.
    async fn client(&self) -> anyhow::Result<Session> {
        let until = Instant::now() + PATIENCE;
        loop {
            match Session::read(self.paths).await {
                Err(_) if Instant::now() < until => sleep(LOOK).await,
                opened => return opened,
            }
        }
    }

    fn start(&mut self, name: &'static str) -> anyhow::Result<()> {
        let log = self.paths.data.join(format!("{name}.log"));
        let store = match self.paths.store() {
            Location::File(file) => file.into_os_string(),
            Location::Database(url) => url.into(),
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("manage").arg("--store").arg(store).arg("--file").arg(&self.paths.file);
        command.arg("--data").arg(&self.paths.data).env("FSM_NODE", name);
        // Ctrl-C is for this process, which then ends its nodes.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let process = command.spawn().context("starting a node")?;
        self.say(&format!("{name} is process {}", process.id().unwrap_or_default()));
        self.nodes.retain(|node| node.name != name);
        self.nodes.push(Node { name, process, log });
        Ok(())
    }

    fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<u32> {
        let node = self.nodes.iter().find(|node| node.name == name).context("the node")?;
        terminate(&node.process, signal)
    }

    /// The live node with the most servers, and these.
    async fn busiest(&self, session: &Session) -> anyhow::Result<(&'static str, Vec<String>)> {
        let seen = Seen::of(session).await?;
        let of = |name: &'static str| (name, seen.of_node(name));
        NAMES.map(of).into_iter().max_by_key(|(_, work)| work.len()).context("a node with servers")
    }

    /// Waits until other nodes work on all of `work`.
    async fn taken_over(&mut self, session: &Session, from: &str, work: &[String]) -> anyhow::Result<()> {
        let by_others = |seen: &Seen| work.iter().all(|id| seen.work.get(id).is_some_and(|node| node != from));
        self.until("the servers are taken over", session, by_others).await
    }

    /// The processes of the servers.
    fn pids(&self, session: &Session) -> anyhow::Result<Vec<Option<u32>>> {
        let pid = |id: &str| match session.processes().state(id)? {
            crate::lock::ProcessState::Alive(process) => Ok(process.pid),
            crate::lock::ProcessState::Exited => Ok(None),
        };
        self.config.entries.iter().map(|entry| pid(&entry.id)).collect()
    }

    /// Looks at the store until `done`, and prints which node begins to work on which server.
    async fn until(&mut self, what: &str, session: &Session, done: impl Fn(&Seen) -> bool) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let seen = Seen::of(session).await?;
            for (id, node) in &seen.work {
                match self.shown.insert(id.clone(), node.clone()) {
                    Some(before) if before == *node => {}
                    Some(before) => self.say(&format!("{id:<8} {before} --> {node}")),
                    None => self.say(&format!("{id:<8} {node}")),
                }
            }
            if done(&seen) {
                return Ok(());
            }
            if Instant::now() >= until {
                bail!("not within {PATIENCE:?}: {what}");
            }
            sleep(LOOK).await;
        }
    }

    fn say(&self, text: &str) {
        say(self.began, text);
    }

    /// What the nodes have logged is the cause of most failures.
    fn with_logs(&self, error: anyhow::Error) -> anyhow::Error {
        let logs = self.nodes.iter().filter_map(|node| Some((node.name, last_line(&node.log)?)));
        let logs: Vec<String> = logs.map(|(name, line)| format!("{name}: {line}")).collect();
        if logs.is_empty() { error } else { error.context(logs.join("\n")) }
    }
}

/// What the store shows.
struct Seen {
    /// The names of the nodes whose leases have not ended.
    live: Vec<String>,
    /// The node that works on each server.
    work: BTreeMap<String, String>,
}

impl Seen {
    async fn of(session: &Session) -> anyhow::Result<Self> {
        let live = session.nodes().await?.into_iter().filter(|node| node.live);
        let live: Vec<String> = live.map(|node| node.name).collect();
        let claims = claimed(&session.servers()).await?.into_iter().filter(|claim| !claim.is_orphaned());
        let work = claims.filter_map(|claim| Some((claim.row.key.id.to_string(), claim.by?.node)));
        Ok(Self { work: work.collect(), live })
    }

    fn of_node(&self, name: &str) -> Vec<String> {
        self.work.iter().filter(|(_, node)| *node == name).map(|(id, _)| id.clone()).collect()
    }
}

fn terminate(process: &Child, signal: Signal) -> anyhow::Result<u32> {
    // `None` once it was waited for.
    let Some(id) = process.id() else { return Ok(0) };
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("a process id")?;
    kill_process(pid, signal).with_context(|| format!("sending a signal to process {id}"))?;
    Ok(id)
}

fn last_line(log: &Path) -> Option<String> {
    fs::read_to_string(log).ok()?.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
}

fn say(began: Instant, text: &str) {
    println!("{:>5.1}s  {text}", began.elapsed().as_secs_f64());
}

fn heading(text: &str) {
    println!("\n== {text}");
}
