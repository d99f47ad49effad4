//! The division of the buckets among the nodes, and the share of this process, which follows leases and lists.

use super::{
    assign::{Member, shares},
    assignment::Assignment,
    candidates::{Candidate, candidates, successor},
};
use crate::{
    store::{Buckets, Lease},
    sync::Mutex,
};
use std::{collections::HashMap, future::pending};
use tokio::sync::watch;

/// How buckets are divided.
#[derive(Clone, Debug)]
pub(crate) enum Division {
    /// Each process works on all of them.
    All,
    /// Among the nodes with live leases.
    Alive,
    /// Among the nodes of a list that have live leases; with `alone`, among all nodes of the list.
    Listed { nodes: watch::Receiver<Vec<Member>>, alone: bool },
    /// By the program.
    Own(watch::Receiver<Buckets>),
}

impl Division {
    /// Whether the division depends on the leases in the store.
    fn has_leases(&self) -> bool {
        matches!(self, Self::Alive | Self::Listed { alone: false, .. })
    }

    /// Completes when the list, or the program's own division, changes. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        let changed = match self {
            Self::All | Self::Alive => return pending().await,
            Self::Listed { nodes, .. } => nodes.changed().await,
            Self::Own(buckets) => buckets.changed().await,
        };
        if changed.is_err() {
            // The sender was dropped, so there are no further changes.
            pending::<()>().await;
        }
    }

    /// The nodes that divide the buckets of `machine`.
    fn nodes(&self, leases: &[Lease], machine: Option<&str>) -> Vec<Candidate> {
        match self {
            Self::All | Self::Own(_) | Self::Alive => candidates(leases, machine, None),
            Self::Listed { nodes, alone: false } => candidates(leases, machine, Some(&nodes.borrow())),
            Self::Listed { nodes, alone: true } => {
                let named = nodes.borrow().clone().into_iter();
                named.map(|member| Candidate { owner: member.name.clone(), member }).collect()
            }
        }
    }

    /// For each of `leases`, the buckets of each of its machines that its process works on; `None` if only the program of that process knows
    /// them. `me` is the process that asks.
    pub(crate) fn shown(&self, me: Option<&str>, leases: &[Lease]) -> Vec<Vec<Option<Buckets>>> {
        let mut divided: HashMap<&str, HashMap<String, Buckets>> = HashMap::new();
        let mut shown = Vec::with_capacity(leases.len());
        for lease in leases {
            let of_machine = |machine| match self {
                _ if !lease.live || lease.leaving => Some(Buckets::NONE),
                Self::All => Some(Buckets::ALL),
                Self::Own(buckets) => (me == Some(&*lease.owner)).then(|| *buckets.borrow()),
                Self::Alive | Self::Listed { .. } => {
                    let divided = divided.entry(machine).or_insert_with(|| {
                        let nodes = self.nodes(leases, Some(machine));
                        let members: Vec<Member> = nodes.iter().map(|node| node.member.clone()).collect();
                        nodes.into_iter().map(|node| node.owner).zip(shares(&members)).collect()
                    });
                    let node = if self.has_leases() { &lease.owner } else { &lease.node };
                    Some(divided.get(node).copied().unwrap_or_default())
                }
            };
            shown.push(lease.machines.iter().map(|it| it.machine.as_str()).map(of_machine).collect());
        }
        shown
    }
}

/// The share of this process in the division.
pub(crate) struct Membership {
    /// The id of this process.
    owner: String,
    node: String,
    machines: Vec<String>,
    division: Division,
    state: Mutex<State>,
    assignment: watch::Sender<Assignment>,
    live: watch::Sender<LiveNodes>,
}

/// For each machine, the number of live nodes that have registered it and are not leaving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveNodes(HashMap<String, u32>);

#[cfg(test)]
impl FromIterator<(String, u32)> for LiveNodes {
    fn from_iter<T: IntoIterator<Item = (String, u32)>>(nodes: T) -> Self {
        Self(nodes.into_iter().collect())
    }
}

impl LiveNodes {
    fn of(leases: &[Lease]) -> Self {
        let mut nodes = HashMap::new();
        for lease in leases.iter().filter(|lease| lease.live && !lease.leaving) {
            for machine in &lease.machines {
                *nodes.entry(machine.machine.clone()).or_insert(0) += 1;
            }
        }
        Self(nodes)
    }

    /// The number of nodes that have `machine`. At least 1, for this node.
    pub(crate) fn of_machine(&self, machine: &str) -> u32 {
        self.0.get(machine).copied().unwrap_or_default().max(1)
    }
}

