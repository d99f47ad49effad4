//! The command line.

use crate::store::Location;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Keeps web servers running. Each is a process, and its life cycle is a durable state machine.
///
/// Without a command, runs a demo of about ten seconds.
#[derive(Debug, Parser)]
#[command(name = "servers", max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) paths: Paths,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Where the configuration and the data are.
#[derive(Debug, Args)]
pub(crate) struct Paths {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/servers.toml"))]
    pub(crate) file: PathBuf,
    /// The folder of the servers' lock files, and of the store if there is no --store
    #[arg(long, global = true, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/servers-data"))]
    pub(crate) data: PathBuf,
    /// The store: a file, or a database as `postgres://user@host/database`
    #[arg(long, global = true, value_name = "STORE")]
    pub(crate) store: Option<Location>,
}

impl Paths {
    /// The store: by default a file in the data folder.
    pub(crate) fn store(&self) -> Location {
        self.store.clone().unwrap_or_else(|| Location::File(self.data.join("servers.db")))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start servers, and wait until they run
    Up {
        /// Ids from the configuration file; all servers if empty
        ids: Vec<String>,
    },
    /// Stop servers, and wait until their processes have ended
    Down {
        /// The ids of the servers
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Give parked work new attempts
    Unpark {
        /// The id of the server
        id: String,
    },
    /// List the servers in the store
    Ls,
    /// Show the processes that work on the store, and the servers that each works on
    Status,
    /// Print the history of a server
    Log {
        /// The id of the server
        id: String,
    },
    /// Print the diagram of the state machine; with an id, the server's current state is highlighted
    Graph {
        /// The id of the server whose state to highlight
        id: Option<String>,
    },
    /// Keep all configured servers running until Ctrl-C or SIGTERM
    Manage,
    /// Move the contents of the store, a file, to an empty database
    ///
    /// Stop all managers before. The file takes no changes afterwards; the servers run on.
    Move {
        /// The database, as `postgres://user@host/database`
        #[arg(value_name = "DATABASE")]
        to: Location,
    },
    /// Show how three nodes share the servers, in about twenty seconds
    ///
    /// The nodes are processes. They share a PostgreSQL database that is started for them, if a server is installed, or a file. One is
    /// killed, and one is stopped. Everything is removed at the end.
    Nodes,
    /// Run as one of the servers, with its lock file as standard input
    #[command(hide = true)]
    Serve(Serve),
}

/// The arguments of a serving process.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The id of the server
    #[arg(long)]
    pub(crate) id: String,
    /// The port to listen on; 0 for any free port
    #[arg(long)]
    pub(crate) port: u16,
    /// The folder to serve
    #[arg(long)]
    pub(crate) root: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn paths_can_follow_the_command() {
        let cli = Cli::try_parse_from(["servers", "up", "hello", "--data", "/d"]).expect("it parses");
        assert_eq!(cli.paths.data, PathBuf::from("/d"));
        assert!(matches!(cli.command, Some(Command::Up { ids }) if ids == ["hello"]));
    }
}
