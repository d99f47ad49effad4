//! The buckets of each machine that this process works on, and those whose overdue work it takes over from other nodes.

use super::assign::{Member, ranks};
use crate::store::{Buckets, Key, Scope};
use std::collections::BTreeMap;

/// Nodes of this rank and beyond share one interval of takeover, because each rank costs a query of a scan.
const LAST_RANK: usize = 3;

/// The upkeep of the store is done by one node: the node of this bucket.
const UPKEEP_BUCKET: u16 = 0;

/// The buckets of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// For each machine, the buckets by rank: first those that this process works on, then those whose overdue work it takes over.
    machines: BTreeMap<String, Vec<Buckets>>,
    /// The rank of this process for the store's upkeep.
    upkeep: u32,
}

impl Assignment {
    /// The same buckets for all machines, without takeover.
    pub(crate) fn fixed(machines: &[String], buckets: Buckets) -> Self {
        Self { machines: machines.iter().map(|machine| (machine.clone(), vec![buckets])).collect(), upkeep: 0 }
    }

    /// The buckets of node `me` for each of `machines`, which are given with the members that work on them. `upkeep` are all members.
    ///
    /// With `takes_over`, the node also takes over overdue work of the other nodes.
    pub(crate) fn divided<'a>(
        me: &str,
        machines: impl Iterator<Item = (&'a String, &'a [Member])>,
        upkeep: &[Member],
        takes_over: bool,
    ) -> Self {
        // Usually all machines have the same nodes.
        let mut known: Vec<(&[Member], Vec<Buckets>)> = Vec::new();
        let mut ranked = |members: &'a [Member]| {
            if let Some((_, ranked)) = known.iter().find(|(same, _)| *same == members) {
                return ranked.clone();
            }
            let ranked = few(ranks(me, members), if takes_over { LAST_RANK } else { 0 });
            known.push((members, ranked.clone()));
            ranked
        };
        let machines = machines.map(|(machine, members)| (machine.clone(), ranked(members))).collect();
        let of_upkeep = ranks(me, upkeep);
        let rank = of_upkeep.iter().position(|buckets| buckets.contains(UPKEEP_BUCKET)).unwrap_or(upkeep.len().max(1));
        Self { machines, upkeep: u32::try_from(rank).unwrap_or(u32::MAX) }
    }

    /// The buckets of `machine` that this process works on.
    pub(crate) fn own(&self, machine: &str) -> Buckets {
        self.machines.get(machine).and_then(|ranks| ranks.first()).copied().unwrap_or_default()
    }

    /// The buckets of any machine that this process works on.
    pub(crate) fn any(&self) -> Buckets {
        let mut any = Buckets::NONE;
        self.machines.values().filter_map(|ranks| ranks.first()).for_each(|buckets| any.extend(buckets));
        any
    }

    /// The instances that this process works on.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        self.of_rank(0)
    }

    /// The instances whose overdue work this process takes over, with its rank for them.
    pub(crate) fn overdue_scopes(&self) -> Vec<(u32, Scope)> {
        (1..=LAST_RANK)
            .flat_map(|rank| self.of_rank(rank).into_iter().map(move |scope| (to_rank(rank), scope)))
            .collect()
    }

    /// The instances of [`overdue_scopes`](Self::overdue_scopes), without the ranks.
    pub(crate) fn overdue(&self) -> Vec<Scope> {
        let mut scopes: Vec<Scope> = Vec::new();
        for (_, Scope { machines, buckets }) in self.overdue_scopes() {
            match scopes.iter_mut().find(|scope| scope.machines == machines) {
                Some(scope) => scope.buckets.extend(&buckets),
                None => scopes.push(Scope { machines, buckets }),
            }
        }
        scopes
    }

    /// The rank of this process for instance `key`; `None` if the process has no rank for it.
    pub(crate) fn rank(&self, key: &Key) -> Option<u32> {
        let ranks = self.machines.get(&*key.machine)?;
        ranks.iter().position(|buckets| buckets.contains_key(key)).map(to_rank)
    }

    /// The rank of this process for the upkeep of the store.
    pub(crate) fn upkeep(&self) -> u32 {
        self.upkeep
    }

    /// One scope for all machines with the same buckets.
    fn of_rank(&self, rank: usize) -> Vec<Scope> {
        let mut scopes: Vec<Scope> = Vec::new();
        for (machine, ranks) in &self.machines {
            let Some(buckets) = ranks.get(rank).filter(|buckets| !buckets.is_empty()) else { continue };
            match scopes.iter_mut().find(|scope| scope.buckets == *buckets) {
                Some(scope) => scope.machines.push(machine.clone()),
                None => scopes.push(Scope { machines: vec![machine.clone()], buckets: *buckets }),
            }
        }
        scopes
    }
}