#[derive(Default)]
struct State {
    leases: Vec<Lease>,
    /// The nodes from which the assignment was computed: those of each machine, and those of the whole store.
    nodes: Option<Vec<Vec<Candidate>>>,
    /// Whether a younger process has the name of this node, which is logged once.
    has_successor: bool,
}

impl Membership {
    /// If the division depends on leases, this process has no buckets until [`saw`](Self::saw) is called.
    pub(crate) fn new(owner: String, node: String, machines: Vec<String>, division: Division) -> Self {
        let assignment = watch::channel(Assignment::default()).0;
        let live = watch::channel(LiveNodes::default()).0;
        let membership = Self { owner, node, machines, division, state: Mutex::default(), assignment, live };
        if !membership.division.has_leases() {
            membership.assign();
        }
        membership
    }

    /// The id of this process.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// The live nodes, kept up to date.
    pub(crate) fn live(&self) -> watch::Receiver<LiveNodes> {
        self.live.subscribe()
    }

    /// The current assignment, and its changes.
    pub(crate) fn assignment(&self) -> watch::Receiver<Assignment> {
        self.assignment.subscribe()
    }

    /// Updates the live nodes and the assignment from the leases in the store.
    pub(crate) fn saw(&self, leases: Vec<Lease>) {
        let live = LiveNodes::of(&leases);
        self.live.send_if_modified(|before| std::mem::replace(before, live.clone()) != live);
        if !self.division.has_leases() {
            return;
        }
        let other = successor(&leases, &self.owner).map(|other| other.holder.clone());
        let is_new = {
            let mut state = self.state.lock();
            state.leases = leases;
            std::mem::replace(&mut state.has_successor, other.is_some()) != other.is_some()
        };
        self.assign();
        if let Some(holder) = other.filter(|_| is_new) {
            tracing::warn!(
                node = %self.node, %holder,
                "a younger process has the name of this node and works on its buckets; give each process a name of its own with \
                 `FSM_NODE` or `Builder::node`"
            );
        }
    }

    /// Follows the list, or the program's own division. Never returns.
    pub(crate) async fn follow(&self) {
        let mut division = self.division.clone();
        // The division may have changed since the start.
        self.assign();
        loop {
            division.changed().await;
            self.assign();
        }
    }

    fn assign(&self) {
        let assignment = match &self.division {
            Division::All => Some(Assignment::fixed(&self.machines, Buckets::ALL)),
            Division::Own(buckets) => Some(Assignment::fixed(&self.machines, *buckets.borrow())),
            Division::Alive | Division::Listed { .. } => self.newly_divided(),
        };
        if let Some(assignment) = assignment {
            self.assignment.send_if_modified(|before| std::mem::replace(before, assignment.clone()) != assignment);
        }
    }

    /// The new share of this process; `None` if the nodes that divide the buckets are the same as before.
    fn newly_divided(&self) -> Option<Assignment> {
        let mut state = self.state.lock();
        if self.division.has_leases() && state.leases.is_empty() {
            return None;
        }
        let machines = self.machines.iter().map(|machine| Some(machine.as_str())).chain([None]);
        let nodes: Vec<Vec<Candidate>> = machines.map(|machine| self.division.nodes(&state.leases, machine)).collect();
        if state.nodes.as_ref() == Some(&nodes) {
            return None;
        }
        let assignment = self.divided(&nodes);
        state.nodes = Some(nodes);
        Some(assignment)
    }

    /// The share of this process if `nodes` divide the buckets of each machine. The last element of `nodes` are the nodes of the store's
    /// upkeep.
    fn divided(&self, nodes: &[Vec<Candidate>]) -> Assignment {
        // If another process has the name of this node, that process has the buckets.
        let is_me =
            |node: &Candidate| !self.division.has_leases() || node.member.name != self.node || node.owner == self.owner;
        let members = |nodes: &Vec<Candidate>| -> Vec<Member> {
            let mine = nodes.iter().all(is_me);
            nodes.iter().filter(|_| mine).map(|node| node.member.clone()).collect()
        };
        let members: Vec<Vec<Member>> = nodes.iter().map(members).collect();
        let Some((upkeep, members)) = members.split_last() else { return Assignment::default() };
        let machines = self.machines.iter().zip(members.iter().map(Vec::as_slice));
        Assignment::divided(&self.node, machines, upkeep, self.division.has_leases())
    }
}
