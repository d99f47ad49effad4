//! Which leases count as nodes. Pure.

use super::assign::Member;
use crate::store::Lease;
use std::collections::BTreeMap;

/// A lease that counts as a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The id of the process.
    pub(crate) owner: String,
    pub(crate) member: Member,
}

/// The nodes that work on `machine`, ordered by name; if it is `None`, the nodes that work on any machine.
///
/// A process counts while its lease is live and it is not leaving. Before the first renewal of its lease, a process counts only if no node
/// has renewed its lease yet, so that a process that ends soon after each start moves no bucket. If two processes have the same node name,
/// the younger one counts. With a list, only its nodes count, with its weights; otherwise the weight is the number of slots.
pub(crate) fn candidates(leases: &[Lease], machine: Option<&str>, listed: Option<&[Member]>) -> Vec<Candidate> {
    let weight = |lease: &Lease| match listed {
        Some(listed) => listed.iter().find(|member| member.name == lease.node).map(|member| member.weight),
        None => Some(lease.slots.max(1)),
    };
    let has_machine = |lease: &Lease| machine.is_none_or(|name| lease.machines.iter().any(|it| it.machine == name));
    // The youngest lease of each name, and whether any lease of the name was renewed.
    let mut nodes: BTreeMap<&str, (&Lease, u32, bool)> = BTreeMap::new();
    for lease in leases.iter().filter(|lease| lease.live && !lease.leaving && has_machine(lease)) {
        let Some(weight) = weight(lease) else { continue };
        let (youngest, its_weight, joined) = nodes.entry(&lease.node).or_insert((lease, weight, false));
        if is_younger(lease, youngest) {
            (*youngest, *its_weight) = (lease, weight);
        }
        *joined |= lease.joined.is_some();
    }
    let any_joined = nodes.values().any(|(_, _, joined)| *joined);
    let counted = nodes.into_iter().filter(|(_, (_, _, joined))| *joined || !any_joined);
    let candidate = |(name, (lease, weight, _)): (&str, (&Lease, u32, bool))| Candidate {
        owner: lease.owner.clone(),
        member: Member { name: name.to_owned(), weight },
    };
    counted.map(candidate).collect()
}

/// Another process that has the same node name as `owner`, and therefore has its buckets, if there is one.
pub(crate) fn successor<'a>(leases: &'a [Lease], owner: &str) -> Option<&'a Lease> {
    let counts = |lease: &&Lease| lease.live && !lease.leaving;
    let own = leases.iter().filter(counts).find(|lease| lease.owner == owner)?;
    let same = leases.iter().filter(counts).filter(|lease| lease.node == own.node && lease.joined.is_some());
    same.into_iter().find(|lease| is_younger(lease, own))
}

fn is_younger(lease: &Lease, than: &Lease) -> bool {
    (lease.since, &lease.owner) > (than.since, &than.owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MachineVersion, Process};
    use std::time::{Duration, SystemTime};

    fn lease(node: &str, second: u64) -> Lease {
        let machines = vec![MachineVersion::new("Job", 1)];
        let process =
            Process { node: node.into(), machines, slots: 256, ..Process::new(format!("{node}-{second}"), "p") };
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        Lease { joined: Some(since), ..Lease::new(process, since, since, true) }
    }

    fn counted(leases: &[Lease]) -> Vec<String> {
        candidates(leases, Some("Job"), None).into_iter().map(|it| it.owner).collect()
    }

    #[test]
    fn only_live_leases_that_do_not_leave_count() {
        let (mut ended, mut leaving) = (lease("b", 1), lease("c", 1));
        (ended.live, leaving.leaving) = (false, true);
        assert_eq!(counted(&[lease("a", 1), ended, leaving]), ["a-1"]);
    }

    #[test]
    fn a_node_counts_for_its_machines_only() {
        let mut other = lease("b", 1);
        other.machines = vec![MachineVersion::new("Order", 1)];
        let leases = [lease("a", 1), other];
        assert_eq!(counted(&leases), ["a-1"]);
        let owners = |machine| candidates(&leases, machine, None).into_iter().map(|it| it.owner).collect::<Vec<_>>();
        assert_eq!((owners(Some("Order")), owners(None)), (vec!["b-1".to_owned()], vec!["a-1".into(), "b-1".into()]));
        assert_eq!(owners(Some("Invoice")), [] as [&str; 0]);
    }

    #[test]
    fn m1_a_node_counts_after_its_first_renewal() {
        let new = |node| Lease { joined: None, ..lease(node, 5) };
        assert_eq!(counted(&[lease("a", 1), new("b")]), ["a-1"]);
        assert_eq!(counted(&[new("a"), new("b")]), ["a-5", "b-5"], "no node has joined yet");
    }

    #[test]
    fn m1_the_younger_of_two_processes_has_the_name() {
        // The older process was killed, and its lease is still live: the buckets of the node stay where they are.
        let restarted = Lease { joined: None, ..lease("a", 5) };
        assert_eq!(counted(&[lease("a", 1), lease("b", 1), restarted.clone()]), ["a-5", "b-1"]);
        let leases = [lease("a", 1), restarted];
        assert_eq!(successor(&leases, "a-1"), None, "it may be about to end again");
        let leases = [lease("a", 1), lease("a", 5)];
        assert_eq!(successor(&leases, "a-1").map(|it| &*it.owner), Some("a-5"));
        assert_eq!(successor(&leases, "a-5"), None);
    }

    #[test]
    fn a_list_limits_and_weighs_the_nodes() {
        let listed = ["b", "c"].map(|name| Member { name: name.into(), weight: 3 });
        let found = candidates(&[lease("a", 1), lease("b", 1)], Some("Job"), Some(&listed));
        assert_eq!(found, [Candidate { owner: "b-1".into(), member: listed[0].clone() }]);
        let found = candidates(&[lease("a", 1)], Some("Job"), None);
        assert_eq!(found[0].member.weight, 256, "its slots");
    }
}
