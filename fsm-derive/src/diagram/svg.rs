//! Writes a graph as SVG: measures the texts, computes the layout and prints the elements.

use std::fmt::Write as _;

use super::{
    graph::{Arrow, Graph, Label, Shape, Style},
    layout::{Frame, Layout, Link, Node, Point, Route, count, layout, sort_by_place},
};
use crate::each::{each, indices};

/// The width of a letter. The font is monospaced, so texts can be measured without it.
const LETTER: f64 = 7.3;
const SMALL: f64 = 6.7;
const LINE: f64 = 16.0;
const BORDER: f64 = 2.0;
/// The length of the arrow into an initial state, including its dot.
const ENTRY: f64 = 30.0;
/// The width of an arrow from a state to itself.
const LOOP: f64 = 22.0;

pub(super) fn write(graph: &Graph) -> String {
    let (own, between): (Vec<_>, Vec<_>) = graph.arrows.iter().partition(|arrow| arrow.from == arrow.to);
    let own_of = |index: usize| own.iter().find(|arrow| arrow.from == index).copied();
    let nodes: Vec<_> = graph.boxes.iter().enumerate().map(|(index, shape)| node(shape, own_of(index))).collect();
    let links = each(&between, &|arrow| link(arrow));
    let Layout { width, height, nodes: frames, links: routes } = layout(&nodes, &links);
    let mut svg = Svg(String::new());
    let (width, height) = (width + 2.0 * BORDER, height + 2.0 * BORDER);
    svg.line(&format!(
        "<div><svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"{:.0} {:.0} {width:.0} {height:.0}\" \
         style=\"width:{width:.0}px;max-width:100%;height:auto\" font-family=\"ui-monospace,monospace\" font-size=\"12\" \
         fill=\"currentColor\" stroke-width=\"1.2\">",
        -BORDER, -BORDER
    ));
    svg.line(&format!("<title>{}</title>", escaped(&graph.title)));
    for index in outermost_first(&graph.boxes) {
        svg.group(&graph.boxes[index], &frames[index]);
        if let Some(arrow) = own_of(index) {
            svg.own(arrow, &frames[index]);
        }
    }
    for (arrow, route) in between.iter().zip(&routes) {
        svg.route(route, arrow.back);
        svg.labels(&arrow.labels, route.label);
    }
    for (index, shape) in graph.boxes.iter().enumerate().filter(|(_, shape)| shape.style != Style::Group) {
        svg.shape(shape, &frames[index]);
        if let Some(arrow) = own_of(index) {
            svg.own(arrow, &frames[index]);
        }
    }
    svg.line("</svg></div>");
    svg.0
}

/// The superstates, each before those in it.
fn outermost_first(boxes: &[Shape]) -> Vec<usize> {
    let depth = |index: usize| std::iter::successors(boxes[index].parent, |parent| boxes[*parent].parent).count();
    let mut groups = indices(boxes.len(), &|index| boxes[index].style == Style::Group);
    sort_by_place(&mut groups, &|index| count(depth(index)));
    groups
}

fn letters(text: &str) -> f64 {
    text.chars().map(|c| if c < '\u{2e80}' { 1.0 } else { 2.0 }).sum()
}

fn widest<'t>(lines: impl Iterator<Item = &'t String>) -> f64 {
    lines.map(|line| letters(line)).fold(0.0, f64::max)
}

fn lines(count: usize) -> f64 {
    (0..count).map(|_| LINE).sum()
}

fn node(shape: &Shape, own: Option<&Arrow>) -> Node {
    let right = own.map_or(0.0, |arrow| LOOP + 4.0 + widest(arrow.labels.iter().map(|label| &label.text)) * SMALL);
    let margin = if shape.style == Style::Group { 0.0 } else { 24.0 };
    Node {
        parent: shape.parent,
        width: widest(shape.lines.iter()) * LETTER + margin,
        height: (lines(shape.lines.len()) + 12.0).max(own.map_or(0.0, |arrow| lines(arrow.labels.len()))),
        beside: (if shape.initial { ENTRY } else { 0.0 }, right),
    }
}

fn link(arrow: &Arrow) -> Link {
    let width = widest(arrow.labels.iter().map(|label| &label.text)) * SMALL;
    Link { from: arrow.from, to: arrow.to, width, height: lines(arrow.labels.len()) }
}

struct Svg(String);

impl Svg {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn group(&mut self, shape: &Shape, frame: &Frame) {
        let Frame { center: at, width, height, title } = *frame;
        let (left, top) = (at.x - width / 2.0, at.y - height / 2.0);
        let _ = write!(self.0, "<g><title>{}</title>", escaped(&shape.title));
        self.rect(left, top, width, height, " stroke-opacity=\".4\"");
        for line in &shape.lines {
            let y = top + 15.0;
            let _ = write!(
                self.0,
                "<text x=\"{title:.1}\" y=\"{y:.1}\" font-weight=\"bold\" opacity=\".75\">{}</text>",
                escaped(line)
            );
        }
        self.line("</g>");
    }

