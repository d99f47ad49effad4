//! Owns what somebody wants of one server, and the events that lead there from wherever it stands.
//!
//! By hand, and not by `Machines::converge`: that fires only events without a payload, and `request` brings the spec; its wish
//! stands on when `up` has ended, and counts setbacks of its own, where `Failed` and `GivenUp` decide how often to try.

use crate::{
    config::Spec,
    machine::{
        Server,
        server::{AnyRecord, Requested, event},
    },
};
use anyhow::bail;
use fsm_runtime::{Machines, ReadError, TransitionError};

/// What somebody wants of one server.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) id: String,
    goal: Goal,
    /// Whether it was tried on behalf of this wish: what came to nothing earlier is tried once more, and not again.
    tried: bool,
}

#[derive(Debug)]
enum Goal {
    /// It runs like this.
    Up(Spec),
    /// It runs, and has changed since this version.
    Back(u64),
    /// No process is left.
    Down,
}

/// How far a wish has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Something is under way.
    Waiting,
    /// It is as it was wished for.
    Fulfilled,
    /// It will not come true: why.
    Failed(String),
}

impl Wish {
    pub(crate) fn up(id: &str, spec: Spec) -> Self {
        Self::new(id, Goal::Up(spec))
    }

    pub(crate) fn back(id: &str, version: u64) -> Self {
        Self::new(id, Goal::Back(version))
    }

    pub(crate) fn down(id: &str) -> Self {
        Self::new(id, Goal::Down)
    }

    fn new(id: &str, goal: Goal) -> Self {
        Self { id: id.into(), goal, tried: false }
    }

    /// Looks where the server stands, and fires the next event that is ours to fire.
    pub(crate) async fn step(&mut self, servers: &Machines<Server>) -> anyhow::Result<Progress> {
        let record = match servers.get(&self.id).await {
            Ok(record) => Some(record),
            Err(ReadError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let fired = match (&self.goal, record) {
            (Goal::Up(spec), None) => servers.create(&self.id, Requested { spec: spec.clone() }).await.map(drop),
            (Goal::Up(_), Some(AnyRecord::Requested(requested))) => requested.start().await.map(drop),
            (Goal::Up(spec), Some(AnyRecord::Stopped(stopped))) => stopped.request(spec.clone()).await.map(drop),
            (Goal::Up(spec), Some(AnyRecord::GivenUp(given_up))) if !self.tried => {
                given_up.request(spec.clone()).await.map(drop)
            }
            (Goal::Up(spec), Some(AnyRecord::Running(running))) => {
                let as_wished = as_wished(spec, &running.spec);
                return Ok(self.parked(servers).await?.unwrap_or(as_wished));
            }

            (Goal::Back(version), Some(AnyRecord::Running(running))) if running.version() > *version => {
                return Ok(Progress::Fulfilled);
            }
            (Goal::Up(_) | Goal::Back(_), Some(AnyRecord::GivenUp(given_up))) => {
                return Ok(Progress::Failed(format!("it was given up: {}", given_up.reason)));
            }

            (Goal::Down, Some(AnyRecord::Stopped(_))) => return Ok(Progress::Fulfilled),
            (Goal::Up(_) | Goal::Back(_), Some(_)) | (Goal::Down, Some(AnyRecord::Stopping(_))) => {
                return Ok(self.parked(servers).await?.unwrap_or(Progress::Waiting));
            }
            // Whatever it is doing, it is to stop.
            (Goal::Down, Some(_)) => servers.fire(&self.id, event::Stop).await.map(drop),

            (Goal::Back(_) | Goal::Down, None) => {
                bail!("there is no server `{}`; `servers ls` lists those there are", self.id.escape_debug())
            }
        };
        match fired {
            Ok(()) => self.tried = true,
            // Somebody else was first: the next step looks what it has become.
            Err(TransitionError::Conflict(_) | TransitionError::Exists(_) | TransitionError::NotAccepted { .. }) => {}
            Err(failure) => return Err(failure.into()),
        }
        Ok(Progress::Waiting)
    }

    /// When nobody works on it any more after too many failures: has the work begin anew, once; `None` if it goes on.
    async fn parked(&mut self, servers: &Machines<Server>) -> anyhow::Result<Option<Progress>> {
        let Some(why) = servers.row(&self.id).await?.parked else { return Ok(None) };
        if self.tried {
            return Ok(Some(Progress::Failed(format!("work on it is parked: {why}"))));
        }
        match servers.unpark(&self.id).await {
            Ok(()) => self.tried = true,
            Err(TransitionError::Conflict(_)) => {}
            Err(failure) => return Err(failure.into()),
        }
        Ok(Some(Progress::Waiting))
    }
}

/// A server that runs is left alone; if it should run otherwise, that is for its user to decide.
fn as_wished(wished: &Spec, spec: &Spec) -> Progress {
    if wished == spec {
        return Progress::Fulfilled;
    }
    let Spec { port, root } = spec;
    let why = format!("it runs as it was wished for before, with port {port} and root {}", root.display());
    Progress::Failed(format!("{why}; take it `down` first, then `up` again"))
}
