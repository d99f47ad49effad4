//! Owns the machine: the states of a server, and what leads from one to the next.

use crate::config::Spec;
use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// A web server, from the wish for it to its end; it can be wished for again.
#[derive(StateMachine, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[fsm(initial = Requested, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
#[on(stop => Stopping, except(Stopping, Stopped))]
pub(crate) enum Server {
    /// Somebody wants it, and nothing is started yet.
    #[on(start => Starting, with = first_try)]
    Requested { spec: Spec },

    /// A process is started, or found alive, and asked until it answers.
    #[state(work)]
    #[on(ready { pid: u32, port: u16, since: SystemTime } => Running)]
    #[on(fail { reason: String, failures: u32 } => Failed)]
    #[on(give_up { reason: String } => GivenUp)]
    Starting { spec: Spec, failures: u32 },

    /// It answers, and is asked again and again.
    #[state(work)]
    #[on(fail => Failed)]
    #[on(give_up => GivenUp)]
    Running { spec: Spec, failures: u32, pid: u32, port: u16, since: SystemTime },

    /// It broke, and is tried again after a pause.
    #[on(retry => Starting)]
    #[after("1s", retry)]
    Failed { spec: Spec, failures: u32, reason: String },

    /// It broke too often in a row: somebody has to look after it.
    #[on(request { spec: Spec } => Requested)]
    GivenUp { spec: Spec, reason: String },

    /// Its process is told to end, and awaited.
    #[state(work)]
    #[on(gone => Stopped)]
    Stopping { spec: Spec },

    /// No process is left.
    #[on(request => Requested)]
    Stopped { spec: Spec },
}

/// A server that is started on request has not failed yet.
fn first_try(requested: server::Requested, _: server::event::Start) -> server::Starting {
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
            Server::Failed { spec: spec.clone(), failures, reason: "it does not answer".into() },
            Server::GivenUp { spec: spec.clone(), reason: "it broke five times".into() },
            Server::Stopping { spec: spec.clone() },
            Server::Stopped { spec },
        );
    }
}
