//! A PostgreSQL server for the guided run, if one is installed.

use anyhow::{Context as _, bail, ensure};
use rustix::process::getuid;
use std::{env, fs, path::PathBuf, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Where the packages of Debian and Ubuntu install the servers, one folder for each version.
const PACKAGES: &str = "/usr/lib/postgresql";

/// The time within which a new server has to take connections, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. It stops, and its data is removed, when the value is dropped or this process ends in any way.
pub(crate) struct Server {
    script: Child,
    /// The folder of its Unix socket.
    folder: String,
}

impl Server {
    /// Starts the newest server that is installed.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        ensure!(cfg!(feature = "postgres"), "this program was built without the feature `postgres`");
        let bin =
            programs().context("no PostgreSQL is installed; set FSM_POSTGRES_BIN to the folder with its `initdb`")?;
        // A server does not run as root.
        let mut command = if getuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", &env::var("FSM_POSTGRES_USER").unwrap_or_else(|_| "postgres".to_owned()), "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", include_str!("postgres.sh"), "postgres.sh"]).arg(&bin).process_group(0);
        // The user of the server may not be allowed to enter the present folder.
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut script = command.spawn().context("starting a shell")?;
        let mut lines = BufReader::new(script.stdout.take().context("its output")?).lines();
        let line = timeout(PATIENCE, lines.next_line())
            .await
            .with_context(|| format!("no answer from {}", bin.display()))??;
        match line.as_deref().map(|line| line.strip_prefix("ready ").ok_or(line)) {
            Some(Ok(folder)) => Ok(Self { folder: folder.to_owned(), script }),
            Some(Err(why)) => bail!("the PostgreSQL of {} does not start: {why}", bin.display()),
            None => bail!("the PostgreSQL of {} does not start", bin.display()),
        }
    }

    /// The folder of its data and of its socket.
    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// The URL of its database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://servers@{}/postgres", self.folder.replace('%', "%25").replace('/', "%2F"))
    }

    /// Stops the server and removes its data.
    pub(crate) async fn stop(mut self) {
        drop(self.script.stdin.take());
        // It goes on by itself.
        let _ = timeout(PATIENCE, self.script.wait()).await;
    }
}

/// The folder with `initdb` and `pg_ctl`: `FSM_POSTGRES_BIN`, or that of the newest installed package, or of the path.
fn programs() -> Option<PathBuf> {
    if let Some(bin) = env::var_os("FSM_POSTGRES_BIN") {
        return Some(bin.into()).filter(|bin: &PathBuf| bin.join("initdb").exists());
    }
    let versions = fs::read_dir(PACKAGES).into_iter().flatten().flatten();
    let bins = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists());
    let in_path = || env::split_paths(&env::var_os("PATH")?).find(|folder| folder.join("initdb").exists());
    bins.max().map(|(_, bin)| bin).or_else(in_path)
}
