//! Owns the command line: what can be asked for, and where files are looked for by default.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Keeps web servers running: each is a real process, and its life is a durable state machine.
///
/// With no command: a guided run of some ten seconds, which ends by itself.
#[derive(Debug, Parser)]
#[command(name = "servers", max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) places: Places,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Where things are.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// The servers to keep
    #[arg(long, global = true, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/servers.toml"))]
    pub(crate) file: PathBuf,
    /// The folder of the store, and of the lock files of the running servers
    #[arg(long, global = true, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/servers-data"))]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring servers up, and wait until they run
    Up {
        /// Which of the file's servers; all of them if none is named
        ids: Vec<String>,
    },
    /// Take servers down, and wait until they are gone
    Down {
        /// Which servers
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Have parked work begin anew
    Release {
        /// Which server
        id: String,
    },
    /// List the servers of the store
    Ls,
    /// Show which processes work on the store, and on which servers
    Status,
    /// Print the history of a server
    Log {
        /// Which server
        id: String,
    },
    /// Print the diagram of the machine; with an id, its present state stands out
    Graph {
        /// Which server's state to point out
        id: Option<String>,
    },
    /// Bring the file's servers up, and keep them so until Ctrl-C or SIGTERM
    Manage,
    /// Be one of the servers; its lock file is standard input
    #[command(hide = true)]
    Serve(Serve),
}

/// What a serving process is told by the manager.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The id of the server
    #[arg(long)]
    pub(crate) id: String,
    /// The port to listen on; 0 takes any free one
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
        assert_eq!(cli.places.data, PathBuf::from("/d"));
        assert!(matches!(cli.command, Some(Command::Up { ids }) if ids == ["hello"]));
    }
}
