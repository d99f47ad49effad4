//! The layered graph of one level: the boxes that are directly in one box, or at the top, and the arrows between them.

use super::{
    Frame, Link, MARGIN, Route,
    nest::{Nest, Section},
    ranks,
};

/// The layout of a box, from its top left corner.
pub(super) struct Level {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The boxes in it, at any depth.
    pub(super) frames: Vec<(usize, Frame)>,
    /// The arrows, as far as they are in it.
    pub(super) routes: Vec<(usize, Route)>,
    /// Where arrows pass its border.
    pub(super) ports: Vec<(usize, f64)>,
    /// For each arrow across the border of a box in it, where the arrow comes from outside of that box.
    pub(super) sides: Vec<Side>,
}

/// A vertex of the layered graph: a box, a port, the label of an arrow, or a point where an arrow passes a rank.
pub(super) struct Vertex {
    pub(super) rank: usize,
    /// The space on the left and on the right of its position.
    pub(super) space: (f64, f64),
    pub(super) height: f64,
    pub(super) above: Vec<End>,
    pub(super) below: Vec<End>,
    /// For a box: half its width, where arrows can end.
    pub(super) half: Option<f64>,
    /// For a port: where the arrow comes from outside, as a distance from the center.
    pub(super) outside: Option<f64>,
}

/// Where an arrow comes from outside of a box, as a distance from its center.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) node: usize,
    pub(super) link: usize,
    pub(super) distance: f64,
}

/// The other end of a line between two vertices.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) vertex: usize,
    /// The distances of both ends of the line from the positions of their vertices.
    pub(super) there: f64,
    pub(super) here: f64,
}

/// The vertices of an arrow from top to bottom, including its boxes or ports, and the vertex of its label.
pub(super) struct Chain {
    pub(super) link: usize,
    pub(super) vertices: Vec<usize>,
    pub(super) label: Option<usize>,
    /// Whether the arrow points upwards.
    pub(super) reversed: bool,
    /// The ports at its upper and its lower box.
    pub(super) ports: (Option<f64>, Option<f64>),
}

impl Vertex {
    fn between(rank: usize) -> Self {
        Self {
            rank,
            space: (MARGIN, MARGIN),
            height: 0.0,
            above: Vec::new(),
            below: Vec::new(),
            half: None,
            outside: None,
        }
    }

    fn label(&mut self, link: &Link) {
        self.space.1 += link.width + MARGIN;
        self.height = link.height;
    }

    pub(super) fn is_node(&self) -> bool {
        self.half.is_some()
    }
}

/// The rank of the ports at the top of a box. The boxes in it begin in the next rank.
pub(super) const PORTS: usize = 1;

/// The layered graph of one level.
pub(super) struct Layered<'g> {
    pub(super) nest: &'g Nest<'g>,
    pub(super) members: &'g [usize],
    pub(super) inner: &'g [Option<Level>],
    pub(super) parent: Option<usize>,
    sides: &'g [Side],
    pub(super) vertices: Vec<Vertex>,
    /// The rank of the ports at the bottom.
    pub(super) last: usize,
}

impl<'g> Layered<'g> {
    pub(super) fn new(
        nest: &'g Nest<'g>,
        members: &'g [usize],
        inner: &'g [Option<Level>],
        parent: Option<usize>,
        sides: &'g [Side],
    ) -> Self {
        let rank = if parent.is_some() { PORTS + 1 } else { 0 };
        let mut vertices = Vec::new();
        for (node, inner) in members.iter().zip(inner) {
            let node = &nest.nodes[*node];
            let (width, height) = inner.as_ref().map_or((node.width, node.height), |level| (level.width, level.height));
            let half = width / 2.0;
            let space = (half + node.beside.0, half + node.beside.1);
            vertices.push(Vertex { space, height, half: Some(half), ..Vertex::between(rank) });
        }
        Self { nest, members, inner, parent, sides, vertices, last: rank + 1 }
    }

    /// The position of a member among the members.
    fn position(&self, node: usize) -> Option<usize> {
        self.members.iter().position(|other| *other == node)
    }

    /// Assigns a rank to each box.
    pub(super) fn rank(&mut self, sections: &[Section]) {
        let ends = |section: &Section| Some((self.position(section.top?)?, self.position(section.bottom?)?));
        let mut downwards = Vec::new();
        for section in sections {
            downwards.extend(ends(section));
        }
        for (vertex, rank) in self.vertices.iter_mut().zip(ranks::ranks(self.members.len(), &downwards)) {
            vertex.rank += rank;
            self.last = self.last.max(vertex.rank + 1);
        }
    }

    fn add(&mut self, vertex: Vertex) -> usize {
        self.vertices.push(vertex);
        self.vertices.len() - 1
    }

    pub(super) fn add_port(&mut self, link: usize, top: bool) -> usize {
        let known = self.sides.iter().find(|side| Some(side.node) == self.parent && side.link == link);
        let outside = Some(known.map_or(0.0, |side| side.distance));
        self.add(Vertex { outside, ..Vertex::between(if top { PORTS } else { self.last }) })
    }

    /// Adds a vertex for each rank that an arrow passes. Boxes have even ranks, so an arrow between two boxes passes an odd one. Its
    /// label is in the odd rank closest to the middle; that of an arrow that starts at the border is at the port.
    pub(super) fn chain(&mut self, section: &Section) -> Chain {
        let link = &self.nest.links[section.link];
        let ends =
            (section.top.and_then(|node| self.position(node)), section.bottom.and_then(|node| self.position(node)));
        let port = |member: Option<usize>| {
            let level = self.inner[member?].as_ref()?;
            let (_, x) = level.ports.iter().find(|(other, _)| *other == section.link)?;
            Some(x - level.width / 2.0)
        };
        let ports = (port(ends.0), port(ends.1));
        let top = ends.0.unwrap_or_else(|| self.add_port(section.link, true));
        let bottom = ends.1.unwrap_or_else(|| self.add_port(section.link, false));
        let (first, last) = (self.vertices[top].rank, self.vertices[bottom].rank);
        let middle = usize::midpoint(first, last);
        let middle = if middle % 2 == 1 { middle } else { middle + 1 };
        let mut vertices = vec![top];
        for rank in first + 1..last {
            vertices.push(self.add(Vertex::between(rank)));
        }
        vertices.push(bottom);
        let label = section.labelled.then(|| match ends {
            (Some(_), Some(_)) => vertices[middle - first],
            (None, _) => top,
            (_, None) => bottom,
        });
        if let Some(label) = label {
            self.vertices[label].label(link);
        }
        for (index, pair) in vertices.windows(2).enumerate() {
            let upper = if index == 0 { ports.0.unwrap_or_default() } else { 0.0 };
            let lower = if index + 2 == vertices.len() { ports.1.unwrap_or_default() } else { 0.0 };
            self.vertices[pair[0]].below.push(End { vertex: pair[1], there: lower, here: upper });
            self.vertices[pair[1]].above.push(End { vertex: pair[0], there: upper, here: lower });
        }
        Chain { link: section.link, vertices, label, reversed: section.reversed, ports }
    }
}
