//! Parses the Mermaid state diagrams that this project draws: an unknown line fails the test.

use std::collections::BTreeMap;

use super::{
    check::Problems,
    spec::{Edge, Spec},
};

#[derive(Default)]
struct Drawing {
    /// The names, by the identifiers that stand for them in the text.
    states: BTreeMap<String, String>,
    initial: Vec<String>,
    finals: Vec<String>,
    edges: Vec<Edge>,
    /// The boxes for every state except these and end states, by identifier.
    boxes: BTreeMap<String, Vec<String>>,
    /// The arrows that leave them: the box, and the edge without its source.
    common: Vec<(String, Edge)>,
}

pub(crate) fn check(spec: &Spec, text: &str) {
    let drawing = read(text).whole();
    let mut problems = Problems::default();
    problems.same("state", drawing.states.into_values(), &spec.states);
    problems.same("initial state", drawing.initial, &spec.initial());
    problems.same("end", drawing.finals, &spec.finals);
    problems.same("edge", drawing.edges, &spec.edges());
    problems.none_in(&format!("the diagram of {}", spec.name));
}

fn read(text: &str) -> Drawing {
    let mut drawing = Drawing::default();
    let mut lines = text.lines().map(str::trim);
    assert_eq!(lines.next(), Some("stateDiagram-v2"));
    for line in lines {
        drawing.read(line).unwrap_or_else(|| panic!("unknown line: `{line}` in\n{text}"));
    }
    drawing
}

impl Drawing {
    /// Replaces an arrow of a box by one of each of its states.
    fn whole(mut self) -> Self {
        for (id, edge) in std::mem::take(&mut self.common) {
            let left_out = |state: &&String| self.boxes[&id].contains(state) || self.finals.contains(state);
            let sources = self.states.values().filter(|state| !left_out(state));
            self.edges.extend(sources.map(|from| Edge { from: from.clone(), ..edge.clone() }));
        }
        self
    }

    fn read(&mut self, line: &str) -> Option<()> {
        if let Some(rest) = line.strip_prefix("state ") {
            let (name, id) = rest.strip_prefix('"')?.split_once("\" as ")?;
            let plain = |c: char| c.is_alphanumeric() || c == '_';
            if let Some(others) = name.strip_prefix("every state") {
                let others = others.strip_prefix(" except ").unwrap_or_default().replace(" and ", ", ");
                let others = others.split(", ").filter(|other| *other != "end states").map(str::to_owned).collect();
                return self.boxes.insert(id.to_owned(), others).is_none().then_some(());
            }
            let fresh = self.states.insert(id.to_owned(), name.to_owned()).is_none();
            return (fresh && id.chars().all(plain)).then_some(());
        }
        if line.starts_with("classDef ") || line.starts_with("class ") {
            return Some(());
        }
        if let Some((from, rest)) = line.split_once(" --> ") {
            return self.arrow(from, rest);
        }
        let (described, _) = line.split_once(" : ")?;
        self.name(described).map(drop)
    }

    fn arrow(&mut self, from: &str, rest: &str) -> Option<()> {
        match (from, rest.split_once(" : ")) {
            ("[*]", None) => self.initial.push(self.name(rest)?),
            (_, None) if rest == "[*]" => self.finals.push(self.name(from)?),
            (_, None) => return None,
            (_, Some((to, label))) => {
                let event = label.strip_suffix(" [guarded]");
                let edge = Edge {
                    from: self.name(from).unwrap_or_default(),
                    event: event.unwrap_or(label).to_owned(),
                    to: self.name(to)?,
                    guarded: event.is_some(),
                };
                if self.boxes.contains_key(from) {
                    self.common.push((from.to_owned(), edge));
                } else {
                    self.edges.push(Edge { from: self.name(from)?, ..edge });
                }
            }
        }
        Some(())
    }

    fn name(&self, id: &str) -> Option<String> {
        self.states.get(id).cloned()
    }
}
