//! Starts, finds and terminates serving processes.

use crate::{
    config::{Spec, display_path},
    lock::{ProcessInfo, ProcessState, RunDir},
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

/// The time within which a process has to exit after SIGTERM, and again after SIGKILL.
const EXIT_TIMEOUT: Duration = Duration::from_secs(3);

/// The interval at which a lock is polled.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The processes of one run directory.
#[derive(Debug)]
pub(crate) struct Processes {
    run: RunDir,
    program: PathBuf,
}

impl Processes {
    /// The processes whose locks are in `run`. New processes run this program.
    pub(crate) fn new(run: RunDir) -> io::Result<Self> {
        Ok(Self { run, program: std::env::current_exe()? })
    }

    /// Starts a process, which outlives this one. Returns `None` if the server already has a process.
    pub(crate) fn spawn(&self, id: &str, spec: &Spec) -> anyhow::Result<Option<Child>> {
        let Some(lock) = self.run.take(id).with_context(|| format!("the lock file of `{id}`"))? else {
            return Ok(None);
        };
        let mut command = Command::new(&self.program);
        command.args(["serve", "--id", id, "--port", &spec.port.to_string(), "--root"]).arg(&spec.root);
        // The process inherits the lock only: not the terminal with its Ctrl-C, the output or the working directory.
        command.stdin(lock).stdout(Stdio::null()).stderr(File::create(self.run.stderr_path(id))?);
        command.process_group(0).current_dir("/");
        Ok(Some(command.spawn().with_context(|| format!("starting {}", self.program.display()))?))
    }

    /// Reads the state of a server's process.
    pub(crate) fn state(&self, id: &str) -> anyhow::Result<ProcessState> {
        self.run.state(id).with_context(|| format!("the lock file of `{id}`"))
    }

    /// The last line that a process wrote to standard error.
    pub(crate) fn last_error(&self, id: &str) -> String {
        let path = self.run.stderr_path(id);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let last = text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
        last.unwrap_or_else(|| format!("the process exited without an error in {}", display_path(&path)))
    }

    /// Terminates a server's process and waits for its exit. Sends SIGTERM, and after a timeout SIGKILL.
    ///
    /// # Cancel safety
    /// If the future is dropped, the signal may or may not have been sent. Calling it again is safe.
    pub(crate) async fn terminate(&self, id: &str) -> anyhow::Result<()> {
        for signal in [Signal::TERM, Signal::KILL] {
            let (mut signalled, until) = (false, Instant::now() + EXIT_TIMEOUT);
            while Instant::now() < until {
                match self.state(id)? {
                    ProcessState::Exited => return Ok(()),
                    ProcessState::Alive(ProcessInfo { pid: Some(pid), .. }) if !signalled => {
                        send(pid, signal)?;
                        signalled = true;
                    }
                    ProcessState::Alive(_) => {}
                }
                sleep(POLL_INTERVAL).await;
            }
        }
        match self.state(id)? {
            ProcessState::Exited => Ok(()),
            ProcessState::Alive(ProcessInfo { pid: Some(pid), .. }) => {
                bail!("process {pid} of `{id}` survived SIGKILL")
            }
            ProcessState::Alive(_) => bail!("the lock file of `{id}` is held by an unknown process"),
        }
    }

    /// Kills a server's process without a change of its state, for the demo. Returns its pid, if it was alive.
    pub(crate) fn kill(&self, id: &str) -> anyhow::Result<Option<u32>> {
        let ProcessState::Alive(ProcessInfo { pid: Some(pid), .. }) = self.state(id)? else {
            return Ok(None);
        };
        send(pid, Signal::KILL)?;
        Ok(Some(pid))
    }
}

/// Sends a signal. Call it only with a pid from a held lock: its process is alive, so the pid is not reused.
fn send(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let target =
        i32::try_from(pid).ok().and_then(Pid::from_raw).with_context(|| format!("{pid} is not a valid pid"))?;
    match kill_process(target, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("sending a signal to process {pid}")),
    }
}
