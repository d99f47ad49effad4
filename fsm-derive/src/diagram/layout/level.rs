//! The layout of the boxes that are directly in one box, or at the top.

use super::{
    DISTANCE, Frame, PADDING, Point, Route, TITLE,
    layered::{Chain, Layered, Level, PORTS, Side, Vertex},
    nest::Nest,
    order, position,
    route::Placed,
};
use crate::each::each;

/// Computes the layout of a box, after that of the boxes in it. `sides` are those of an earlier layout.
pub(super) fn level(nest: &Nest<'_>, parent: Option<usize>, sides: &[Side]) -> Level {
    let members = nest.members(parent);
    let inner = each(&members, &|node| {
        let is_empty = nest.members(Some(*node)).is_empty();
        (!is_empty).then(|| level(nest, Some(*node), sides))
    });
    let (sections, outside) = nest.sections(parent);
    let mut graph = Layered::new(nest, &members, &inner, parent, sides);
    graph.rank(&sections);
    let (mut ports, mut chains) = (Vec::new(), Vec::new());
    for end in outside {
        ports.push((end.link, graph.add_port(end.link, end.top)));
    }
    for section in &sections {
        let chain = graph.chain(section);
        if section.top.is_none() {
            ports.push((section.link, chain.vertices[0]));
        }
        if section.bottom.is_none() {
            ports.push((section.link, chain.vertices[chain.vertices.len() - 1]));
        }
        chains.push(chain);
    }
    graph.place(&ports, &chains)
}

impl Layered<'_> {
    fn place(&self, ports: &[(usize, usize)], chains: &[Chain]) -> Level {
        let layers = order::order(&self.vertices);
        let xs = position::positions(&self.vertices, &layers);
        let mut ranks = Vec::new();
        for rank in 0..layers.len() {
            ranks.push(self.height(&layers, rank));
        }
        let (ys, height) = heights(&self.vertices, &layers, &ranks);
        let (left, right) = self.extent(&xs, &layers);
        let height = match self.parent {
            Some(parent) => {
                let padding = if layers.get(self.last).is_none_or(Vec::is_empty) { PADDING } else { 0.0 };
                (height + padding).max(self.nest.nodes[parent].height)
            }
            None => height,
        };
        let mut at = Vec::new();
        for (x, y) in xs.iter().zip(ys) {
            at.push(Point { x: x - left, y });
        }
        let placed = Placed { vertices: &self.vertices, at: &at, ranks: &ranks, bottom: height };
        Level {
            width: right - left,
            height,
            frames: self.frames(&at),
            routes: self.routes(&at, chains, &placed),
            ports: each(ports, &|(link, vertex)| (*link, at[*vertex].x)),
            sides: self.sides(&at, chains),
        }
    }

    /// The height of a rank.
    fn height(&self, layers: &[Vec<usize>], rank: usize) -> f64 {
        let least = if rank == PORTS && self.parent.is_some() { TITLE } else { 0.0 };
        layers[rank].iter().map(|vertex| self.vertices[*vertex].height).fold(least, f64::max)
    }

    /// The left and the right end.
    fn extent(&self, xs: &[f64], layers: &[Vec<usize>]) -> (f64, f64) {
        let vertices = || self.vertices.iter().zip(xs);
        let left = vertices().map(|(vertex, x)| x - vertex.space.0).fold(f64::INFINITY, f64::min);
        let right = vertices().map(|(vertex, x)| x + vertex.space.1).fold(f64::NEG_INFINITY, f64::max);
        let Some(parent) = self.parent else { return (left, right) };
        // The title is in the upper left corner, on the left of all ports.
        let title = self.nest.nodes[parent].width + 2.0 * PADDING;
        let ports = layers[PORTS].iter().map(|port| xs[*port] - self.vertices[*port].space.0 - title);
        let left = ports.fold(left - PADDING, f64::min);
        (left, (right + PADDING).max(left + title))
    }

    /// Where arrows come from outside of the members, and of all boxes in them.
    fn sides(&self, at: &[Point], chains: &[Chain]) -> Vec<Side> {
        let mut sides = Vec::new();
        for Chain { link, vertices, ports, .. } in chains {
            let ([first, second, ..], [.., before, last]) = (&vertices[..], &vertices[..]) else { continue };
            for (port, member, next) in [(ports.0, *first, *second), (ports.1, *last, *before)] {
                if let (Some(_), Some(node)) = (port, self.members.get(member)) {
                    sides.push(Side { node: *node, link: *link, distance: at[next].x - at[member].x });
                }
            }
        }
        for level in self.inner.iter().flatten() {
            sides.extend(&level.sides);
        }
        sides
    }

    /// The members and all boxes in them.
    fn frames(&self, at: &[Point]) -> Vec<(usize, Frame)> {
        let mut frames = Vec::new();
        for (index, (node, inner)) in self.members.iter().zip(self.inner).enumerate() {
            let vertex = &self.vertices[index];
            let width = vertex.half.unwrap_or_default() * 2.0;
            let mut frame = Frame { center: at[index], width, height: vertex.height, title: 0.0 };
            if let Some(level) = inner {
                let corner = self.corner(at, index);
                frame.title = corner.x + PADDING;
                frames.extend(level.frames.iter().map(|(node, frame)| (*node, frame.moved(corner))));
            }
            frames.push((*node, frame));
        }
        frames
    }

    /// The top left corner of a member.
    fn corner(&self, at: &[Point], index: usize) -> Point {
        let vertex = &self.vertices[index];
        Point { x: at[index].x - vertex.half.unwrap_or_default(), y: at[index].y - vertex.height / 2.0 }
    }

    /// The arrows of this level, each connected to its sections in the members.
    fn routes(&self, at: &[Point], chains: &[Chain], placed: &Placed<'_>) -> Vec<(usize, Route)> {
        let mut inner = Vec::new();
        for (index, level) in self.inner.iter().enumerate() {
            let corner = self.corner(at, index);
            if let Some(level) = level {
                for (link, route) in &level.routes {
                    inner.push((*link, index, route.clone().moved(corner)));
                }
            }
        }
        let mut routes = Vec::new();
        for chain in chains {
            let mut take = |vertex: usize| {
                let found = inner.iter().position(|(link, member, _)| (*link, *member) == (chain.link, vertex))?;
                Some(inner.swap_remove(found).2)
            };
            let (top, bottom) = (take(chain.vertices[0]), take(chain.vertices[chain.vertices.len() - 1]));
            let (before, after) = if chain.reversed { (bottom, top) } else { (top, bottom) };
            let own = placed.route(chain);
            let route = match before {
                Some(before) => before.then(own, chain.label.is_some()),
                None => own,
            };
            routes.push((
                chain.link,
                match after {
                    Some(after) => route.then(after, chain.label.is_none()),
                    None => route,
                },
            ));
        }
        // Arrows that are completely in one member.
        for (link, _, route) in inner {
            routes.push((link, route));
        }
        routes
    }
}

/// The vertical center of each vertex, and the total height.
fn heights(vertices: &[Vertex], layers: &[Vec<usize>], ranks: &[f64]) -> (Vec<f64>, f64) {
    let mut ys = vec![0.0; vertices.len()];
    let (mut top, mut bottom) = (0.0, 0.0);
    for (layer, height) in layers.iter().zip(ranks) {
        if layer.is_empty() && *height == 0.0 {
            continue;
        }
        for vertex in layer {
            ys[*vertex] = top + height / 2.0;
        }
        bottom = top + height;
        top = bottom + DISTANCE;
    }
    (ys, bottom)
}
