//! The rank of each box.

use crate::each::each;

/// Even ranks: each box as high as its arrows allow, then moved down where that makes its arrows shorter.
pub(super) fn ranks(nodes: usize, links: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks = vec![0; nodes];
    // Longest paths. There is no cycle, so as many rounds as boxes are enough.
    for _ in 0..nodes {
        for (from, to) in links {
            ranks[*to] = ranks[*to].max(ranks[*from] + 2);
        }
    }
    for _ in 0..nodes {
        let mut moved = false;
        for node in 0..nodes {
            let (mut above, mut below, mut lowest) = (0, 0, usize::MAX);
            for (from, to) in links {
                if *to == node {
                    above += 1;
                }
                if *from == node {
                    below += 1;
                    lowest = lowest.min(ranks[*to] - 2);
                }
            }
            if below > above && lowest > ranks[node] {
                ranks[node] = lowest;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let first = ranks.iter().min().copied().unwrap_or_default();
    each(&ranks, &|rank| rank - first)
}
