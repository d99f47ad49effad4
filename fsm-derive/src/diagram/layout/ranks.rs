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
            let above = || links.iter().filter(|(_, to)| *to == node).map(|(from, _)| ranks[*from] + 2);
            let below = || links.iter().filter(|(from, _)| *from == node).map(|(_, to)| ranks[*to] - 2);
            let lowest = below().min().unwrap_or(ranks[node]);
            let (below_count, above_count) = (below().count(), above().count());
            if below_count > above_count && lowest > ranks[node] {
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
