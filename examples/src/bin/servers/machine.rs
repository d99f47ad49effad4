//! The state machine of a server: its states and transitions.

use crate::config::Spec;
use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// The life cycle of a web server. A stopped server can be requested again.
#[derive(StateMachine, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[fsm(initial = Requested, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
#[on(stop => Stopping, except(Stopping, Stopped))]
pub(crate) enum Server {
    /// The server is requested. No process is started yet.
    #[on(start => Starting, with = reset_failures)]
    Requested { spec: Spec },

    /// A worker starts a process, or finds a live one, and waits until it responds.
    #[state(work)]
    #[on(ready { pid: u32, port: u16, since: SystemTime } => Running)]
    #[on(fail { reason: String, failures: u32 } => Failed)]
    #[on(give_up { reason: String } => GivenUp)]
    Starting { spec: Spec, failures: u32 },

    /// The process responds. A worker checks its health periodically.
    #[state(work)]
    #[on(fail => Failed)]
    #[on(give_up => GivenUp)]
    Running { spec: Spec, failures: u32, pid: u32, port: u16, since: SystemTime },

    /// The process failed. It is restarted after a delay.
    #[on(retry => Starting)]
    #[after("1s", retry)]
    Failed { spec: Spec, failures: u32, reason: String },

    /// The process failed too often in a row. It is not restarted until it is requested again.
    #[on(request { spec: Spec } => Requested)]
    GivenUp { spec: Spec, reason: String },

    /// A worker terminates the process and waits for its exit.
    #[state(work)]
    #[on(exited => Stopped)]
    Stopping { spec: Spec },

    /// No process is running.
    #[on(request => Requested)]
    Stopped { spec: Spec },
}

/// Starts with a failure count of zero.
fn reset_failures(requested: server::Requested, _: server::event::Start) -> server::Starting {
    server::Starting { spec: requested.spec, failures: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fsm_core::diagram!(Server in "README.md", "../README.md");

    #[test]
    fn stored_servers_remain_readable() {
        let spec = Spec { port: 0, root: "/srv/hello".into() };
        let (pid, port, since, failures) = (4711, 8080, SystemTime::UNIX_EPOCH, 1);
        fsm_runtime::snapshot!(
            Server in "Server.fsm.json",
            Server::Requested { spec: spec.clone() },
            Server::Starting { spec: spec.clone(), failures },
            Server::Running { spec: spec.clone(), failures, pid, port, since },
            Server::Failed { spec: spec.clone(), failures, reason: "no response".into() },
            Server::GivenUp { spec: spec.clone(), reason: "five failures in a row".into() },
            Server::Stopping { spec: spec.clone() },
            Server::Stopped { spec },
        );
    }
}
