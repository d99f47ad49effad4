//! A layered drawing of a directed graph: boxes in ranks, arrows downwards where they can be, few crossings.
//!
//! After Sugiyama, Tagawa and Toda (1981), in the phases that Graphviz and dagre have too: arrows against the order of the boxes are turned round,
//! each box gets a rank, each arrow a point in every rank that it passes (its label is one of them), each rank an order,
//! each point a place. Own code, as this runs while a user's crate compiles: no renderer in Rust is small enough to be built
//! before every machine, and none of those that read Mermaid kept thirty states readable.

mod order;
mod place;
mod ranks;

/// A box to be drawn: its size, and room that it needs beside it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) width: f64,
    pub(super) height: f64,
    /// On its left and on its right.
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

/// Where everything is.
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The middle of each box.
    pub(super) nodes: Vec<Point>,
    pub(super) links: Vec<Route>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The way of an arrow, from its tail to its head.
pub(super) struct Route {
    pub(super) points: Vec<Point>,
    /// Whether it is upright there.
    pub(super) upright: Vec<bool>,
    /// The left end of the label, at half its height.
    pub(super) label: Point,
}

/// A vertex of the layered graph: a box, the label of an arrow, or a point where an arrow passes a rank.
struct Vertex {
    rank: usize,
    /// Room on the left and on the right of its upright.
    room: (f64, f64),
    height: f64,
    above: Vec<usize>,
    below: Vec<usize>,
    /// Of a box: half of it, on which arrows can end.
    half: Option<f64>,
}

/// Between two points of a rank.
const GAP: f64 = 16.0;
/// Between two ranks.
const DISTANCE: f64 = 17.0;
/// Between a line and what stands beside it.
const MARGIN: f64 = 6.0;

/// An arrow's vertices from top to bottom, boxes included, and which of them is its label.
struct Chain {
    vertices: Vec<usize>,
    label: usize,
    /// It points upwards.
    turned: bool,
}

/// Lays a graph out. Arrows lead down where they lead from one box to a later one.
pub(super) fn layout(nodes: &[Node], links: &[Link]) -> Layout {
    let turned: Vec<_> = links.iter().map(|link| link.from > link.to).collect();
    let downwards: Vec<_> = links.iter().map(|link| (link.from.min(link.to), link.from.max(link.to))).collect();
    let ranks = ranks::ranks(nodes.len(), &downwards);
    let mut vertices: Vec<_> = nodes.iter().zip(ranks).map(|(node, rank)| Vertex::of(node, rank)).collect();
    let chains: Vec<_> = links
        .iter()
        .zip(downwards)
        .zip(turned)
        .map(|((link, ends), turned)| chain(&mut vertices, link, ends, turned))
        .collect();
    let layers = order::order(&vertices);
    let xs = place::place(&vertices, &layers);
    let left = vertices.iter().zip(&xs).map(|(vertex, x)| x - vertex.room.0).fold(f64::INFINITY, f64::min);
    let right = vertices.iter().zip(&xs).map(|(vertex, x)| x + vertex.room.1).fold(f64::NEG_INFINITY, f64::max);
    let (ys, height) = heights(&vertices, &layers);
    let at: Vec<_> = xs.iter().zip(ys).map(|(x, y)| Point { x: x - left, y }).collect();
    let ranks: Vec<_> = layers.iter().map(|layer| height_of(&vertices, layer)).collect();
    let routes = chains.iter().map(|chain| route(&vertices, &at, &ranks, chain));
    Layout { width: right - left, height, links: routes.collect(), nodes: at[..nodes.len()].to_vec() }
}

impl Vertex {
    fn of(node: &Node, rank: usize) -> Self {
        let half = node.width / 2.0;
        let room = (half + node.beside.0, half + node.beside.1);
        Self { rank, room, height: node.height, above: Vec::new(), below: Vec::new(), half: Some(half) }
    }

    fn between(rank: usize) -> Self {
        Self { rank, room: (MARGIN, MARGIN), height: 0.0, above: Vec::new(), below: Vec::new(), half: None }
    }

    fn is_node(&self) -> bool {
        self.half.is_some()
    }
}

/// Adds a vertex for each rank that an arrow passes. Boxes have even ranks, so that each arrow passes an odd one, where its
/// label has room: the one nearest to the middle of its way.
fn chain(vertices: &mut Vec<Vertex>, link: &Link, (top, bottom): (usize, usize), turned: bool) -> Chain {
    let (first, last) = (vertices[top].rank, vertices[bottom].rank);
    let middle = usize::midpoint(first, last);
    let middle = if middle % 2 == 1 { middle } else { middle + 1 };
    let mut chain = Chain { vertices: vec![top], label: top, turned };
    for rank in first + 1..last {
        let mut vertex = Vertex::between(rank);
        if rank == middle {
            chain.label = vertices.len();
            vertex.room.1 += link.width + MARGIN;
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

/// The height of each vertex' middle, and the whole height.
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

/// It is upright where it leaves a box, where it comes to one, beside its label, and where it would touch its neighbours in
/// a rank otherwise.
fn route(vertices: &[Vertex], at: &[Point], ranks: &[f64], chain: &Chain) -> Route {
    let mut points = Vec::new();
    for (index, vertex) in chain.vertices.iter().enumerate() {
        let here = at[*vertex];
        let passes = !vertices[*vertex].is_node();
        let half = if passes { ranks[vertices[*vertex].rank] } else { vertices[*vertex].height } / 2.0;
        let leans = || {
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
            _ if *vertex == chain.label || leans() => points.extend([(shifted(false), true), (shifted(true), true)]),
            _ => points.push((here, false)),
        }
    }
    if chain.turned {
        points.reverse();
    }
    let (points, upright) = points.into_iter().unzip();
    let label = at[chain.label];
    Route { points, upright, label: Point { x: label.x + MARGIN, ..label } }
}

/// How far from a box' middle an arrow touches it: those on one side in the order of where they come from.
fn port(vertices: &[Vertex], at: &[Point], vertex: usize, chain: &Chain, below: bool) -> f64 {
    let Vertex { half: Some(half), above, below: under, .. } = &vertices[vertex] else { return 0.0 };
    let next = |window: &[usize]| {
        if below { (window[0] == vertex).then_some(window[1]) } else { (window[1] == vertex).then_some(window[0]) }
    };
    let Some(mine) = chain.vertices.windows(2).find_map(next) else { return 0.0 };
    let mut others = if below { under.clone() } else { above.clone() };
    others.sort_by(|one, other| at[*one].x.total_cmp(&at[*other].x));
    let place = others.iter().position(|other| *other == mine).unwrap_or_default();
    let step = (half * 1.6 / count(others.len())).min(24.0);
    step * (count(place) - count(others.len() - 1) / 2.0)
}

/// A small number.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests;
