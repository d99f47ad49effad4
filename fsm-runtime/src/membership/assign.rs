//! Which node works on which bucket: weighted rendezvous hashing. Pure, so that all nodes with the same view compute the same result.
//!
//! Each node has a score for each bucket, and the node with the highest score works on it (Thaler and Ravishankar, "A Name-Based Mapping
//! Scheme for Rendezvous", 1996; weights as in Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005). A node that joins
//! takes its share from all others, and the buckets of a node that leaves are spread over all others; no other bucket moves.
//!
//! The result only decides which node looks at an instance. Nodes with different views may both look at an instance; the claim and the lease
//! ensure that only one of them works on it.

use crate::store::{BUCKETS, Buckets};
use std::cmp::Ordering;

/// A node that can work on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The name of the node. It stays the same when the process is restarted.
    pub(crate) name: String,
    /// The share of the buckets, relative to the other nodes.
    pub(crate) weight: u32,
}

/// For each rank, the buckets for which node `me` has this rank among `nodes`. The node works on the buckets of the first rank. For the
/// others it takes over overdue work if the nodes before it do not. Empty if `me` is not one of the nodes.
///
/// The names of `nodes` must be different.
pub(crate) fn ranks(me: &str, nodes: &[Member]) -> Vec<Buckets> {
    let Some(own) = nodes.iter().find(|node| node.name == me) else { return Vec::new() };
    let hashes: Vec<(u64, &Member)> = nodes.iter().map(|node| (hash(&node.name), node)).collect();
    let mut ranks = vec![Buckets::NONE; nodes.len()];
    for bucket in 0..BUCKETS {
        let mine = (score(hash(me), own.weight, bucket), me);
        // If scores are equal, the greater name is first.
        let before =
            hashes.iter().filter(|(hash, node)| (score(*hash, node.weight, bucket), node.name.as_str()) > mine);
        if let Some(buckets) = ranks.get_mut(before.count()) {
            buckets.insert(bucket);
        }
    }
    ranks
}

/// The buckets that each of `nodes` works on, in the order of `nodes`.
///
/// The names of `nodes` must be different.
pub(crate) fn shares(nodes: &[Member]) -> Vec<Buckets> {
    let hashes: Vec<u64> = nodes.iter().map(|node| hash(&node.name)).collect();
    let mut shares = vec![Buckets::NONE; nodes.len()];
    for bucket in 0..BUCKETS {
        let scored =
            nodes.iter().zip(&hashes).map(|(node, hash)| (score(*hash, node.weight, bucket), node.name.as_str()));
        let first = scored.enumerate().max_by(|(_, a), (_, b)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        if let Some(share) = first.and_then(|(place, _)| shares.get_mut(place)) {
            share.insert(bucket);
        }
    }
    shares
}

/// The score of a node for a bucket: `-weight / ln(u)` for a `u` between 0 and 1 that is drawn by a hash. Nodes are preferred in proportion
/// to their weights.
fn score(node: u64, weight: u32, bucket: u16) -> f64 {
    // The upper 53 bits, which a double represents exactly, and never 0 or 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits")]
    let u = ((mix(node ^ u64::from(bucket)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(weight) / u.ln()
}

/// FNV-1a.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The finalizer of `splitmix64`, which makes the hashes of similar inputs independent.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes(names: &[&str]) -> Vec<Member> {
        names.iter().map(|name| Member { name: (*name).to_owned(), weight: 1 }).collect()
    }

    fn named(count: usize) -> Vec<Member> {
        (0..count).map(|n| Member { name: format!("node-{n}"), weight: 1 }).collect()
    }

    /// The node that works on each bucket.
    fn first(nodes: &[Member]) -> Vec<String> {
        let firsts: Vec<(Buckets, &Member)> =
            nodes.iter().map(|node| (ranks(&node.name, nodes).first().copied().unwrap_or_default(), node)).collect();
        (0..BUCKETS)
            .map(|bucket| {
                let holders: Vec<_> = firsts.iter().filter(|(buckets, _)| buckets.contains(bucket)).collect();
                assert_eq!(holders.len(), 1, "bucket {bucket}");
                holders[0].1.name.clone()
            })
            .collect()
    }

    #[test]
    fn one_node_works_on_all_buckets() {
        assert_eq!(ranks("a", &nodes(&["a"])), [Buckets::ALL]);
        assert_eq!(ranks("b", &nodes(&["a"])), [], "it is not a member");
    }

    #[test]
    fn buckets_are_divided_evenly() {
        let nodes = named(8);
        for node in &nodes {
            let share = ranks(&node.name, &nodes)[0].len();
            assert!((102..=154).contains(&share), "{}: {share} of 1,024, expected 128 within 20 %", node.name);
        }
    }

    #[test]
    fn weights_are_shares() {
        let nodes = [Member { name: "small".into(), weight: 1 }, Member { name: "large".into(), weight: 3 }];
        let share = ranks("large", &nodes)[0].len();
        assert!((700..=836).contains(&share), "{share} of 1,024, expected 768");
    }

    proptest! {
        #[test]
        fn every_rank_of_a_bucket_has_one_node(count in 1_usize..9) {
            let nodes = named(count);
            for rank in 0..count {
                let mut total = Buckets::NONE;
                let mut sum = 0;
                for node in &nodes {
                    let buckets = ranks(&node.name, &nodes)[rank];
                    sum += buckets.len();
                    total.extend(&buckets);
                }
                prop_assert_eq!((total, sum), (Buckets::ALL, usize::from(BUCKETS)));
            }
        }

        #[test]
        fn the_shares_are_the_first_ranks(count in 1_usize..9, weights in prop::collection::vec(1_u32..4, 8)) {
            let mut nodes = named(count);
            nodes.iter_mut().zip(weights).for_each(|(node, weight)| node.weight = weight);
            let ranked: Vec<Buckets> = nodes.iter().map(|node| ranks(&node.name, &nodes)[0]).collect();
            prop_assert_eq!(shares(&nodes), ranked);
        }

        #[test]
        fn only_the_buckets_of_a_node_that_goes_move(count in 2_usize..9, gone in any::<prop::sample::Index>()) {
            let all = named(count);
            let gone = gone.index(count);
            let mut left = all.clone();
            let removed = left.remove(gone);
            for (before, after) in first(&all).into_iter().zip(first(&left)) {
                prop_assert!(before == after || before == removed.name);
            }
        }

        #[test]
        fn the_order_of_the_nodes_does_not_matter(count in 1_usize..9, seed in any::<u64>()) {
            let mut shuffled = named(count);
            shuffled.sort_by_key(|node| mix(hash(&node.name) ^ seed));
            prop_assert_eq!(first(&named(count)), first(&shuffled));
        }
    }
}
