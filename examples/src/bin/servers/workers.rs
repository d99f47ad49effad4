//! Owns the work: what is done in `Starting`, `Running` and `Stopping`.

use crate::{
    config::Spec,
    health::{self, Health},
    lock::{Claim, Sighting},
    machine::server::{self, Running, Starting, Stopping, Task},
    process::{GLANCE, Processes},
};
use fsm_runtime::prelude::*;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};

/// How long a process has until it answers.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// How often a running server is asked for its health.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// How many answers in a row may be missing from a process that is alive.
const STRIKES: u32 = 3;

/// How many failures in a row end in `GivenUp`.
const FAILURES: u32 = 5;

/// How long a worker watches before it hands back and is run again, so that an attempt ends well now and then.
const SHIFT: Duration = Duration::from_secs(30);

/// Who has run for so long starts to count failures from one again.
const RECOVERED: Duration = Duration::from_secs(30);

/// Does the work of every server of one run folder.
pub(crate) struct Keeper {
    pub(crate) processes: Arc<Processes>,
}

impl server::Workers for Keeper {
    async fn starting(&self, task: Task<Starting>) -> Outcome<Starting> {
        let failures = task.failures + 1;
        let up = tokio::select! {
            up = self.bring_up(task.id(), &task.spec) => up?,
            () = task.cancelled() => return task.requeue_after(Duration::ZERO),
        };
        match up {
            Ok((pid, port)) => task.ready(pid, port, SystemTime::now()),
            Err(reason) if failures < FAILURES => task.fail(reason, failures),
            Err(reason) => task.give_up(reason),
        }
    }

    async fn running(&self, task: Task<Running>) -> Outcome<Running> {
        let reason = tokio::select! {
            reason = self.watch(task.id(), &task.spec, task.pid, task.port) => reason?,
            () = task.cancelled() => return task.requeue_after(Duration::ZERO),
            () = task.draining() => return task.requeue_after(Duration::ZERO),
            () = task.sleep(SHIFT) => return task.requeue_after(Duration::ZERO),
        };
        let ran = task.since.elapsed().unwrap_or_default();
        let failures = if ran < RECOVERED { task.failures + 1 } else { 1 };
        if failures < FAILURES { task.fail(reason, failures) } else { task.give_up(reason) }
    }

    async fn stopping(&self, task: Task<Stopping>) -> Outcome<Stopping> {
        self.processes.terminate(task.id()).await?;
        task.gone()
    }
}

impl Keeper {
    /// Has a process serve, one that is alive or a new one: its pid and port, or why it does not.
    async fn bring_up(&self, id: &str, spec: &Spec) -> anyhow::Result<Result<(u32, u16), String>> {
        let until = Instant::now() + START_PATIENCE;
        let mut child = None;
        let mut last = "it did not say where it listens".to_owned();
        while Instant::now() < until {
            match self.processes.look(id)? {
                Sighting::Gone if child.is_some() => return Ok(Err(self.processes.last_words(id))),
                Sighting::Gone => child = self.processes.spawn(id, spec)?,
                Sighting::Alive(Claim { pid: Some(pid), port: Some(port) }) => match health::ask(port).await {
                    Ok(health) if fits(&health, id, spec, pid, port) => return Ok(Ok((pid, port))),
                    // Left over from another wish: it makes room for one that does what is wanted now.
                    Ok(_) => self.processes.terminate(id).await?,
                    Err(error) => last = format!("{error:#}"),
                },
                Sighting::Alive(_) => {}
            }
            sleep(GLANCE).await;
        }
        self.processes.terminate(id).await?;
        Ok(Err(format!("it did not answer within {START_PATIENCE:?}: {last}")))
    }

    /// Asks a server for its health until it is not well any more, ends what is left of it, and says what was wrong.
    async fn watch(&self, id: &str, spec: &Spec, pid: u32, port: u16) -> anyhow::Result<String> {
        let mut strikes = 0;
        loop {
            let wrong = match health::ask(port).await {
                Ok(health) if fits(&health, id, spec, pid, port) => {
                    strikes = 0;
                    sleep(WATCH_EVERY).await;
                    continue;
                }
                Ok(health) => format!("port {port} is answered by server `{}`, pid {}", health.id, health.pid),
                Err(error) => format!("{error:#}"),
            };
            if self.processes.look(id)? == Sighting::Gone {
                return Ok("its process is gone".into());
            }
            strikes += 1;
            if strikes == STRIKES {
                self.processes.terminate(id).await?;
                return Ok(format!("{STRIKES} answers in a row were missing: {wrong}"));
            }
            sleep(WATCH_EVERY).await;
        }
    }
}

/// Whether it is this server's own process that answers, and it does what is wanted.
fn fits(health: &Health, id: &str, spec: &Spec, pid: u32, port: u16) -> bool {
    health.id == id && health.pid == pid && health.root == spec.root && (spec.port == 0 || spec.port == port)
}
