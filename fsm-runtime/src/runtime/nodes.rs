//! The nodes that work on a store: their names, machines, buckets and load, and a watch of these.

use crate::{
    controller::held_by,
    engine::Engine,
    membership::Division,
    store::{BUCKETS, Buckets, Lease, MachineVersion, Notice, StoreError},
};
use std::{
    fmt,
    future::pending,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::broadcast::{self, error::RecvError};

/// How often the nodes are read while they are watched.
const POLL: Duration = Duration::from_millis(500);
/// The least time between two reads, however often processes write.
const MIN_POLL_GAP: Duration = Duration::from_millis(50);

/// A process that works on a store. From [`Runtime::nodes`](crate::Runtime::nodes).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// The name of the node, which stays the same when the process is restarted.
    pub name: String,
    /// The id of the process, new at every start: the `owner` of the rows that it claims.
    pub owner: String,
    /// A human-readable name of the process.
    pub holder: String,
    /// The id that the operating system gave it.
    pub pid: u32,
    /// The version of the application, if it is configured.
    pub build: Option<String>,
    /// The machines that it works on.
    pub machines: Vec<NodeMachine>,
    /// The most workers of one machine that it runs at once.
    pub slots: u32,
    /// The instances that it has claimed: its running workers.
    pub running: usize,
    /// When it started.
    pub since: SystemTime,
    /// When its lease was renewed for the first time; `None` before. From then on it has buckets.
    pub joined: Option<SystemTime>,
    /// Whether it is shutting down. It has no buckets any more.
    pub leaving: bool,
    /// The end of its lease. Until then, no other process can claim its rows.
    pub until: SystemTime,
    /// Whether its lease is live. Otherwise the process has ended, or cannot reach the store.
    pub live: bool,
}

/// A machine that a [`Node`] works on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeMachine {
    /// The name of the machine.
    pub machine: String,
    /// The schema version.
    pub version: u32,
    /// The buckets whose instances it works on; `None` where only the node knows ([`Members::buckets`](crate::Members::buckets)).
    pub buckets: Option<Buckets>,
}

impl Node {
    /// Without the claims, which are read apart.
    fn new(lease: Lease, buckets: Vec<Option<Buckets>>) -> Self {
        let Lease { owner, holder, node, pid, machines, build, slots, since, joined, leaving, until, live, .. } = lease;
        let machine = |(MachineVersion { machine, version, .. }, buckets)| NodeMachine { machine, version, buckets };
        let machines = machines.into_iter().zip(buckets).map(machine).collect();
        Self { name: node, owner, holder, pid, build, machines, slots, running: 0, since, joined, leaving, until, live }
    }

    /// Whether nothing but the load and the end of the lease differs.
    fn is_like(&self, other: &Self) -> bool {
        let Self { running, until, .. } = *other;
        Self { running, until, ..self.clone() } == *other
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, holder, running, slots, .. } = self;
        write!(f, "{name}: {holder}")?;
        if !self.live {
            return write!(f, ", ended with {running} claims");
        }
        let sets: Option<Vec<Buckets>> = self.machines.iter().map(|machine| machine.buckets).collect();
        if let Some([first, rest @ ..]) = sets.as_deref()
            && rest.iter().all(|set| set == first)
        {
            write!(f, ", {} of {BUCKETS} buckets", first.len())?;
        } else {
            for NodeMachine { machine, buckets, .. } in &self.machines {
                match buckets {
                    Some(buckets) => write!(f, ", {} of {BUCKETS} buckets of {machine}", buckets.len())?,
                    None => write!(f, ", buckets of its own of {machine}")?,
                }
            }
        }
        write!(f, ", {running} of {slots} slots in use")?;
        f.write_str(if self.leaving { ", leaving" } else { "" })
    }
}

/// What a runtime shows of the nodes.
#[derive(Clone)]
pub(super) struct NodesView {
    pub(super) engine: Arc<Engine>,
    pub(super) division: Division,
    /// The id of this process; a client has none.
    pub(super) me: Option<String>,
}

impl NodesView {
    pub(super) async fn read(&self) -> Result<Vec<Node>, StoreError> {
        let nodes = self.read_leases().await?;
        self.with_load(nodes).await
    }

    async fn read_leases(&self) -> Result<Vec<Node>, StoreError> {
        let leases = self.engine.store.leases(self.engine.now()).await?;
        let shown = self.division.shown(self.me.as_deref(), &leases);
        Ok(leases.into_iter().zip(shown).map(|(lease, buckets)| Node::new(lease, buckets)).collect())
    }