    fn shape(&mut self, shape: &Shape, node: &Frame) {
        let at = node.center;
        let (left, top) = (at.x - node.width / 2.0, at.y - node.height / 2.0);
        if let Some(link) = &shape.link {
            let _ = write!(self.0, "<a href=\"{}\">", escaped(link));
        }
        let _ = write!(self.0, "<g><title>{}</title>", escaped(&shape.title));
        let outline = match shape.style {
            Style::Rest | Style::End | Style::Group | Style::History => "",
            Style::Work => " stroke-dasharray=\"6 3\"",
            Style::Several => " stroke-dasharray=\"1 3\"",
            Style::Undo => " stroke-dasharray=\"2 3\"",
        };
        if shape.style == Style::History {
            self.ellipse(node);
        } else {
            self.rect(left, top, node.width, node.height, outline);
        }
        if shape.style == Style::End {
            self.rect(left + 3.0, top + 3.0, node.width - 6.0, node.height - 6.0, "");
        }
        let mut y = at.y - lines(shape.lines.len()) / 2.0 + 12.0;
        for (index, line) in shape.lines.iter().enumerate() {
            let plain = if index == 0 { " font-weight=\"bold\"" } else { " opacity=\".75\"" };
            let font = if shape.style == Style::Several { " font-style=\"italic\"" } else { plain };
            let _ = write!(
                self.0,
                "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"middle\"{font}>{}</text>",
                at.x,
                escaped(line)
            );
            y += LINE;
        }
        self.0.push_str("</g>");
        self.line(if shape.link.is_some() { "</a>" } else { "" });
        if shape.initial {
            let _ = write!(self.0, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\"></circle>", left - ENTRY + 5.0, at.y);
            self.path(&format!("M{:.1} {:.1}H{:.1}", left - ENTRY + 9.0, at.y, left - 6.0), "");
            self.head(Point { x: left, y: at.y }, (1.0, 0.0));
        }
    }

    fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, outline: &str) {
        let _ = write!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\" fill=\"currentColor\" \
             fill-opacity=\".05\" stroke=\"currentColor\"{outline}></rect>"
        );
    }

    fn ellipse(&mut self, frame: &Frame) {
        let Frame { center, width, height, .. } = *frame;
        let _ = write!(
            self.0,
            "<ellipse cx=\"{:.1}\" cy=\"{:.1}\" rx=\"{:.1}\" ry=\"{:.1}\" fill=\"currentColor\" fill-opacity=\".05\" \
             stroke=\"currentColor\"></ellipse>",
            center.x,
            center.y,
            width / 2.0,
            height / 2.0
        );
    }

    fn path(&mut self, data: &str, dashes: &str) {
        self.line(&format!(
            "<path fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".6\"{dashes} d=\"{data}\"></path>"
        ));
    }

    /// The head of an arrow, at its end point.
    fn head(&mut self, end: Point, (dx, dy): (f64, f64)) {
        let (x, y) = (end.x - 8.0 * dx, end.y - 8.0 * dy);
        self.line(&format!(
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"></path>",
            end.x,
            end.y,
            x - 3.5 * dy,
            y + 3.5 * dx,
            x + 3.5 * dy,
            y - 3.5 * dx
        ));
    }

    /// A smooth line through all points, vertical at both ends.
    fn route(&mut self, route: &Route, back: bool) {
        let [first, .., before, end] = route.points[..] else { return };
        let down = if end.y > before.y { 1.0 } else { -1.0 };
        let mut points = route.points.clone();
        if let Some(last) = points.last_mut() {
            last.y -= 7.0 * down;
        }
        // A Catmull-Rom spline: the slope at a point is the direction between its neighbors, unless the line is vertical there.
        let slope = |index: usize, height: f64| match (index.checked_sub(1), points.get(index + 1)) {
            (Some(before), Some(after)) if !route.vertical[index] => {
                ((after.x - points[before].x) / 6.0, (after.y - points[before].y) / 6.0)
            }
            _ => (0.0, height / 2.0),
        };
        let mut data = format!("M{:.1} {:.1}", first.x, first.y);
        for (index, pair) in points.windows(2).enumerate() {
            let height = pair[1].y - pair[0].y;
            let ((out_x, out_y), (in_x, in_y)) = (slope(index, height), slope(index + 1, height));
            let _ = write!(
                data,
                "C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
                pair[0].x + out_x,
                pair[0].y + out_y,
                pair[1].x - in_x,
                pair[1].y - in_y,
                pair[1].x,
                pair[1].y
            );
        }
        self.path(&data, if back { " stroke-dasharray=\"5 4\"" } else { "" });
        self.head(end, (0.0, down));
    }

    fn labels(&mut self, labels: &[Label], at: Point) {
        let mut y = at.y - lines(labels.len()) / 2.0 + 12.0;
        for Label { text, link } in labels {
            self.line(&format!(
                "<a href=\"{}\"><text x=\"{:.1}\" y=\"{y:.1}\" font-size=\"11\">{}</text></a>",
                escaped(link),
                at.x,
                escaped(text)
            ));
            y += LINE;
        }
    }

    /// An arrow from a state to itself, on its right.
    fn own(&mut self, arrow: &Arrow, node: &Frame) {
        let at = node.center;
        let (x, up, down) = (at.x + node.width / 2.0, at.y - 8.0, at.y + 8.0);
        let far = x + LOOP;
        self.path(&format!("M{x:.1} {up:.1}C{far:.1} {up:.1} {far:.1} {down:.1} {:.1} {down:.1}", x + 7.0), "");
        self.head(Point { x, y: down }, (-1.0, 0.0));
        self.labels(&arrow.labels, Point { x: far, y: at.y });
    }
}

/// Escapes text for XML. Line breaks become spaces, because an empty line would end the SVG in Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
