//! The graph as a Mermaid state diagram.

use alloc::{
    borrow::{Cow, ToOwned as _},
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use core::{fmt, time::Duration};

use crate::{
    arrows::{Tail, arrows, every_except},
    graph::{Graph, HistoryInfo, StateInfo, StateKind, TransitionInfo},
};

/// A graph as Mermaid text (`stateDiagram-v2`), written by [`Display`](fmt::Display).
///
/// States and transitions appear in declaration order, so the text is the same on every run. The diagram marks `work` states,
/// end states, guards (`[guarded]`), `by = worker`, timers, waits and the compensation sequence of a saga, and shows the first line of each
/// state's doc comment and its function on entry.
///
/// Large graphs stay readable because shared transitions are drawn once: a transition of all members of a superstate (three or
/// more) is one arrow from the superstate, and a transition of almost all states (nine or more) is one arrow from a box that
/// lists the exceptions. A transition to a history is one arrow, to an `H` in the superstate, or to an `H*` if the history is deep.
///
/// ```
/// # use fsm_core::{Graph, StateInfo};
/// const DOOR: Graph = Graph::new("Door").with_states(&[StateInfo::new("Open").with_initial(true)]);
/// assert_eq!(DOOR.mermaid().to_string(), "stateDiagram-v2\n    state \"Open\" as Open\n    [*] --> Open\n");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "the text is written by `Display`"]
pub struct Mermaid<'a> {
    graph: Graph,
    highlight: Option<&'a str>,
    docs: bool,
}

impl Graph {
    /// The graph as a Mermaid state diagram.
    #[inline]
    pub const fn mermaid(&self) -> Mermaid<'static> {
        Mermaid { graph: *self, highlight: None, docs: true }
    }
}

impl<'a> Mermaid<'a> {
    /// Highlights a state, such as the current state of an instance. An unknown name is ignored.
    #[inline]
    pub const fn highlight<'b>(self, state: &'b str) -> Mermaid<'b>
    where
        'a: 'b,
    {
        Mermaid { highlight: Some(state), graph: self.graph, docs: self.docs }
    }

    /// Sets whether each state shows the first line of its doc comment. The default is `true`.
    #[inline]
    pub const fn docs(self, docs: bool) -> Self {
        Self { docs, ..self }
    }
}

impl fmt::Display for Mermaid<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { graph, highlight, docs } = self;
        let drawing = Drawing { graph, ids: ids(graph), docs: *docs };
        writeln!(f, "stateDiagram-v2")?;
        drawing.members(f, None, 1)?;
        for state in graph.initial() {
            writeln!(f, "    [*] --> {}", drawing.id(state.name))?;
        }
        let arrows = arrows(graph);
        let mut boxes = Vec::new();
        for (tail, _) in &arrows {
            if let Tail::AllBut(others) = tail
                && !boxes.contains(&others)
            {
                boxes.push(others);
                writeln!(
                    f,
                    "    state \"{}\" as {}",
                    every_except(graph, others, |name| Cow::Owned(text(name))),
                    drawing.box_id(others)
                )?;
            }
        }
        for (tail, transition) in &arrows {
            let from = match tail {
                Tail::State(name) | Tail::Group(name) => Cow::Borrowed(drawing.id(name)),
                Tail::AllBut(others) => Cow::Owned(drawing.box_id(others)),
            };
            drawing.transition(f, &from, transition)?;
        }
        for state in graph.states.iter().filter(|state| state.kind == StateKind::End) {
            writeln!(f, "    {} --> [*]", drawing.id(state.name))?;
        }
        let undo = |state: &StateInfo| graph.is_compensation(state.name);
        let work = |state: &StateInfo| state.kind == StateKind::Work && !undo(state);
        drawing.class(f, "work", "stroke-dasharray: 5 3", work)?;
        drawing.class(f, "undo", "stroke-dasharray: 2 3,font-style: italic", undo)?;
        drawing.class(f, "ended", "stroke-width: 3px", |state| state.kind == StateKind::End)?;
        drawing.class(f, "here", "fill:#fd6,color:#000,stroke-width: 3px", |state| Some(state.name) == *highlight)
    }
}

/// A graph with Mermaid identifiers for its names.
struct Drawing<'g> {
    graph: &'g Graph,
    ids: BTreeMap<&'static str, String>,
    docs: bool,
}

