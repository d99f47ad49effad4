//! The layout of random graphs: no boxes overlap, each is inside the box that contains it, and each arrow connects its boxes.

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{Frame, GAP, Layout, Link, MARGIN, Node, Point, TITLE, layout};

const ROUNDING: f64 = 1e-6;

/// Left, top, right, bottom.
type Area = (f64, f64, f64, f64);

/// Realistic sizes: boxes of one or two lines, labels of up to three. The first `groups` boxes can contain others.
fn graphs(groups: std::ops::Range<usize>) -> impl Strategy<Value = (Vec<Node>, Vec<Link>)> {
    let node = (
        any::<Index>(),
        40.0..200.0,
        28.0..44.0,
        prop_oneof![Just(0.0), Just(30.0)],
        prop_oneof![3 => Just(0.0), 1 => Just(90.0)],
    );
    let node = node.prop_map(|(parent, width, height, left, right)| {
        (parent, Node { parent: None, width, height, beside: (left, right) })
    });
    let link = (any::<Index>(), any::<Index>(), 20.0..160.0, 16.0..48.0);
    let graph = (groups, prop::collection::vec(node, 1..18), prop::collection::vec(link, 0..30));
    graph.prop_map(|(groups, nodes, links)| {
        // The parent of a box is one of the groups before it, or none.
        let nodes = nodes.into_iter().enumerate().map(|(index, (parent, node))| {
            let parent = parent.index(groups.min(index) + 1);
            Node { parent: parent.checked_sub(1), ..node }
        });
        let nodes: Vec<_> = nodes.collect();
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
    one.0 + ROUNDING < other.2 && other.0 + ROUNDING < one.2 && one.1 + ROUNDING < other.3 && other.1 + ROUNDING < one.3
}

fn contains(outer: Area, inner: Area) -> bool {
    outer.0 <= inner.0 + ROUNDING
        && outer.1 <= inner.1 + ROUNDING
        && inner.2 <= outer.2 + ROUNDING
        && inner.3 <= outer.3 + ROUNDING
}

fn area(frame: &Frame) -> Area {
    let (at, x, y) = (frame.center, frame.width / 2.0, frame.height / 2.0);
    (at.x - x, at.y - y, at.x + x, at.y + y)
}

/// A box with the space beside it.
fn with_space(node: &Node, frame: &Frame) -> Area {
    let (left, top, right, bottom) = area(frame);
    (left - node.beside.0, top, right + node.beside.1, bottom)
}

fn title_at(node: &Node, frame: &Frame) -> Area {
    let top = frame.center.y - frame.height / 2.0;
    (frame.title, top, frame.title + node.width, top + TITLE)
}

fn label_at(link: &Link, at: Point) -> Area {
    (at.x, at.y - link.height / 2.0, at.x + link.width, at.y + link.height / 2.0)
}

fn around(nodes: &[Node], node: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(nodes[node].parent, |node| nodes[*node].parent)
}

fn check_boxes(nodes: &[Node], links: &[Link], drawn: &Layout) -> Result<(), String> {
    let whole = (0.0, 0.0, drawn.width, drawn.height);
    let is_group = |index: usize| nodes.iter().any(|node| node.parent == Some(index));
    let mut texts: Vec<_> = links.iter().zip(&drawn.links).map(|(link, route)| label_at(link, route.label)).collect();
    for (index, (node, frame)) in nodes.iter().zip(&drawn.nodes).enumerate() {
        let own = with_space(node, frame);
        let parent = node.parent.map_or(whole, |parent| area(&drawn.nodes[parent]));
        if !contains(parent, own) {
            return Err(format!("box {index} at {own:?} is not in {parent:?}"));
        }
        for (other, node) in nodes.iter().enumerate().skip(index + 1).filter(|(_, other)| other.parent == node.parent) {
            let there = with_space(node, &drawn.nodes[other]);
            if overlap(own, there) {
                return Err(format!("boxes {index} at {own:?} and {other} at {there:?} overlap"));
            }
        }
        if is_group(index) {
            let title = title_at(node, frame);
            if !contains(area(frame), title) {
                return Err(format!("the title at {title:?} is not in box {index} at {own:?}"));
            }
            texts.push(title);
        }
    }
    for (index, text) in texts.iter().enumerate() {
        if !contains(whole, *text) {
            return Err(format!("{text:?} is not in {whole:?}"));
        }
        if let Some(other) = texts[index + 1..].iter().find(|other| overlap(*text, **other)) {
            return Err(format!("the texts at {text:?} and {other:?} overlap"));
        }
        for (index, (node, frame)) in nodes.iter().zip(&drawn.nodes).enumerate() {
            let inside = is_group(index) && contains(area(frame), *text);
            if !inside && overlap(*text, with_space(node, frame)) {
                return Err(format!("the text at {text:?} overlaps box {index} at {:?}", area(frame)));
            }
        }
    }
    Ok(())
}

fn check_arrows(nodes: &[Node], links: &[Link], drawn: &Layout) -> Result<(), String> {
    for (link, route) in links.iter().zip(&drawn.links) {
        let (Some(first), Some(last)) = (route.points.first(), route.points.last()) else {
            return Err("an arrow has no points".to_owned());
        };
        if route.points.len() != route.vertical.len() {
            return Err("`vertical` and `points` differ in length".to_owned());
        }
        for (end, node) in [(first, link.from), (last, link.to)] {
            let (left, top, right, bottom) = area(&drawn.nodes[node]);
            let beside = end.x < left || end.x > right;
            if beside || ((end.y - top).abs() > ROUNDING && (end.y - bottom).abs() > ROUNDING) {
                return Err(format!("{end:?} is not on box {node} at {:?}", (left, top, right, bottom)));
            }
        }
        // An arrow points in one direction, down or up.
        let rises = route.points.windows(2).filter(|pair| pair[1].y < pair[0].y).count();
        if rises != 0 && rises != route.points.len() - 1 {
            return Err(format!("an arrow turns back: {:?}", route.points));
        }
        let beside = |point: &Point| (point.x + MARGIN - route.label.x).abs() < ROUNDING;
        if !route.points.iter().any(beside) {
            return Err(format!("the label at {:?} is not beside its arrow: {:?}", route.label, route.points));
        }
        // It is inside of no box that does not contain one of its ends.
        let ends = [link.from, link.to];
        let passes = |index: &usize| {
            !ends.contains(index) && !ends.iter().any(|end| around(nodes, *end).any(|around| around == *index))
        };
        for other in (0..nodes.len()).filter(passes) {
            let (left, top, right, bottom) = area(&drawn.nodes[other]);
            // A line that is almost vertical is straight through its rank.
            let (x, y) = (left + GAP / 2.0..right - GAP / 2.0, top + ROUNDING..bottom - ROUNDING);
            let steps = route.points.windows(2).flat_map(|pair| (0..=8).map(|step| between(pair[0], pair[1], step)));
            if let Some(point) = steps.into_iter().find(|point| x.contains(&point.x) && y.contains(&point.y)) {
                return Err(format!("{ends:?} passes box {other} at {point:?}: {:?}", route.points));
            }
        }
    }
    Ok(())
}

/// The point after `step` of eight steps.
fn between(from: Point, to: Point, step: u32) -> Point {
    let part = f64::from(step) / 8.0;
    Point { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part }
}

fn run(groups: std::ops::Range<usize>) {
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let check = |(nodes, links): (Vec<Node>, Vec<Link>)| {
        let drawn = layout(&nodes, &links);
        check_boxes(&nodes, &links, &drawn).and_then(|()| check_arrows(&nodes, &links, &drawn))
    };
    let result = runner.run(&graphs(groups), |graph| check(graph).map_err(TestCaseError::fail));
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn nothing_overlaps() {
    run(0..1);
}

#[test]
fn nested_boxes_contain_their_members_and_nothing_else() {
    run(1..7);
}