    async fn with_load(&self, mut nodes: Vec<Node>) -> Result<Vec<Node>, StoreError> {
        for node in &mut nodes {
            node.running = held_by(&self.engine, &node.owner).await?.len();
        }
        Ok(nodes)
    }
}

/// Follows the nodes that work on a store. From [`Runtime::watch_nodes`](crate::Runtime::watch_nodes).
///
/// ```
/// # use fsm_runtime::prelude::*;
/// # async fn example(runtime: Runtime) -> Result<(), Box<dyn std::error::Error>> {
/// let mut watch = runtime.watch_nodes();
/// while let Some(nodes) = watch.next().await? {
///     println!("{} nodes", nodes.iter().filter(|node| node.live).count());
/// }
/// # Ok(()) }
/// ```
pub struct NodeWatch {
    view: NodesView,
    notices: broadcast::Receiver<Notice>,
    /// What `next` has returned last.
    last: Option<Vec<Node>>,
}

impl NodeWatch {
    pub(super) fn new(view: NodesView) -> Self {
        let notices = view.engine.store.notices();
        Self { view, notices, last: None }
    }

    /// The nodes: at once at the first call, and then whenever more has changed than their load and the end of their leases. `None` once
    /// the runtime [shuts down](crate::Runtime::shutdown).
    ///
    /// Changes are seen within half a second; at once where the store notifies of them.
    ///
    /// # Errors
    /// [`StoreError`]: call it again.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no change is lost.
    pub async fn next(&mut self) -> Result<Option<Vec<Node>>, StoreError> {
        let closing = self.view.engine.closing.clone();
        loop {
            if closing.is_cancelled() {
                return Ok(None);
            }
            let nodes = self.view.read_leases().await?;
            if self.last.as_ref().is_none_or(|last| !are_alike(last, &nodes)) {
                let nodes = self.view.with_load(nodes).await?;
                self.last = Some(nodes.clone());
                return Ok(Some(nodes));
            }
            tokio::select! {
                () = self.pause() => {}
                () = closing.cancelled() => {}
            }
        }
    }

    /// Waits until the nodes may have changed.
    async fn pause(&mut self) {
        let Self { view, notices, .. } = self;
        let (clock, mut division) = (&view.engine.clock, view.division.clone());
        let noticed = async {
            clock.sleep(MIN_POLL_GAP).await;
            if matches!(notices.recv().await, Err(RecvError::Closed)) {
                pending::<()>().await;
            }
        };
        tokio::select! {
            () = clock.sleep(POLL) => {}
            () = noticed => {}
            () = division.changed() => {}
        }
    }
}

impl fmt::Debug for NodeWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeWatch").field(&self.last).finish()
    }
}

fn are_alike(some: &[Node], others: &[Node]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| one.is_like(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Process;

    fn node(machines: &[&str], buckets: &[Option<Buckets>]) -> Node {
        let machines = machines.iter().map(|machine| MachineVersion::new(*machine, 1)).collect();
        let process = Process { node: "web-1".into(), machines, slots: 256, ..Process::new("7-a", "process 7 (shop)") };
        let epoch = SystemTime::UNIX_EPOCH;
        Node { running: 3, ..Node::new(Lease::new(process, epoch, epoch, true), buckets.to_vec()) }
    }

    #[test]
    fn a_node_is_one_line() {
        let half: Buckets = (0..BUCKETS / 2).collect();
        let same = node(&["Job", "Order"], &[Some(half); 2]);
        let text = "web-1: process 7 (shop), 512 of 1024 buckets, 3 of 256 slots in use";
        assert_eq!(same.to_string(), text);
        assert_eq!(Node { leaving: true, ..same }.to_string(), format!("{text}, leaving"));
        let different = node(&["Job", "Order"], &[Some(half), None]);
        let text =
            "web-1: process 7 (shop), 512 of 1024 buckets of Job, buckets of its own of Order, 3 of 256 slots in use";
        assert_eq!(different.to_string(), text);
        let ended = Node { live: false, ..different };
        assert_eq!(ended.to_string(), "web-1: process 7 (shop), ended with 3 claims");
    }

    #[test]
    fn load_and_renewals_are_no_change() {
        let before = node(&["Job"], &[Some(Buckets::ALL)]);
        let later = Node { running: 9, until: before.until + Duration::from_secs(5), ..before.clone() };
        assert!(before.is_like(&later) && !before.is_like(&Node { leaving: true, ..later.clone() }));
        let [one, other, two] = [vec![before], vec![later.clone()], vec![later.clone(), later]];
        assert!(are_alike(&one, &other) && !are_alike(&one, &two));
    }
}