impl Drawing<'_> {
    /// The identifier of a state or superstate. A name that the graph does not declare is returned as it is.
    #[inline]
    fn id<'n>(&'n self, name: &'n str) -> &'n str {
        self.ids.get(name).map_or(name, String::as_str)
    }

    /// The states and superstates directly in a superstate, or at the top.
    #[inline]
    fn members(&self, f: &mut fmt::Formatter<'_>, group: Option<&str>, depth: usize) -> fmt::Result {
        let indent = "    ".repeat(depth);
        for state in self.graph.states.iter().filter(|state| state.group == group) {
            self.state(f, state, &indent)?;
        }
        for history in self.graph.histories().into_iter().filter(|history| Some(history.group) == group) {
            writeln!(f, "{indent}state \"{}\" as {}", text(history.sign()), self.history_id(history))?;
        }
        // A graph built by hand can have a cycle.
        let inner = self.graph.groups.iter().filter(|inner| inner.parent == group && depth <= self.graph.groups.len());
        for inner in inner {
            writeln!(f, "{indent}state \"{}\" as {} {{", text(inner.name), self.id(inner.name))?;
            self.members(f, Some(inner.name), depth + 1)?;
            writeln!(f, "{indent}}}")?;
        }
        Ok(())
    }

    #[inline]
    fn state(&self, f: &mut fmt::Formatter<'_>, state: &StateInfo, indent: &str) -> fmt::Result {
        let id = self.id(state.name);
        writeln!(f, "{indent}state \"{}\" as {id}", text(state.name))?;
        match state.doc.trim_start().lines().next() {
            Some(doc) if self.docs => writeln!(f, "{indent}{id} : {}", text(doc.trim_end()))?,
            _ => {}
        }
        match state.enter {
            Some(function) => writeln!(f, "{indent}{id} : enter / {}", text(function)),
            None => Ok(()),
        }
    }

    /// The identifier of a history, distinct from all others.
    #[inline]
    fn history_id(&self, history: HistoryInfo) -> String {
        let kind = if history.deep { "deep_history" } else { "history" };
        let mut id = format!("{}_{kind}", self.id(history.group));
        while self.ids.values().any(|taken| *taken == id) {
            id.push('_');
        }
        id
    }

    /// The identifier of the box for every state except `others`, distinct from all others.
    #[inline]
    fn box_id(&self, others: &[&str]) -> String {
        let others = others.iter().map(|name| self.id(name));
        let mut id = core::iter::once("every").chain(others).collect::<Vec<_>>().join("_");
        while self.ids.values().any(|taken| *taken == id) {
            id.push('_');
        }
        id
    }

    #[inline]
    fn transition(&self, f: &mut fmt::Formatter<'_>, from: &str, transition: &TransitionInfo) -> fmt::Result {
        let guard = if transition.guarded { " [guarded]" } else { "" };
        let internal = if transition.internal { " (stays)" } else { "" };
        let by = if transition.by.includes_callers() { "" } else { " (by worker)" };
        let undo = if self.graph.leads_back(transition) { " (undo)" } else { "" };
        let overrides = match transition.overrides {
            Some(outer) => format!(" (overrides {})", text(outer)),
            None => String::new(),
        };
        let timer = self.graph.state(transition.from).and_then(|state| state.timer(transition.event));
        let timer = timer.map_or_else(String::new, |timer| format!(" ({})", text(&timer.delay.to_string())));
        let rewinds = match transition.rewinds {
            [] => String::new(),
            timers => format!(" (rewinds {})", text(&timers.join(", "))),
        };
        let wait = text(&self.graph.wait_label(transition));
        let heads = match transition.history {
            Some(history) => vec![self.history_id(history)],
            None => transition.to.iter().map(|to| self.id(to).to_owned()).collect(),
        };
        for to in heads {
            let event = text(transition.event);
            writeln!(f, "    {from} --> {to} : {event}{guard}{internal}{by}{undo}{timer}{rewinds}{wait}{overrides}")?;
        }
        Ok(())
    }

    #[inline]
    fn class(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        style: &str,
        of: impl Fn(&StateInfo) -> bool,
    ) -> fmt::Result {
        let states = self.graph.states.iter().filter(|state| of(state));
        let ids: Vec<_> = states.map(|state| self.id(state.name)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        writeln!(f, "    classDef {name} {style}")?;
        writeln!(f, "    class {} {name}", ids.join(","))
    }
}

