//! The workers of the states `Starting`, `Running` and `Stopping`.

use crate::{
    config::Spec,
    health::{self, Health},
    lock::{ProcessInfo, ProcessState},
    machine::server::{self, Running, Starting, Stopping, Task},
    process::{POLL_INTERVAL, Processes},
};
use fsm_runtime::prelude::*;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};

/// The time within which a new process has to respond.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// The interval between the health checks of a running server.
const HEALTH_INTERVAL: Duration = Duration::from_millis(200);

/// The number of consecutive health checks that fail before a live process is replaced.
const MAX_FAILED_CHECKS: u32 = 3;

/// The number of consecutive failures that lead to `GivenUp`.
const MAX_FAILURES: u32 = 5;

/// The length of one attempt in `Running`, after which the worker requeues.
const ATTEMPT_LENGTH: Duration = Duration::from_secs(30);

/// The uptime after which earlier failures no longer count.
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// The workers for the servers of one run directory.
pub(crate) struct ServerWorkers {
    pub(crate) processes: Arc<Processes>,
}

impl server::Workers for ServerWorkers {
    async fn starting(&self, task: Task<Starting>) -> Outcome<Starting> {
        let failures = task.failures + 1;
        let up = tokio::select! {
            up = self.ensure_running(task.id(), &task.spec) => up?,
            () = task.cancelled() => return task.requeue_after(Duration::ZERO),
        };
        match up {
            Ok((pid, port)) => task.ready(pid, port, SystemTime::now()),
            Err(reason) if failures < MAX_FAILURES => task.fail(reason, failures),
            Err(reason) => task.give_up(reason),
        }
    }

    async fn running(&self, task: Task<Running>) -> Outcome<Running> {
        let reason = tokio::select! {
            reason = self.watch(task.id(), &task.spec, task.pid, task.port) => reason?,
            () = task.cancelled() => return task.requeue_after(Duration::ZERO),
            () = task.draining() => return task.requeue_after(Duration::ZERO),
            () = task.sleep(ATTEMPT_LENGTH) => return task.requeue_after(Duration::ZERO),
        };
        let uptime = task.since.elapsed().unwrap_or_default();
        let failures = if uptime < STABLE_AFTER { task.failures + 1 } else { 1 };
        if failures < MAX_FAILURES { task.fail(reason, failures) } else { task.give_up(reason) }
    }

    async fn stopping(&self, task: Task<Stopping>) -> Outcome<Stopping> {
        self.processes.terminate(task.id()).await?;
        task.exited()
    }
}

impl ServerWorkers {
    /// Starts a process if none is alive, and waits until it responds. Returns its pid and port, or the reason of the failure.
    async fn ensure_running(&self, id: &str, spec: &Spec) -> anyhow::Result<Result<(u32, u16), String>> {
        let until = Instant::now() + START_TIMEOUT;
        let mut child = None;
        let mut last = "it did not report its port".to_owned();
        while Instant::now() < until {
            match self.processes.state(id)? {
                ProcessState::Exited if child.is_some() => return Ok(Err(self.processes.last_error(id))),
                ProcessState::Exited => child = self.processes.spawn(id, spec)?,
                ProcessState::Alive(ProcessInfo { pid: Some(pid), port: Some(port) }) => {
                    match health::check(port).await {
                        Ok(health) if is_expected(&health, id, spec, pid, port) => return Ok(Ok((pid, port))),
                        // The process was started with another configuration: replace it.
                        Ok(_) => self.processes.terminate(id).await?,
                        Err(error) => last = format!("{error:#}"),
                    }
                }
                ProcessState::Alive(_) => {}
            }
            sleep(POLL_INTERVAL).await;
        }
        self.processes.terminate(id).await?;
        Ok(Err(format!("no response within {START_TIMEOUT:?}: {last}")))
    }

    /// Checks a server's health until the server fails. Terminates its process, and returns the reason of the failure.
    async fn watch(&self, id: &str, spec: &Spec, pid: u32, port: u16) -> anyhow::Result<String> {
        let mut failed = 0;
        loop {
            let error = match health::check(port).await {
                Ok(health) if is_expected(&health, id, spec, pid, port) => {
                    failed = 0;
                    sleep(HEALTH_INTERVAL).await;
                    continue;
                }
                Ok(health) => format!("port {port} belongs to server `{}`, pid {}", health.id, health.pid),
                Err(error) => format!("{error:#}"),
            };
            if self.processes.state(id)? == ProcessState::Exited {
                return Ok("the process has exited".into());
            }
            failed += 1;
            if failed == MAX_FAILED_CHECKS {
                self.processes.terminate(id).await?;
                return Ok(format!("{MAX_FAILED_CHECKS} consecutive health checks failed: {error}"));
            }
            sleep(HEALTH_INTERVAL).await;
        }
    }
}

/// Whether the response comes from this server's process, with the configuration that is wanted.
fn is_expected(health: &Health, id: &str, spec: &Spec, pid: u32, port: u16) -> bool {
    health.id == id && health.pid == pid && health.root == spec.root && (spec.port == 0 || spec.port == port)
}
