//! The routes of the arrows.

use super::{
    GAP, MARGIN, Point, count,
    layered::{Chain, Vertex},
};

/// The route of an arrow, from its tail to its head.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Route {
    pub(in super::super) points: Vec<Point>,
    /// For each point, whether the line is vertical there.
    pub(in super::super) vertical: Vec<bool>,
    /// The left end of the label, at half its height.
    pub(in super::super) label: Point,
}

impl Route {
    pub(super) fn moved(mut self, by: Point) -> Self {
        self.points.iter_mut().for_each(|point| *point = point.moved(by));
        Self { label: self.label.moved(by), ..self }
    }

    /// Continues with the part of the arrow in the next box. Both meet at a port. `labelled` tells whether the label is in `next`.
    pub(super) fn then(mut self, next: Self, labelled: bool) -> Self {
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

/// The vertices of a level with their positions.
pub(super) struct Placed<'v> {
    pub(super) vertices: &'v [Vertex],
    pub(super) at: &'v [Point],
    /// The height of each rank.
    pub(super) ranks: &'v [f64],
    /// The bottom of the box.
    pub(super) bottom: f64,
}

impl Placed<'_> {
    /// The route of an arrow. The line is vertical at its ends, beside its label, and where it would otherwise touch a neighbor in
    /// a rank.
    pub(super) fn route(&self, chain: &Chain) -> Route {
        let mut route = Route::default();
        for index in 0..chain.vertices.len() {
            if self.vertices[chain.vertices[index]].is_node() {
                self.end(chain, index, &mut route);
            } else {
                self.pass(chain, index, &mut route);
            }
        }
        if chain.reversed {
            route.points.reverse();
            route.vertical.reverse();
        }
        if let Some(label) = chain.label {
            let at = self.at[label];
            route.label = Point { x: at.x + MARGIN, ..at };
        }
        route
    }

    /// The end of an arrow at a box. In a rank with a higher box, the line is vertical beside that.
    fn end(&self, chain: &Chain, index: usize, route: &mut Route) {
        let (vertex, below) = (chain.vertices[index], index == 0);
        let here = self.at[vertex];
        let x = here.x + self.port(vertex, chain, below);
        let at = |distance: f64| Point { x, y: if below { here.y + distance } else { here.y - distance } };
        let (half, rank) = (self.vertices[vertex].height / 2.0, self.half_rank(vertex));
        let border = (rank - half > 1.0).then(|| at(rank));
        if below {
            route.push(at(half), true);
        }
        if let Some(border) = border {
            route.push(border, true);
        }
        if !below {
            route.push(at(half), true);
        }
    }

    /// The line at a port, at a label or through a rank.
    fn pass(&self, chain: &Chain, index: usize, route: &mut Route) {
        let vertex = chain.vertices[index];
        let (here, half) = (self.at[vertex], self.half_rank(vertex));
        let (is_first, is_last) = (index == 0, index + 1 == chain.vertices.len());
        if is_first {
            route.push(Point { y: 0.0, ..here }, true);
        }
        if is_first || is_last || chain.label == Some(vertex) || self.is_slanted(chain, index, half) {
            route.push(Point { y: here.y - half, ..here }, true);
            route.push(Point { y: here.y + half, ..here }, true);
        } else {
            route.push(here, false);
        }
        if is_last {
            route.push(Point { y: self.bottom, ..here }, true);
        }
    }

    /// Half the height of the rank of a vertex.
    fn half_rank(&self, vertex: usize) -> f64 {
        self.ranks[self.vertices[vertex].rank] / 2.0
    }

    /// Whether a straight line to the vertex before or after would leave the space of the vertex in its rank.
    fn is_slanted(&self, chain: &Chain, index: usize, half: f64) -> bool {
        let here = self.at[chain.vertices[index]];
        [index - 1, index + 1].into_iter().any(|other| {
            let (there, their_half) = (self.at[chain.vertices[other]], self.half_rank(chain.vertices[other]));
            let distance = (there.y - here.y).abs() - their_half;
            ((there.x - here.x) * half / distance).abs() > GAP / 2.0
        })
    }

    /// The horizontal distance from the center of a box to the end of an arrow: at its port, or ordered by the other ends of the
    /// arrows on this side.
    fn port(&self, vertex: usize, chain: &Chain, below: bool) -> f64 {
        let Vertex { half: Some(half), above, below: under, .. } = &self.vertices[vertex] else { return 0.0 };
        if let Some(port) = if below { chain.ports.0 } else { chain.ports.1 } {
            return port;
        }
        let next = |window: &[usize]| {
            if below { (window[0] == vertex).then_some(window[1]) } else { (window[1] == vertex).then_some(window[0]) }
        };
        let Some(mine) = chain.vertices.windows(2).find_map(next) else { return 0.0 };
        let mut others: Vec<_> = (if below { under } else { above }).iter().map(|end| end.vertex).collect();
        others.sort_by(|one, other| self.at[*one].x.total_cmp(&self.at[*other].x));
        let position = others.iter().position(|other| *other == mine).unwrap_or_default();
        let step = (half * 1.6 / count(others.len())).min(24.0);
        step * (count(position) - count(others.len() - 1) / 2.0)
    }
}
