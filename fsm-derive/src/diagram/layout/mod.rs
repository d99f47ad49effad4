//! A layered layout of a directed graph with nested boxes: boxes in ranks, arrows downwards where possible, few crossings.
//!
//! The algorithm is that of Sugiyama, Tagawa and Toda (1981), with the phases of Graphviz and dagre: reverse the arrows that point
//! against the order of the boxes, assign a rank to each box, add a vertex to each rank that an arrow passes (one of them is its
//! label), order each rank, and assign positions. It is written by hand because it is built before every user's crate, and the
//! available renderers are too large for that.
//!
//! A box that contains others is laid out first, by itself, and is one large box in the layout around it. An arrow across its border
//! passes a port on the border. So its members are contiguous and nothing else is inside it, at any depth.

mod layered;
mod level;
mod nest;
mod order;
mod position;
mod ranks;
mod route;

use crate::each::each;
use nest::Nest;

/// A box: its size, and the space that it needs beside it.
#[derive(Debug)]
pub(super) struct Node {
    /// The box that contains it.
    pub(super) parent: Option<usize>,
    /// The width; for a box that contains others, the width of its title.
    pub(super) width: f64,
    /// The height; for a box that contains others, the minimum.
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
    pub(super) nodes: Vec<Frame>,
    pub(super) links: Vec<Route>,
}

/// The position and the size of a box.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Frame {
    pub(super) center: Point,
    pub(super) width: f64,
    pub(super) height: f64,
    /// The left end of the title of a box that contains others.
    pub(super) title: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The route of an arrow, from its tail to its head.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    pub(super) points: Vec<Point>,
    /// For each point, whether the line is vertical there.
    pub(super) vertical: Vec<bool>,
    /// The left end of the label, at half its height.
    pub(super) label: Point,
}

/// The distance between two vertices of a rank.
const GAP: f64 = 16.0;
/// The distance between two ranks.
const DISTANCE: f64 = 17.0;
/// The distance between a line and its label.
const MARGIN: f64 = 6.0;
/// The distance between the border of a box and the boxes in it.
const PADDING: f64 = 12.0;
/// How often the layout is repeated with the ports of each box ordered by where their arrows come from outside of it.
const PASSES: usize = 2;
/// The height of the title of a box that contains others.
const TITLE: f64 = 22.0;

/// Computes the layout. An arrow from a box to a later one points downwards.
pub(super) fn layout(nodes: &[Node], links: &[Link]) -> Layout {
    let nest = Nest::new(nodes, links);
    let mut whole = level::level(&nest, None, &[]);
    // Without arrows across borders, it would not change.
    let passes = if whole.sides.is_empty() { 0 } else { PASSES };
    for _ in 0..passes {
        whole = level::level(&nest, None, &whole.sides);
    }
    let layered::Level { width, height, frames, routes, .. } = whole;
    let mut layout = Layout {
        width,
        height,
        nodes: vec![Frame::default(); nodes.len()],
        links: vec![Route::default(); links.len()],
    };
    for (node, frame) in frames {
        layout.nodes[node] = frame;
    }
    for (link, route) in routes {
        layout.links[link] = route;
    }
    layout
}

impl Point {
    fn moved(self, by: Point) -> Self {
        Self { x: self.x + by.x, y: self.y + by.y }
    }
}

impl Frame {
    fn moved(self, by: Point) -> Self {
        Self { center: self.center.moved(by), title: self.title + by.x, ..self }
    }
}

impl Route {
    fn moved(mut self, by: Point) -> Self {
        self.points.iter_mut().for_each(|point| *point = point.moved(by));
        Self { label: self.label.moved(by), ..self }
    }

    /// Continues with the part of the arrow in the next box. Both meet at a port. `labelled` tells whether the label is in `next`.
    fn then(mut self, next: Self, labelled: bool) -> Self {
        let label = if labelled { next.label } else { self.label };
        next.points.into_iter().zip(next.vertical).for_each(|(point, vertical)| self.push(point, vertical));
        Self { label, ..self }
    }

    fn push(&mut self, point: Point, vertical: bool) {
        let near = |last: &Point| (last.x - point.x).abs() < 1e-6 && (last.y - point.y).abs() < 1e-6;
        if !self.points.last().is_some_and(near) {
            self.points.push(point);
            self.vertical.push(vertical);
        }
    }
}

/// Converts a count to a float.
pub(super) fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

/// Sorts `items` by their places. Those with the same place keep their order.
pub(super) fn sort_by_place(items: &mut [usize], place: &dyn Fn(usize) -> f64) {
    // By insertion: there are few items, and std's sort would be compiled for them alone, which is thousands of lines.
    let mut places = each(items, &|item| place(*item));
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && places[at - 1] > places[at] {
            places.swap(at - 1, at);
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
