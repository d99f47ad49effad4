//! The horizontal position of each vertex: close to its neighbors, in the order of its rank, with long arrows straight.

use super::{GAP, layered::Vertex};

/// The number of sweeps over the ranks.
const ROUNDS: usize = 24;

/// The horizontal position of each vertex.
pub(super) fn positions(vertices: &[Vertex], layers: &[Vec<usize>]) -> Vec<f64> {
    let mut xs = vec![0.0; vertices.len()];
    for layer in layers {
        let offsets = offsets(vertices, layer);
        layer.iter().zip(offsets).for_each(|(vertex, offset)| xs[*vertex] = offset);
    }
    for round in 0..ROUNDS {
        for rank in 0..layers.len() {
            let rank = if round % 2 == 0 { rank } else { layers.len() - 1 - rank };
            settle(vertices, &layers[rank], &mut xs);
        }
    }
    xs
}

/// The minimum distance of each vertex from the first of its rank.
fn offsets(vertices: &[Vertex], layer: &[usize]) -> Vec<f64> {
    let mut offsets = vec![0.0; layer.len()];
    for index in 1..layer.len() {
        let (left, right) = (&vertices[layer[index - 1]], &vertices[layer[index]]);
        offsets[index] = offsets[index - 1] + left.space.1 + GAP + right.space.0;
    }
    offsets
}

/// Moves the vertices of one rank to the positions with the least squared distance to their neighbors, by the pool adjacent
/// violators algorithm.
fn settle(vertices: &[Vertex], layer: &[usize], xs: &mut [f64]) {
    let offsets = offsets(vertices, layer);
    let free_port = |vertex: &usize| vertices[*vertex].outside.is_some();
    let center = if layer.iter().any(free_port) { center(vertices, xs) } else { 0.0 };
    // Weight, weighted sum of the preferred positions, number of vertices.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (vertex, offset) in layer.iter().zip(&offsets) {
        let (weight, preferred) = preferred(vertices, *vertex, xs, center);
        pools.push((weight, weight * (preferred - offset), 1));
        while let [.., before, last] = &pools[..]
            && before.1 / before.0 > last.1 / last.0
        {
            let pooled = (before.0 + last.0, before.1 + last.1, before.2 + last.2);
            pools.truncate(pools.len() - 2);
            pools.push(pooled);
        }
    }
    let positions = pools.iter().flat_map(|(weight, sum, count)| std::iter::repeat_n(sum / weight, *count));
    for ((vertex, offset), position) in layer.iter().zip(offsets).zip(positions) {
        xs[*vertex] = position + offset;
    }
}

/// The preferred position of a vertex, with its weight.
fn preferred(vertices: &[Vertex], vertex: usize, xs: &[f64], center: f64) -> (f64, f64) {
    let here = &vertices[vertex];
    let mut weight = 0.0;
    let mut sum = 0.0;
    for other in here.above.iter().chain(&here.below) {
        let pull = match (here.is_node(), vertices[other.vertex].is_node()) {
            (true, true) => 1.0,
            (true, false) | (false, true) => 2.0,
            (false, false) => 8.0,
        };
        weight += pull;
        sum += pull * (xs[other.vertex] + other.there - other.here);
    }
    match here.outside {
        _ if weight > 0.0 => (weight, sum / weight),
        Some(outside) => (0.1, center + outside),
        None => (0.1, xs[vertex]),
    }
}

/// The center of the boxes.
fn center(vertices: &[Vertex], xs: &[f64]) -> f64 {
    let boxes = || vertices.iter().zip(xs).filter(|(vertex, _)| vertex.is_node());
    let left = boxes().map(|(vertex, x)| x - vertex.space.0).fold(f64::INFINITY, f64::min);
    let right = boxes().map(|(vertex, x)| x + vertex.space.1).fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(left, right)
}