/// Merges the ranks beyond `last` into `last`. If `last` is 0, keeps only the first rank.
fn few(mut ranks: Vec<Buckets>, last: usize) -> Vec<Buckets> {
    let beyond = ranks.split_off(ranks.len().min(last + 1));
    if let Some(buckets) = ranks.get_mut(last).filter(|_| last > 0) {
        for more in &beyond {
            buckets.extend(more);
        }
    }
    ranks
}

fn to_rank(rank: usize) -> u32 {
    u32::try_from(rank).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::BUCKETS;

    fn members(names: &[&str]) -> Vec<Member> {
        names.iter().map(|name| Member { name: (*name).to_owned(), weight: 1 }).collect()
    }

    fn divided(me: &str, nodes: &[Member], takes_over: bool) -> Assignment {
        let machines = ["Job".to_owned(), "Order".to_owned()];
        Assignment::divided(me, machines.iter().map(|machine| (machine, nodes)), nodes, takes_over)
    }

    #[test]
    fn m4_each_bucket_is_looked_after_by_all_nodes() {
        let nodes = members(&["a", "b", "c", "d", "e", "f"]);
        for bucket in 0..BUCKETS {
            let ranks = |node: &Member| {
                let mine = divided(&node.name, &nodes, true);
                mine.machines["Job"].iter().position(|buckets| buckets.contains(bucket))
            };
            let mut ranks: Vec<_> = nodes.iter().map(ranks).collect();
            ranks.sort_unstable();
            assert_eq!(ranks, [0, 1, 2, 3, 3, 3].map(Some), "bucket {bucket}");
        }
        let mut upkeep: Vec<_> = nodes.iter().map(|node| divided(&node.name, &nodes, true).upkeep()).collect();
        upkeep.sort_unstable();
        assert_eq!(upkeep, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn machines_with_the_same_buckets_share_a_query() {
        let assignment = divided("a", &members(&["a", "b"]), true);
        let [scope] = &assignment.scopes()[..] else { panic!("{assignment:?}") };
        assert_eq!(
            (&scope.machines[..], scope.buckets),
            (&["Job".to_owned(), "Order".to_owned()][..], assignment.any())
        );
        let [(1, overdue)] = &assignment.overdue_scopes()[..] else { panic!("{assignment:?}") };
        assert_eq!(overdue.buckets.len() + scope.buckets.len(), usize::from(BUCKETS));
        let (nodes, other, names) = (members(&["a", "b"]), members(&["a"]), ["Job".to_owned(), "Order".to_owned()]);
        let each = names.iter().zip([&nodes[..], &other[..]]);
        let assignment = Assignment::divided("a", each, &nodes, true);
        assert_eq!(assignment.scopes().len(), 2);
        assert_eq!((assignment.own("Order"), assignment.any()), (Buckets::ALL, Buckets::ALL));
        assert_eq!(assignment.own("Invoice"), Buckets::NONE);
    }

    #[test]
    fn a_process_that_is_no_member_looks_at_nothing() {
        let assignment = divided("x", &members(&["a", "b"]), true);
        assert_eq!((assignment.scopes(), assignment.overdue_scopes(), assignment.upkeep()), (vec![], vec![], 2));
        assert_eq!(assignment.rank(&Key::new("Job", "1")), None);
    }

    #[test]
    fn m5_alone_nothing_is_taken_over() {
        let nodes = members(&["a", "b"]);
        let [a, b] = ["a", "b"].map(|node| divided(node, &nodes, false));
        assert_eq!((a.overdue_scopes(), b.overdue_scopes()), (vec![], vec![]));
        assert_eq!(a.any().len() + b.any().len(), usize::from(BUCKETS));
        let key = Key::new("Job", "1");
        let mut ranks = [a.rank(&key), b.rank(&key)];
        ranks.sort_unstable();
        assert_eq!(ranks, [None, Some(0)]);
    }
}
