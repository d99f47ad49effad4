//! Which boxes contain which, and which arrows cross which borders.

use super::{Link, Node, count, sort_by_place};
use crate::each::indices;

/// The boxes as a tree.
pub(super) struct Nest<'g> {
    pub(super) nodes: &'g [Node],
    pub(super) links: &'g [Link],
    /// For each box, the first box in it that contains no other.
    first: Vec<usize>,
}

/// The part of an arrow in the area of one box, from top to bottom. An end is a member of the box, or `None` at its border.
pub(super) struct Section {
    pub(super) link: usize,
    pub(super) top: Option<usize>,
    pub(super) bottom: Option<usize>,
    /// Whether the arrow points upwards here.
    pub(super) reversed: bool,
    pub(super) labelled: bool,
}

/// An arrow that ends at the border of the box and has no part inside it.
pub(super) struct Outside {
    pub(super) link: usize,
    pub(super) top: bool,
}

impl<'g> Nest<'g> {
    pub(super) fn new(nodes: &'g [Node], links: &'g [Link]) -> Self {
        let mut nest = Self { nodes, links, first: (0..nodes.len()).collect() };
        let contains = |node: usize| nodes.iter().any(|other| other.parent == Some(node));
        let (groups, leaves): (Vec<_>, Vec<_>) = (0..nodes.len()).partition(|node| contains(*node));
        for group in groups {
            let inside = leaves.iter().find(|leaf| nest.around(**leaf).any(|around| around == group));
            nest.first[group] = inside.copied().unwrap_or(group);
        }
        nest
    }

    /// The boxes around a box, from the innermost to the outermost.
    fn around(&self, node: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.nodes[node].parent, |node| self.nodes[*node].parent)
    }

    /// The boxes directly in a box, or at the top, in the order in which arrows point downwards.
    pub(super) fn members(&self, parent: Option<usize>) -> Vec<usize> {
        let mut members = indices(self.nodes.len(), &|node| self.nodes[node].parent == parent);
        sort_by_place(&mut members, &|node| count(self.first[node]));
        members
    }

    /// The member of `parent` that is the box or contains it.
    fn member(&self, parent: Option<usize>, node: usize) -> Option<usize> {
        std::iter::once(node).chain(self.around(node)).find(|around| self.nodes[*around].parent == parent)
    }

    /// Whether an arrow points downwards. One between a box and a box in it does.
    fn is_down(&self, link: &Link) -> bool {
        let parents = self.around(link.from).map(Some).chain([None]);
        let members = |parent| Some((self.member(parent, link.from)?, self.member(parent, link.to)?));
        parents.into_iter().find_map(members).is_none_or(|(from, to)| self.first[from] <= self.first[to])
    }

    /// The sections of the arrows in a box, and the arrows that end at its border from outside.
    pub(super) fn sections(&self, parent: Option<usize>) -> (Vec<Section>, Vec<Outside>) {
        let (mut sections, mut outside) = (Vec::new(), Vec::new());
        for (index, link) in self.links.iter().enumerate() {
            let down = self.is_down(link);
            let own = parent.is_some() && (parent == Some(link.from) || parent == Some(link.to));
            let ends = (self.member(parent, link.from), self.member(parent, link.to));
            match ends {
                (None, None) if own => outside.push(Outside { link: index, top: down == (parent == Some(link.to)) }),
                (None, None) => {}
                (Some(from), Some(to)) if from == to => {}
                (from, to) => {
                    let (top, bottom) = if down { (from, to) } else { (to, from) };
                    let labelled = own || (from.is_some() && to.is_some());
                    sections.push(Section { link: index, top, bottom, reversed: !down, labelled });
                }
            }
        }
        (sections, outside)
    }
}
