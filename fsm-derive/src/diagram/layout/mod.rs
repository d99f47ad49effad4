//! A layered layout of a directed graph: boxes in ranks, arrows downwards where possible, few crossings.
//!
//! The algorithm is that of Sugiyama, Tagawa and Toda (1981), with the phases of Graphviz and dagre: reverse the arrows that point
//! against the order of the boxes, assign a rank to each box, add a vertex to each rank that an arrow passes (one of them is its
//! label), order each rank, and assign positions. It is written by hand because it is built before every user's crate, and the
//! available renderers are too large for that.

mod order;
mod position;
mod ranks;

/// A box: its size, and the space that it needs beside it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The space on its left and on its right.
    pub(super) beside: (f64, f64),
}

/// An arrow between two different boxes, with the size of its label.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The positions of all boxes and arrows.
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The center of each box.
    pub(super) nodes: Vec<Point>,
    pub(super) links: Vec<Route>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The route of an arrow, from its tail to its head.
pub(super) struct Route {
    pub(super) points: Vec<Point>,
    /// For each point, whether the line is vertical there.
    pub(super) vertical: Vec<bool>,
    /// The left end of the label, at half its height.
    pub(super) label: Point,
}

/// A vertex of the layered graph: a box, the label of an arrow, or a point where an arrow passes a rank.
struct Vertex {
    rank: usize,
    /// The space on the left and on the right of its position.
    space: (f64, f64),
    height: f64,
    above: Vec<usize>,
    below: Vec<usize>,
    /// For a box: half its width, where arrows can end.
    half: Option<f64>,
}

/// The distance between two vertices of a rank.
const GAP: f64 = 16.0;
/// The distance between two ranks.
const DISTANCE: f64 = 17.0;
/// The distance between a line and its label.
const MARGIN: f64 = 6.0;

/// The vertices of an arrow from top to bottom, including its boxes, and the vertex of its label.
struct Chain {
    vertices: Vec<usize>,
    label: usize,
    /// Whether the arrow points upwards.
    reversed: bool,
}

/// Computes the layout. An arrow from a box to a later one points downwards.
pub(super) fn layout(nodes: &[Node], links: &[Link]) -> Layout {
    let reversed: Vec<_> = links.iter().map(|link| link.from > link.to).collect();
    let downwards: Vec<_> = links.iter().map(|link| (link.from.min(link.to), link.from.max(link.to))).collect();
    let ranks = ranks::ranks(nodes.len(), &downwards);
    let mut vertices: Vec<_> = nodes.iter().zip(ranks).map(|(node, rank)| Vertex::of(node, rank)).collect();
    let chains: Vec<_> = links
        .iter()
        .zip(downwards)
        .zip(reversed)
        .map(|((link, ends), reversed)| chain(&mut vertices, link, ends, reversed))
        .collect();
    let layers = order::order(&vertices);
    let xs = position::positions(&vertices, &layers);
    let left = vertices.iter().zip(&xs).map(|(vertex, x)| x - vertex.space.0).fold(f64::INFINITY, f64::min);
    let right = vertices.iter().zip(&xs).map(|(vertex, x)| x + vertex.space.1).fold(f64::NEG_INFINITY, f64::max);
    let (ys, height) = heights(&vertices, &layers);
    let at: Vec<_> = xs.iter().zip(ys).map(|(x, y)| Point { x: x - left, y }).collect();
    let ranks: Vec<_> = layers.iter().map(|layer| height_of(&vertices, layer)).collect();
    let routes = chains.iter().map(|chain| route(&vertices, &at, &ranks, chain));
    Layout { width: right - left, height, links: routes.collect(), nodes: at[..nodes.len()].to_vec() }
}

impl Vertex {
    fn of(node: &Node, rank: usize) -> Self {
        let half = node.width / 2.0;
        let space = (half + node.beside.0, half + node.beside.1);
        Self { rank, space, height: node.height, above: Vec::new(), below: Vec::new(), half: Some(half) }
    }

    fn between(rank: usize) -> Self {
        Self { rank, space: (MARGIN, MARGIN), height: 0.0, above: Vec::new(), below: Vec::new(), half: None }
    }

    fn is_node(&self) -> bool {
        self.half.is_some()
    }
}

