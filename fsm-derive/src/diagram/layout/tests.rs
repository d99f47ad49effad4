//! The layout of random graphs: nothing overlaps, and each arrow connects its boxes.

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{Layout, Link, MARGIN, Node, Point, layout};

/// Left, top, right, bottom.
type Area = (f64, f64, f64, f64);

/// Realistic sizes: boxes of one or two lines, labels of up to three.
fn graphs() -> impl Strategy<Value = (Vec<Node>, Vec<Link>)> {
    let node =
        (40.0..200.0, 28.0..44.0, prop_oneof![Just(0.0), Just(30.0)], prop_oneof![3 => Just(0.0), 1 => Just(90.0)]);
    let node = node.prop_map(|(width, height, left, right)| Node { width, height, beside: (left, right) });
    let link = (any::<Index>(), any::<Index>(), 20.0..160.0, 16.0..48.0);
    let graph = (prop::collection::vec(node, 1..14), prop::collection::vec(link, 0..30));
    graph.prop_map(|(nodes, links)| {
        let mut known = Vec::new();
        let links = links.into_iter().filter_map(|(from, to, width, height)| {
            let ends = (from.index(nodes.len()), to.index(nodes.len()));
            let fits = ends.0 != ends.1 && !known.contains(&ends);
            known.push(ends);
            fits.then_some(Link { from: ends.0, to: ends.1, width, height })
        });
        let links = links.collect();
        (nodes, links)
    })
}

fn overlap(one: Area, other: Area) -> bool {
    const ROUNDING: f64 = 1e-6;
    one.0 + ROUNDING < other.2 && other.0 + ROUNDING < one.2 && one.1 + ROUNDING < other.3 && other.1 + ROUNDING < one.3
}

fn box_at(node: &Node, at: Point) -> Area {
    let (x, y) = (node.width / 2.0, node.height / 2.0);
    (at.x - x - node.beside.0, at.y - y, at.x + x + node.beside.1, at.y + y)
}

fn label_at(link: &Link, at: Point) -> Area {
    (at.x, at.y - link.height / 2.0, at.x + link.width, at.y + link.height / 2.0)
}

fn check(nodes: &[Node], links: &[Link], drawn: &Layout) -> Result<(), String> {
    let boxes = nodes.iter().zip(&drawn.nodes).map(|(node, at)| box_at(node, *at));
    let labels = links.iter().zip(&drawn.links).map(|(link, route)| label_at(link, route.label));
    let areas: Vec<_> = boxes.chain(labels).collect();
    for (index, area) in areas.iter().enumerate() {
        let inside = area.0 > -1e-6 && area.1 > -1e-6 && area.2 < drawn.width + 1e-6 && area.3 < drawn.height + 1e-6;
        if !inside {
            return Err(format!("{area:?} is not in {} x {}", drawn.width, drawn.height));
        }
        if let Some(other) = areas[index + 1..].iter().find(|other| overlap(*area, **other)) {
            return Err(format!("{area:?} overlaps {other:?}"));
        }
    }
    for (link, route) in links.iter().zip(&drawn.links) {
        let (Some(first), Some(last)) = (route.points.first(), route.points.last()) else {
            return Err("an arrow has no points".to_owned());
        };
        if route.points.len() != route.vertical.len() {
            return Err("`vertical` and `points` differ in length".to_owned());
        }
        for (end, node) in [(first, link.from), (last, link.to)] {
            let (at, node) = (drawn.nodes[node], &nodes[node]);
            let touches =
                (end.x - at.x).abs() <= node.width / 2.0 && ((end.y - at.y).abs() - node.height / 2.0).abs() < 1e-6;
            if !touches {
                return Err(format!("{end:?} is not on the box of {} x {} at {at:?}", node.width, node.height));
            }
        }
        // An arrow points in one direction, down or up.
        let rises = route.points.windows(2).filter(|pair| pair[1].y < pair[0].y).count();
        if rises != 0 && rises != route.points.len() - 1 {
            return Err(format!("an arrow turns back: {:?}", route.points));
        }
        let beside = |point: &Point| (point.x + MARGIN - route.label.x).abs() < 1e-6;
        if !route.points.iter().any(beside) {
            return Err(format!("the label at {:?} is not beside its arrow: {:?}", route.label, route.points));
        }
    }
    Ok(())
}

#[test]
fn nothing_overlaps() {
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let drawn = |(nodes, links): (Vec<Node>, Vec<Link>)| check(&nodes, &links, &layout(&nodes, &links));
    runner.run(&graphs(), |graph| drawn(graph).map_err(TestCaseError::fail)).unwrap_or_else(|error| panic!("{error}"));
}
