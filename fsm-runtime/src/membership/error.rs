//! The errors of [`Builder::members`](crate::Builder::members).

use std::{fmt::Write as _, io, path::PathBuf};

/// A setting of [`Builder::members`](crate::Builder::members) that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MembersError {
    /// The list is empty.
    #[error("{list} is empty; list the names of all nodes, this one included")]
    Empty {
        /// Where the list comes from.
        list: String,
    },
    /// This node is not in the list.
    #[error(
        "{list} does not have this node, `{node}`, but only {}; add it, or name this node with `FSM_NODE` or `Builder::node`",
        quoted(nodes)
    )]
    WithoutSelf {
        /// Where the list comes from.
        list: String,
        /// The name of this node.
        node: String,
        /// The nodes in the list.
        nodes: Vec<String>,
    },
    /// A node is in the list more than once.
    #[error("{list} has the node `{node}` twice; its share is set by a weight, as in `{node}=2`")]
    Twice {
        /// Where the list comes from.
        list: String,
        /// The name of the node.
        node: String,
    },
    /// An entry of the list is neither a name nor a name with a weight.
    #[error("{list} has the entry `{entry}`: {why}; write the name of a node, or `name=weight`")]
    Entry {
        /// Where the list comes from.
        list: String,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The environment variable with the list is not set.
    #[error("the variable `{variable}` is not set; set it to the names of all nodes, separated by commas")]
    Unset {
        /// The name of the variable.
        variable: String,
    },
    /// The file with the list cannot be read.
    #[error("the file {}, which lists the nodes, cannot be read: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// [`Members::alone`](crate::Members::alone) was called without a list. Without a list, the nodes are known only from the leases in the
    /// store.
    #[error("`Members::alone` is for a list of nodes: use it with `Members::listed`, `listed_env` or `listed_in`")]
    NotAList,
}

fn quoted(names: &[String]) -> String {
    let mut text = String::new();
    for (place, name) in names.iter().enumerate() {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{}`{name}`", if place == 0 { "" } else { ", " });
    }
    text
}
