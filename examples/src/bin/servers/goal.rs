//! The goal of a command for one server, and the events that lead to it from any state.
//!
//! The program does not use `Machines::converge`. A desired state is stored and outlives the command, and it fires events
//! without a payload only, while `request` carries the configuration. `Failed` and `GivenUp` limit the restarts here.

use crate::{
    config::Spec,
    machine::{
        Server,
        server::{AnyRecord, Requested, event},
    },
};
use anyhow::bail;
use fsm_runtime::{Machines, ReadError, TransitionError};

/// The goal of a command for one server.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) id: String,
    target: Target,
    /// Whether an event was fired for this goal. A server that was given up, or is parked, is tried again once.
    tried: bool,
}

#[derive(Debug)]
enum Target {
    /// The server runs with this configuration.
    Running(Spec),
    /// The server runs, with a version above this one.
    Restarted(u64),
    /// The server has no process.
    Stopped,
}

/// The result of one step toward a goal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The goal is not reached yet.
    Waiting,
    /// The goal is reached.
    Reached,
    /// The goal cannot be reached, with the reason.
    Failed(String),
}

impl Goal {
    pub(crate) fn running(id: &str, spec: Spec) -> Self {
        Self::new(id, Target::Running(spec))
    }

    pub(crate) fn restarted(id: &str, version: u64) -> Self {
        Self::new(id, Target::Restarted(version))
    }

    pub(crate) fn stopped(id: &str) -> Self {
        Self::new(id, Target::Stopped)
    }

    fn new(id: &str, target: Target) -> Self {
        Self { id: id.into(), target, tried: false }
    }

    /// Reads the server's state, and fires the next event toward the goal, if a caller has to fire one.
    pub(crate) async fn step(&mut self, servers: &Machines<Server>) -> anyhow::Result<Progress> {
        let record = match servers.get(&self.id).await {
            Ok(record) => Some(record),
            Err(ReadError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let fired = match (&self.target, record) {
            (Target::Running(spec), None) => servers.create(&self.id, Requested { spec: spec.clone() }).await.map(drop),
            (Target::Running(_), Some(AnyRecord::Requested(requested))) => requested.start().await.map(drop),
            (Target::Running(spec), Some(AnyRecord::Stopped(stopped))) => stopped.request(spec.clone()).await.map(drop),
            (Target::Running(spec), Some(AnyRecord::GivenUp(given_up))) if !self.tried => {
                given_up.request(spec.clone()).await.map(drop)
            }
            (Target::Running(spec), Some(AnyRecord::Running(running))) => {
                let compared = compare(spec, &running.spec);
                return Ok(self.parked(servers).await?.unwrap_or(compared));
            }

            (Target::Restarted(version), Some(AnyRecord::Running(running))) if running.version() > *version => {
                return Ok(Progress::Reached);
            }
            (Target::Running(_) | Target::Restarted(_), Some(AnyRecord::GivenUp(given_up))) => {
                return Ok(Progress::Failed(format!("given up: {}", given_up.reason)));
            }

            (Target::Stopped, Some(AnyRecord::Stopped(_))) => return Ok(Progress::Reached),
            (Target::Running(_) | Target::Restarted(_), Some(_)) | (Target::Stopped, Some(AnyRecord::Stopping(_))) => {
                return Ok(self.parked(servers).await?.unwrap_or(Progress::Waiting));
            }
            // Every other state accepts `stop`.
            (Target::Stopped, Some(_)) => servers.fire(&self.id, event::Stop).await.map(drop),

            (Target::Restarted(_) | Target::Stopped, None) => {
                bail!("there is no server `{}`; run `servers ls` for a list", self.id.escape_debug())
            }
        };
        match fired {
            Ok(()) => self.tried = true,
            // Another process changed the server first: the next step reads it again.
            Err(TransitionError::Conflict(_) | TransitionError::Exists(_) | TransitionError::NotAccepted { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Progress::Waiting)
    }

    /// Gives parked work new attempts, once. Returns `None` if the work is not parked.
    async fn parked(&mut self, servers: &Machines<Server>) -> anyhow::Result<Option<Progress>> {
        let Some(reason) = servers.row(&self.id).await?.parked else { return Ok(None) };
        if self.tried {
            return Ok(Some(Progress::Failed(format!("its work is parked: {reason}"))));
        }
        match servers.unpark(&self.id).await {
            Ok(()) => self.tried = true,
            Err(TransitionError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Some(Progress::Waiting))
    }
}

/// Compares the configuration that is wanted with that of a running server, which is not restarted for a change.
fn compare(wanted: &Spec, running: &Spec) -> Progress {
    if wanted == running {
        return Progress::Reached;
    }
    let Spec { port, root } = running;
    Progress::Failed(format!(
        "it runs with another configuration, port {port} and root {}; run `servers down` and then `servers up`",
        root.display()
    ))
}
