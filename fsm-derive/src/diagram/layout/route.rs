//! The routes of the arrows.

use super::{
    GAP, MARGIN, Point, Route, count,
    layered::{Chain, Vertex},
    sort_by_place,
};
use crate::each::each;

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
        let mut others = each(if below { under } else { above }, &|end| end.vertex);
        sort_by_place(&mut others, &|vertex| self.at[vertex].x);
        let position = others.iter().position(|other| *other == mine).unwrap_or_default();
        let step = (half * 1.6 / count(others.len())).min(24.0);
        step * (count(position) - count(others.len() - 1) / 2.0)
    }
}
