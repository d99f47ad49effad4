//! The order of the vertices in each rank, with few crossings of arrows.

use super::{
    count,
    layered::{End, Vertex},
    sort_by_place,
};

/// The number of sweeps over the ranks.
const ROUNDS: usize = 16;

/// The vertices of each rank, from left to right.
pub(super) fn order(vertices: &[Vertex]) -> Vec<Vec<usize>> {
    let ranks = vertices.iter().map(|vertex| vertex.rank + 1).max().unwrap_or_default();
    let mut order = Order { vertices, layers: vec![Vec::new(); ranks], position: vec![0; vertices.len()] };
    let mut seen = vec![false; vertices.len()];
    for vertex in 0..vertices.len() {
        order.fill(vertex, &mut seen);
    }
    order.number();
    let mut best = (order.crossings(), order.layers.clone());
    for round in 0..ROUNDS {
        order.sweep(round % 2 == 0);
        order.swap();
        let crossings = order.crossings();
        if crossings < best.0 {
            best = (crossings, order.layers.clone());
        }
    }
    best.1
}

struct Order<'v> {
    vertices: &'v [Vertex],
    layers: Vec<Vec<usize>>,
    /// The position of each vertex in its rank.
    position: Vec<usize>,
}

impl Order<'_> {
    /// The initial order: depth first, so that connected vertices are close together.
    fn fill(&mut self, vertex: usize, seen: &mut [bool]) {
        if std::mem::replace(&mut seen[vertex], true) {
            return;
        }
        let vertices = self.vertices;
        self.layers[vertices[vertex].rank].push(vertex);
        vertices[vertex].below.iter().for_each(|next| self.fill(next.vertex, seen));
    }

    fn number(&mut self) {
        for layer in &self.layers {
            layer.iter().enumerate().for_each(|(position, vertex)| self.position[*vertex] = position);
        }
    }

    /// The position of the end of a line in its rank. The ends at the ports of a box are ordered by their distances from its center.
    fn place(&self, vertex: usize, port: f64) -> f64 {
        let half = self.vertices[vertex].half.unwrap_or_default() + 1.0;
        count(self.position[vertex]) + port / (2.0 * half)
    }

    /// Orders each rank by the mean position of the neighbors in the previous rank, downwards or upwards.
    fn sweep(&mut self, down: bool) {
        let ranks = self.layers.len();
        for step in 0..ranks {
            let rank = if down { step } else { ranks - 1 - step };
            let mean = |vertex: usize| {
                let neighbours = if down { &self.vertices[vertex].above } else { &self.vertices[vertex].below };
                if let (Some(outside), []) = (self.vertices[vertex].outside, &neighbours[..]) {
                    let before = self.layers[rank].iter().filter(|other| self.is_before(**other, outside));
                    return count(before.count());
                }
                if neighbours.is_empty() {
                    return count(self.position[vertex]);
                }
                neighbours.iter().map(|end| self.place(end.vertex, end.there)).sum::<f64>() / count(neighbours.len())
            };
            let mut layer = self.layers[rank].clone();
            sort_by_place(&mut layer, &mean);
            self.layers[rank] = layer;
            self.number_of(rank);
        }
    }

    fn number_of(&mut self, rank: usize) {
        self.layers[rank].iter().enumerate().for_each(|(position, vertex)| self.position[*vertex] = position);
    }

    /// Swaps adjacent vertices if that reduces the crossings.
    fn swap(&mut self) {
        for rank in 0..self.layers.len() {
            for left in 1..self.layers[rank].len() {
                let (one, other) = (self.layers[rank][left - 1], self.layers[rank][left]);
                if self.crossed(other, one) < self.crossed(one, other) {
                    self.layers[rank].swap(left - 1, left);
                    self.number_of(rank);
                }
            }
        }
    }

    /// Whether the arrow of a port comes from the left of `outside`.
    fn is_before(&self, port: usize, outside: f64) -> bool {
        self.vertices[port].outside.is_some_and(|other| other < outside)
    }

    /// The number of crossings between the arrows of two adjacent vertices.
    fn crossed(&self, left: usize, right: usize) -> usize {
        let [left, right] = [left, right].map(|vertex| &self.vertices[vertex]);
        let place = |end: &End| self.place(end.vertex, end.there);
        let between = |left: &[End], right: &[End]| {
            let before = |one: f64| right.iter().filter(|other| place(other) < one).count();
            left.iter().map(|one| before(place(one))).sum::<usize>()
        };
        let outside = left.outside.zip(right.outside).is_some_and(|(left, right)| left > right);
        between(&left.above, &right.above) + between(&left.below, &right.below) + usize::from(outside)
    }

    fn crossings(&self) -> usize {
        let mut crossings = 0;
        for layer in &self.layers {
            let (mut arrows, mut outside) = (Vec::new(), Vec::new());
            for vertex in layer {
                for end in &self.vertices[*vertex].below {
                    arrows.push((self.place(*vertex, end.here), self.place(end.vertex, end.there)));
                }
                outside.extend(self.vertices[*vertex].outside);
            }
            for one in &arrows {
                crossings += arrows.iter().filter(|other| other.0 > one.0 && other.1 < one.1).count();
            }
            for (index, left) in outside.iter().enumerate() {
                crossings += outside[index + 1..].iter().filter(|right| *right < left).count();
            }
        }
        crossings
    }
}