/// Adds a vertex for each rank that an arrow passes. Boxes have even ranks, so each arrow passes an odd one. The label is in the
/// odd rank closest to the middle.
fn chain(vertices: &mut Vec<Vertex>, link: &Link, (top, bottom): (usize, usize), reversed: bool) -> Chain {
    let (first, last) = (vertices[top].rank, vertices[bottom].rank);
    let middle = usize::midpoint(first, last);
    let middle = if middle % 2 == 1 { middle } else { middle + 1 };
    let mut chain = Chain { vertices: vec![top], label: top, reversed };
    for rank in first + 1..last {
        let mut vertex = Vertex::between(rank);
        if rank == middle {
            chain.label = vertices.len();
            vertex.space.1 += link.width + MARGIN;
            vertex.height = link.height;
        }
        chain.vertices.push(vertices.len());
        vertices.push(vertex);
    }
    chain.vertices.push(bottom);
    for pair in chain.vertices.windows(2) {
        vertices[pair[0]].below.push(pair[1]);
        vertices[pair[1]].above.push(pair[0]);
    }
    chain
}

fn height_of(vertices: &[Vertex], layer: &[usize]) -> f64 {
    layer.iter().map(|vertex| vertices[*vertex].height).fold(0.0, f64::max)
}

/// The vertical center of each vertex, and the total height.
fn heights(vertices: &[Vertex], layers: &[Vec<usize>]) -> (Vec<f64>, f64) {
    let mut ys = vec![0.0; vertices.len()];
    let mut top = 0.0;
    for layer in layers {
        let height = height_of(vertices, layer);
        for vertex in layer {
            ys[*vertex] = top + height / 2.0;
        }
        top += height + DISTANCE;
    }
    (ys, top - DISTANCE)
}

/// The route of an arrow. The line is vertical at both boxes, beside its label, and where it would otherwise touch a neighbor in
/// a rank.
fn route(vertices: &[Vertex], at: &[Point], ranks: &[f64], chain: &Chain) -> Route {
    let mut points = Vec::new();
    for (index, vertex) in chain.vertices.iter().enumerate() {
        let here = at[*vertex];
        let passes = !vertices[*vertex].is_node();
        let half = if passes { ranks[vertices[*vertex].rank] } else { vertices[*vertex].height } / 2.0;
        let is_slanted = || {
            let (before, after) = (at[chain.vertices[index - 1]], at[chain.vertices[index + 1]]);
            ((after.x - before.x) / (after.y - before.y) * half).abs() > GAP / 2.0
        };
        let shifted = |down: bool| Point {
            x: here.x + port(vertices, at, *vertex, chain, down),
            y: if down { here.y + half } else { here.y - half },
        };
        match index {
            0 => points.push((shifted(true), true)),
            last if last + 1 == chain.vertices.len() => points.push((shifted(false), true)),
            _ if *vertex == chain.label || is_slanted() => {
                points.extend([(shifted(false), true), (shifted(true), true)]);
            }
            _ => points.push((here, false)),
        }
    }
    if chain.reversed {
        points.reverse();
    }
    let (points, vertical) = points.into_iter().unzip();
    let label = at[chain.label];
    Route { points, vertical, label: Point { x: label.x + MARGIN, ..label } }
}

/// The horizontal distance from the center of a box to the end of an arrow. The arrows on a side are ordered by their other ends.
fn port(vertices: &[Vertex], at: &[Point], vertex: usize, chain: &Chain, below: bool) -> f64 {
    let Vertex { half: Some(half), above, below: under, .. } = &vertices[vertex] else { return 0.0 };
    let next = |window: &[usize]| {
        if below { (window[0] == vertex).then_some(window[1]) } else { (window[1] == vertex).then_some(window[0]) }
    };
    let Some(mine) = chain.vertices.windows(2).find_map(next) else { return 0.0 };
    let mut others = if below { under.clone() } else { above.clone() };
    others.sort_by(|one, other| at[*one].x.total_cmp(&at[*other].x));
    let position = others.iter().position(|other| *other == mine).unwrap_or_default();
    let step = (half * 1.6 / count(others.len())).min(24.0);
    step * (count(position) - count(others.len() - 1) / 2.0)
}

/// Converts a count to a float.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests;