/// A distinct Mermaid identifier for each name. Mermaid's lexer rejects `-` in identifiers and reserves some words.
#[inline]
fn ids(graph: &Graph) -> BTreeMap<&'static str, String> {
    let mut ids: BTreeMap<&'static str, String> = BTreeMap::new();
    let names = graph.states.iter().map(|state| state.name);
    for name in names.chain(graph.groups.iter().map(|group| group.name)) {
        let mut id = plain(name).into_owned();
        while ids.values().any(|taken| *taken == id) {
            id.push('_');
        }
        ids.insert(name, id);
    }
    ids
}

/// Words that Mermaid's lexer reserves where an identifier could appear, compared without case.
const RESERVED: [&str; 16] = [
    "accdescr",
    "acctitle",
    "as",
    "class",
    "classdef",
    "click",
    "default",
    "direction",
    "end",
    "hide",
    "href",
    "note",
    "scale",
    "state",
    "statediagram",
    "style",
];

#[inline]
pub(crate) fn plain(name: &str) -> Cow<'_, str> {
    if RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name)) {
        return Cow::Owned(format!("{name}_"));
    }
    if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect())
}

/// Escapes free text: characters that Mermaid, Markdown or HTML could read as markup become entities (`#58;` is a colon).
#[inline]
pub(crate) fn text(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            ' ' | '.' | ',' | '\'' | '(' | ')' | '/' | '!' | '?' | '=' | '+' | '_' | '-' => out.push(c),
            c if c.is_control() => out.push(' '),
            c if c.is_ascii_punctuation() => {
                out.push('#');
                out.push_str(&u32::from(c).to_string());
                out.push(';');
            }
            c => out.push(c),
        }
        out
    })
}

/// A duration in the form `15m`, `1h30m` or `250ms`.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0s");
        }
        let seconds = self.0.as_secs();
        let parts = [
            (seconds / 86_400, "d"),
            (seconds / 3_600 % 24, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
            (u64::from(self.0.subsec_millis()), "ms"),
            (u64::from(self.0.subsec_nanos() % 1_000_000), "ns"),
        ];
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{GroupInfo, TimerInfo};

    const GRAPH: Graph = Graph::new("Lease")
        .with_states(&[
            StateInfo::new("INIT-REBOOT").with_initial(true).with_doc("Waits; forever:\nor not."),
            StateInfo::new("INIT_REBOOT")
                .with_kind(StateKind::Work)
                .with_timers(&[TimerInfo::new(Duration::from_millis(5_400_250), "expire")])
                .with_group("Active")
                .with_enter("lease::begin"),
            StateInfo::new("End").with_kind(StateKind::End),
        ])
        .with_transitions(&[
            TransitionInfo::new("INIT-REBOOT", "go", &["INIT_REBOOT", "End"]).with_guarded(true),
            TransitionInfo::new("INIT_REBOOT", "expire", &["End"]),
        ])
        .with_groups(&[GroupInfo::new("Active")]);

    #[test]
    fn everything_is_drawn() {
        let expected = r#"stateDiagram-v2
    state "INIT-REBOOT" as INIT_REBOOT
    INIT_REBOOT : Waits#59; forever#58;
    state "End" as End_
    state "Active" as Active {
        state "INIT_REBOOT" as INIT_REBOOT_
        INIT_REBOOT_ : enter / lease#58;#58;begin
    }
    [*] --> INIT_REBOOT
    INIT_REBOOT --> INIT_REBOOT_ : go [guarded]
    INIT_REBOOT --> End_ : go [guarded]
    INIT_REBOOT_ --> End_ : expire (after 1h30m250ms)
    End_ --> [*]
    classDef work stroke-dasharray: 5 3
    class INIT_REBOOT_ work
    classDef ended stroke-width: 3px
    class End_ ended
    classDef here fill:#fd6,color:#000,stroke-width: 3px
    class End_ here
"#;
        assert_eq!(GRAPH.mermaid().highlight("End").to_string(), expected);
    }

    #[test]
    fn docs_can_be_omitted_and_unknown_highlights_are_ignored() {
        let text = GRAPH.mermaid().docs(false).highlight("Nowhere").to_string();
        assert!(!text.contains("Waits") && !text.contains("here"), "{text}");
    }
}
