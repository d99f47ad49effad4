//! The graph in Graphviz's DOT language.

use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use core::fmt;

use crate::{
    arrows::{Tail, arrows, every_except},
    graph::{Graph, GroupInfo, HistoryInfo, StateInfo, StateKind},
};

/// A graph in Graphviz's DOT language, written by [`Display`](fmt::Display).
///
/// `work` states are dashed and end states have a double border. What undoes a step of a saga is dotted, and the compensation sequence is
/// dashed. Transitions that many states share are one arrow, as in [`Mermaid`](crate::Mermaid). A history is a circle in its superstate,
/// with `H`, or `H*` if it is deep.
#[derive(Clone, Copy, Debug)]
#[must_use = "the text is written by `Display`"]
pub struct Dot<'a> {
    graph: Graph,
    highlight: Option<&'a str>,
}

impl Graph {
    /// The graph in Graphviz's DOT language.
    #[inline]
    pub const fn dot(&self) -> Dot<'static> {
        Dot { graph: *self, highlight: None }
    }
}

impl Dot<'_> {
    /// Highlights a state, such as the current state of an instance. An unknown name is ignored.
    #[inline]
    pub const fn highlight(self, state: &str) -> Dot<'_> {
        Dot { graph: self.graph, highlight: Some(state) }
    }

    /// The states and superstates directly in a superstate, or at the top.
    #[inline]
    fn members(&self, f: &mut fmt::Formatter<'_>, group: Option<&str>, depth: usize) -> fmt::Result {
        let (graph, indent) = (&self.graph, "    ".repeat(depth));
        for state in graph.states.iter().filter(|state| state.group == group) {
            self.state(f, state, &indent)?;
        }
        for history in graph.histories().into_iter().filter(|history| Some(history.group) == group) {
            writeln!(
                f,
                "{indent}{} [label=\"{}\", shape=circle];",
                Quoted(&history_name(graph, history)),
                history.sign()
            )?;
        }
        // A graph built by hand can have a cycle.
        let inner = |inner: &(usize, &GroupInfo)| inner.1.parent == group && depth <= graph.groups.len();
        for (i, inner) in graph.groups.iter().enumerate().filter(inner) {
            writeln!(f, "{indent}subgraph cluster_{i} {{\n{indent}    label={};", Quoted(inner.name))?;
            self.members(f, Some(inner.name), depth + 1)?;
            writeln!(f, "{indent}}}")?;
        }
        Ok(())
    }

    #[inline]
    fn state(&self, f: &mut fmt::Formatter<'_>, state: &StateInfo, indent: &str) -> fmt::Result {
        let style = match state.kind {
            StateKind::Rest => "rounded",
            StateKind::Work if self.graph.is_compensation(state.name) => "rounded,dotted",
            StateKind::Work => "rounded,dashed",
            StateKind::End => "rounded,bold",
        };
        let label = match state.enter {
            Some(function) => format!("label=\"{}\\nenter / {}\", ", Escaped(state.name), Escaped(function)),
            None => String::new(),
        };
        write!(f, "{indent}{}", Quoted(state.name))?;
        if self.highlight == Some(state.name) {
            writeln!(f, " [{label}style=\"{style},filled\", fillcolor=\"#ffdd66\"];")
        } else if state.kind == StateKind::End {
            writeln!(f, " [{label}style=\"{style}\", peripheries=2];")
        } else {
            writeln!(f, " [{label}style=\"{style}\"];")
        }
    }
}

impl fmt::Display for Dot<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = &self.graph;
        let arrows = arrows(graph);
        writeln!(f, "digraph {} {{\n    rankdir=LR;\n    node [shape=box];", Quoted(graph.machine))?;
        if arrows.iter().any(|(tail, _)| matches!(tail, Tail::Group(_))) {
            writeln!(f, "    compound=true;")?;
        }
        writeln!(f, "    \"\" [shape=point];")?;
        self.members(f, None, 1)?;
        for state in graph.initial() {
            writeln!(f, "    \"\" -> {};", Quoted(state.name))?;
        }
        let mut boxes: Vec<&[&str]> = Vec::new();
        for (tail, _) in &arrows {
            if let Tail::AllBut(others) = tail
                && !boxes.contains(&&others[..])
            {
                boxes.push(others);
                let text = every_except(graph, others, Cow::Borrowed);
                writeln!(
                    f,
                    "    {} [label=\"{}\", style=\"rounded,dotted\"];",
                    Quoted(&box_name(graph, others)),
                    Escaped(&text)
                )?;
            }
        }
        for (tail, transition) in &arrows {
            let (from, cluster) = match tail {
                Tail::State(name) => (Cow::Borrowed(*name), None),
                Tail::AllBut(others) => (Cow::Owned(box_name(graph, others)), None),
                Tail::Group(name) => {
                    (Cow::Borrowed(transition.from), graph.groups.iter().position(|group| group.name == *name))
                }
            };
            let heads = match transition.history {
                Some(history) => vec![Cow::Owned(history_name(graph, history))],
                None => transition.to.iter().map(|to| Cow::Borrowed(*to)).collect(),
            };
            for to in heads {
                write!(f, "    {} -> {} [label=\"{}", Quoted(&from), Quoted(&to), Escaped(transition.event))?;
                if transition.guarded {
                    f.write_str(" [guarded]")?;
                }
                if transition.internal {
                    f.write_str(" (stays)")?;
                }
                if !transition.by.includes_callers() {
                    f.write_str(" (by worker)")?;
                }
                if let Some(timer) = graph.state(transition.from).and_then(|state| state.timer(transition.event)) {
                    write!(f, " ({})", Escaped(&timer.delay.to_string()))?;
                }
                if !transition.rewinds.is_empty() {
                    write!(f, " (rewinds {})", Escaped(&transition.rewinds.join(", ")))?;
                }
                write!(f, "{}", Escaped(&graph.wait_label(transition)))?;
                if let Some(outer) = transition.overrides {
                    write!(f, " (overrides {})", Escaped(outer))?;
                }
                f.write_str("\"")?;
                if let Some(cluster) = cluster {
                    write!(f, ", ltail=cluster_{cluster}")?;
                }
                writeln!(f, "{}];", if graph.leads_back(transition) { ", style=dashed" } else { "" })?;
            }
        }
        writeln!(f, "}}")
    }
}

/// The name of the box for every state except `others`, distinct from all state names.
#[inline]
fn box_name(graph: &Graph, others: &[&str]) -> String {
    let mut name = format!("every state except {}", others.join(", "));
    while graph.state(&name).is_some() {
        name.push('_');
    }
    name
}

/// The name of a history's node, distinct from all state names.
#[inline]
fn history_name(graph: &Graph, history: HistoryInfo) -> String {
    let mut name = format!("{} of {}", history.kind(), history.group);
    while graph.state(&name).is_some() {
        name.push('_');
    }
    name
}

pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped(self.0))
    }
}

/// Text within quotes. A backslash would begin one of Graphviz's own escapes.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            c if c.is_control() => f.write_str(" "),
            c => write!(f, "{c}"),
        })
    }
}
