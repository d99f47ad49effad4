//! The setting that selects which nodes share the work, and how.

use super::{Division, ListFile, MembersError, list::ListSource};
use crate::store::Buckets;
use std::path::PathBuf;
use tokio::sync::watch;

/// How the processes of a store divide its instances, for [`Builder::members`](crate::Builder::members).
///
/// An instance is in one of [`BUCKETS`](crate::store::BUCKETS) buckets, by a hash of its machine and id. The nodes that have
/// registered a machine divide its buckets: each bucket belongs to the node with the highest hash of bucket and name (rendezvous hashing).
/// A node that joins takes its share from all others, the buckets of one that leaves are spread over the others, and no other bucket
/// moves. The name of a node, [`Builder::node`](crate::Builder::node), stays the same when its process is restarted, and so do its buckets.
///
/// Buckets only decide which process looks at an instance. The claim and the lease ensure that only one process works on it, even while
/// processes have different views. A worker that runs when its bucket moves is not interrupted. Every process can read all instances and
/// fire their events.
///
/// Other nodes take over overdue instances. The second node in rank takes over instances that are overdue by two intervals of the scan
/// ([`Builder::poll_interval`](crate::Builder::poll_interval)), the third by four intervals, and all others by six.
///
/// ```
/// use fsm_runtime::{Builder, Members};
///
/// fn configured(builder: Builder) -> Builder {
///     builder.members(Members::listed_env("FSM_NODES"))
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is passed to `Builder::members`"]
pub struct Members {
    source: Source,
    alone: bool,
}

#[derive(Clone, Debug)]
enum Source {
    /// The default for the store.
    Default,
    Alive,
    Listed(ListSource),
    Buckets(watch::Receiver<Buckets>),
}

impl Members {
    /// The default for the store: all buckets for each process, or [`alive`](Self::alive).
    pub(crate) fn by_store() -> Self {
        Self::of(Source::Default)
    }

    /// The nodes are the processes with live leases in the store, except those that are shutting down. Each node has a share in proportion
    /// to its [`max_concurrency`](crate::Builder::max_concurrency).
    ///
    /// A node counts after the first renewal of its lease, a third of [`lease_ttl`](crate::Builder::lease_ttl) after its start, so that a
    /// process that ends soon after each start moves no bucket. If no node has renewed its lease yet, all nodes count at once. If two live
    /// processes have the same node name, the younger one has the buckets. The older one has none, and logs a warning.
    ///
    /// This is the default on a store without [`presence`](crate::store::Store::presence), such as PostgreSQL. On a store with presence,
    /// such as an SQLite file, each process looks at all buckets by default, because its processes are on one host and notify each other at
    /// once.
    pub fn alive() -> Self {
        Self::of(Source::Alive)
    }

    /// The nodes are those of this list that have live leases, so the buckets of a dead node move to the others. Each name may have a weight
    /// from 1 to 1,000, as in `large=3`; the default is 1. All nodes must have the same list.
    ///
    /// ```
    /// # use fsm_runtime::Members;
    /// let members = Members::listed(["web-1", "web-2", "batch=4"]);
    /// # drop(members);
    /// ```
    pub fn listed<N: Into<String>>(nodes: impl IntoIterator<Item = N>) -> Self {
        Self::of(Source::Listed(ListSource::Given(nodes.into_iter().map(Into::into).collect())))
    }

    /// Like [`listed`](Self::listed), with the list in an environment variable. The entries are separated by commas or white space.
    pub fn listed_env(variable: impl Into<String>) -> Self {
        Self::of(Source::Listed(ListSource::Variable(variable.into())))
    }

    /// Like [`listed`](Self::listed), with the list in a file. The entries are separated by white space or commas, and a comment begins
    /// with `#`.
    ///
    /// The file is read again within a second after a change, and on Unix at the signal SIGHUP. A new list is used at once. If a new list
    /// cannot be used, the error is logged, and the previous list stays in use.
    pub fn listed_in(file: impl Into<PathBuf>) -> Self {
        Self::of(Source::Listed(ListSource::File(file.into())))
    }

    /// Divides the buckets among all nodes of the list, without the leases in the store: it does not matter whether a node is alive, and
    /// which machines it has. The instances of a node that is down wait for it.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// The buckets of this process are those in the channel. For programs that divide the buckets themselves. Each bucket needs a process:
    /// if a bucket has none, its instances are not worked on. The set may be empty for a time.
    ///
    /// ```
    /// use fsm_runtime::{Members, store::{BUCKETS, Buckets}};
    ///
    /// let first_half: Buckets = (0..BUCKETS / 2).collect();
    /// let members = Members::buckets(tokio::sync::watch::channel(first_half).1);
    /// # drop(members);
    /// ```
    pub fn buckets(buckets: watch::Receiver<Buckets>) -> Self {
        Self::of(Source::Buckets(buckets))
    }

    /// The division of this setting, and the file to read again, if there is one. `me` is the name of this node; `None` for a client. `all`
    /// is whether each process looks at all buckets by default.
    pub(crate) fn divide(self, me: Option<&str>, all: bool) -> Result<(Division, Option<ListFile>), MembersError> {
        let Self { source, alone } = self;
        match source {
            Source::Listed(list) => {
                let (sender, nodes) = watch::channel(list.read(me)?);
                let file = match list {
                    ListSource::File(_) => Some(ListFile::new(list, me.map(str::to_owned), sender)),
                    ListSource::Given(_) | ListSource::Variable(_) => None,
                };
                Ok((Division::Listed { nodes, alone }, file))
            }
            _ if alone => Err(MembersError::NotAList),
            Source::Default if all => Ok((Division::All, None)),
            Source::Default | Source::Alive => Ok((Division::Alive, None)),
            Source::Buckets(buckets) => Ok((Division::Own(buckets), None)),
        }
    }

    fn of(source: Source) -> Self {
        Self { source, alone: false }
    }
}
