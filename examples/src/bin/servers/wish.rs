//! Owns what somebody wants of one server, and the events that lead there from wherever it stands.

use crate::{
    config::Spec,
    machine::{
        Server,
        server::{AnyRecord, Failure, Requested},
    },
};
use anyhow::bail;
use fsm_runtime::{Machines, ReadError};

/// What somebody wants of one server.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) id: String,
    goal: Goal,
}

#[derive(Debug)]
enum Goal {
    /// It runs. Once it has been asked for, giving up is an answer.
    Up { spec: Spec, asked: bool },
    /// It runs, and has changed since this version.
    Back { version: u64 },
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
        Self {
            id: id.into(),
            goal: Goal::Up { spec, asked: false },
        }
    }

    pub(crate) fn back(id: &str, version: u64) -> Self {
        Self {
            id: id.into(),
            goal: Goal::Back { version },
        }
    }

    pub(crate) fn down(id: &str) -> Self {
        Self {
            id: id.into(),
            goal: Goal::Down,
        }
    }

    /// Looks where the server stands, and fires the next event that is ours to fire.
    pub(crate) async fn step(&mut self, servers: &Machines<Server>) -> anyhow::Result<Progress> {
        let record = match servers.get(&self.id).await {
            Ok(record) => Some(record),
            Err(ReadError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let fired = match (&mut self.goal, record) {
            (Goal::Up { spec, .. }, None) => servers
                .create(&self.id, Requested { spec: spec.clone() })
                .await
                .map(drop),
            (Goal::Back { .. } | Goal::Down, None) => {
                bail!("there is no server `{}`; `servers ls` lists them", self.id)
            }

            (Goal::Up { .. }, Some(AnyRecord::Running(_))) => return Ok(Progress::Fulfilled),
            (Goal::Up { .. }, Some(AnyRecord::Requested(requested))) => requested.start().await.map(drop),
            (Goal::Up { spec, asked }, Some(AnyRecord::Stopped(stopped))) => {
                *asked = true;
                stopped.request(spec.clone()).await.map(drop)
            }
            (Goal::Up { spec, asked }, Some(AnyRecord::GivenUp(given_up))) => {
                if *asked {
                    return Ok(Progress::Failed(format!("it was given up: {}", given_up.reason)));
                }
                *asked = true;
                given_up.request(spec.clone()).await.map(drop)
            }
            (Goal::Up { asked, .. }, Some(AnyRecord::Starting(_) | AnyRecord::Failed(_))) => {
                *asked = true;
                Ok(())
            }
            (Goal::Up { .. }, Some(AnyRecord::Stopping(_))) => Ok(()),

            (Goal::Back { version }, Some(AnyRecord::Running(running))) if running.version() > *version => {
                return Ok(Progress::Fulfilled);
            }
            (Goal::Back { .. }, Some(AnyRecord::GivenUp(given_up))) => {
                return Ok(Progress::Failed(format!("it was given up: {}", given_up.reason)));
            }
            (Goal::Back { .. }, Some(_)) => Ok(()),

            (Goal::Down, Some(AnyRecord::Stopped(_))) => return Ok(Progress::Fulfilled),
            (Goal::Down, Some(AnyRecord::Stopping(_))) => Ok(()),
            (Goal::Down, Some(AnyRecord::Requested(requested))) => requested.stop().await.map(drop),
            (Goal::Down, Some(AnyRecord::Starting(starting))) => starting.stop().await.map(drop),
            (Goal::Down, Some(AnyRecord::Running(running))) => running.stop().await.map(drop),
            (Goal::Down, Some(AnyRecord::Failed(failed))) => failed.stop().await.map(drop),
            (Goal::Down, Some(AnyRecord::GivenUp(given_up))) => given_up.stop().await.map(drop),
        };
        match fired {
            // Somebody else was first: the next step looks what it has become.
            Ok(()) | Err(Failure::Conflict(_) | Failure::Exists(_)) => Ok(Progress::Waiting),
            Err(failure) => Err(failure.into()),
        }
    }
}
