//! The place of each vertex in its rank: near its neighbours, in order, and long arrows straight.

use super::{GAP, Vertex};

/// How often each rank is placed after its neighbours.
const ROUNDS: usize = 24;

/// The upright of each vertex.
pub(super) fn place(vertices: &[Vertex], layers: &[Vec<usize>]) -> Vec<f64> {
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

/// How far from the first of its layer each vertex is at least.
fn offsets(vertices: &[Vertex], layer: &[usize]) -> Vec<f64> {
    let mut offsets = vec![0.0; layer.len()];
    for index in 1..layer.len() {
        let (left, right) = (&vertices[layer[index - 1]], &vertices[layer[index]]);
        offsets[index] = offsets[index - 1] + left.room.1 + GAP + right.room.0;
    }
    offsets
}

/// The best places in one layer with the others as they are: those of least squared distance to the neighbours, by pooling
/// adjacent violators of the order.
fn settle(vertices: &[Vertex], layer: &[usize], xs: &mut [f64]) {
    let offsets = offsets(vertices, layer);
    // Weight, weighted sum of wished places, how many vertices.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (vertex, offset) in layer.iter().zip(&offsets) {
        let (weight, wish) = wish(vertices, *vertex, xs);
        pools.push((weight, weight * (wish - offset), 1));
        while let [.., before, last] = &pools[..]
            && before.1 / before.0 > last.1 / last.0
        {
            let pooled = (before.0 + last.0, before.1 + last.1, before.2 + last.2);
            pools.truncate(pools.len() - 2);
            pools.push(pooled);
        }
    }
    let places = pools.iter().flat_map(|(weight, sum, count)| std::iter::repeat_n(sum / weight, *count));
    for ((vertex, offset), place) in layer.iter().zip(offsets).zip(places) {
        xs[*vertex] = place + offset;
    }
}

/// Where a vertex would like to be, and how much.
fn wish(vertices: &[Vertex], vertex: usize, xs: &[f64]) -> (f64, f64) {
    let here = &vertices[vertex];
    let mut weight = 0.0;
    let mut sum = 0.0;
    for other in here.above.iter().chain(&here.below) {
        let pull = match (here.is_node(), vertices[*other].is_node()) {
            (true, true) => 1.0,
            (true, false) | (false, true) => 2.0,
            (false, false) => 8.0,
        };
        weight += pull;
        sum += pull * xs[*other];
    }
    if weight > 0.0 { (weight, sum / weight) } else { (0.1, xs[vertex]) }
}
