//! Owns the life of a serving process: starts it, finds it again, and ends it.

use crate::{
    config::{Spec, shown},
    lock::{Claim, RunDir, Sighting},
};
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long a process has to end by itself, after which it is killed, and how long it has then.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often a lock is looked at while something is awaited.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);

/// The processes of one run folder.
#[derive(Debug)]
pub(crate) struct Processes {
    run: RunDir,
    program: PathBuf,
}

impl Processes {
    /// Those whose locks are in `run`; new ones run this same program.
    pub(crate) fn new(run: RunDir) -> io::Result<Self> {
        Ok(Self { run, program: std::env::current_exe()? })
    }

    /// Starts a process, which lives on when this one dies; `None` if there is one already.
    pub(crate) fn spawn(&self, id: &str, spec: &Spec) -> anyhow::Result<Option<Child>> {
        let Some(lock) = self.run.take(id).with_context(|| format!("the lock file of `{id}`"))? else {
            return Ok(None);
        };
        let mut command = Command::new(&self.program);
        command.args(["serve", "--id", id, "--port", &spec.port.to_string(), "--root"]).arg(&spec.root);
        // Nothing of ours is left to it but the lock: not the terminal and its Ctrl-C, not our output, not our folder.
        command.stdin(lock).stdout(Stdio::null()).stderr(File::create(self.run.stderr_path(id))?);
        command.process_group(0).current_dir("/");
        Ok(Some(command.spawn().with_context(|| format!("starting {}", self.program.display()))?))
    }

    /// Whether a server's process is alive, and what it says of itself.
    pub(crate) fn look(&self, id: &str) -> anyhow::Result<Sighting> {
        self.run.look(id).with_context(|| format!("the lock file of `{id}`"))
    }

    /// Why a process ended, as far as it said so.
    pub(crate) fn last_words(&self, id: &str) -> String {
        let path = self.run.stderr_path(id);
        let said = fs::read_to_string(&path).unwrap_or_default();
        let said = said.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
        said.unwrap_or_else(|| format!("it said nothing in {}", shown(&path)))
    }

    /// Ends a server's process, and returns once it is gone: with SIGTERM, and with SIGKILL when that does not help.
    /// Dropping the future leaves the process told, or not told; calling it again goes on.
    pub(crate) async fn terminate(&self, id: &str) -> anyhow::Result<()> {
        for signal in [Signal::TERM, Signal::KILL] {
            let (mut told, until) = (false, Instant::now() + PATIENCE);
            while Instant::now() < until {
                match self.look(id)? {
                    Sighting::Gone => return Ok(()),
                    Sighting::Alive(Claim { pid: Some(pid), .. }) if !told => {
                        send(pid, signal)?;
                        told = true;
                    }
                    Sighting::Alive(_) => {}
                }
                sleep(GLANCE).await;
            }
        }
        match self.look(id)? {
            Sighting::Gone => Ok(()),
            Sighting::Alive(Claim { pid: Some(pid), .. }) => bail!("process {pid} of `{id}` survived SIGKILL"),
            Sighting::Alive(_) => bail!("the lock file of `{id}` is held by somebody who does not say who"),
        }
    }

    /// Kills a server's process as an accident would; tells its pid, if there was one.
    pub(crate) fn kill(&self, id: &str) -> anyhow::Result<Option<u32>> {
        let Sighting::Alive(Claim { pid: Some(pid), .. }) = self.look(id)? else {
            return Ok(None);
        };
        send(pid, Signal::KILL)?;
        Ok(Some(pid))
    }
}

/// Only to be called with a pid whose lock was just seen held: a held lock's process is alive, so its pid is its own.
fn send(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw).with_context(|| format!("{pid} is no pid"))?;
    match kill_process(target, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("a signal to process {pid}")),
    }
}
