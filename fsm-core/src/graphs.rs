//! Several machines in one picture, and the cycles in which their states wait for each other.

use alloc::{collections::BTreeMap, collections::VecDeque, format, string::String, vec, vec::Vec};
use core::fmt;

use crate::{
    dot::{Escaped, Quoted},
    graph::{Graph, StateInfo, StateKind, TransitionInfo},
    mermaid::{plain, text},
    waits::WaitInfo,
};

/// The machines of a program, to draw them in one picture and to find states that wait for each other.
///
/// `fsm-runtime` returns those of a runtime with `Runtime::graphs`.
///
/// ```
/// # use fsm_core::{Graph, Graphs, StateInfo, StateKind, TransitionInfo, WaitInfo};
/// # const PAYMENT: Graph = Graph::new("Payment")
/// #     .with_states(&[StateInfo::new("Open").with_initial(true), StateInfo::new("Captured").with_kind(StateKind::End)])
/// #     .with_transitions(&[TransitionInfo::new("Open", "capture", &["Captured"])]);
/// # const ORDER: Graph = Graph::new("Order")
/// #     .with_states(&[
/// #         StateInfo::new("Waiting").with_initial(true).with_waits(&[WaitInfo::new("payment", "Payment", &["Captured"], "paid")]),
/// #         StateInfo::new("Paid").with_kind(StateKind::End),
/// #     ])
/// #     .with_transitions(&[TransitionInfo::new("Waiting", "paid", &["Paid"])]);
/// let program = Graphs::new([&ORDER, &PAYMENT]);
/// let picture = program.mermaid().to_string();
/// assert!(picture.contains("Order_Waiting -. \"payment, paid\" .-> Payment_Captured"), "{picture}");
/// assert!(program.wait_cycles().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Graphs(Vec<Graph>);

impl Graphs {
    /// The machines of `graphs`, each once.
    #[must_use]
    #[inline]
    pub fn new<'g>(graphs: impl IntoIterator<Item = &'g Graph>) -> Self {
        let mut all: Vec<Graph> = Vec::new();
        for graph in graphs {
            if !all.iter().any(|other| other.machine == graph.machine) {
                all.push(*graph);
            }
        }
        Self(all)
    }

    /// The graphs, in the order in which they were given.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &Graph> {
        self.0.iter()
    }

    /// The graph of `machine`.
    #[must_use]
    #[inline]
    pub fn get(&self, machine: &str) -> Option<&Graph> {
        self.0.iter().find(|graph| graph.machine == machine)
    }

    /// All machines as one Mermaid flowchart.
    ///
    /// Each machine is a box with its states. A dotted arrow leads from a state that waits to each state that it waits for, with the
    /// field and the event. A state diagram of Mermaid cannot have arrows between the states of two machines, so this is a flowchart.
    #[must_use = "the text is written by `Display`"]
    #[inline]
    pub fn mermaid(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| self.write_mermaid(f))
    }

    /// All machines in Graphviz's DOT language. Dashed arrows are waits.
    #[must_use = "the text is written by `Display`"]
    #[inline]
    pub fn dot(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| self.write_dot(f))
    }

    /// The cycles of states that can wait for each other forever, each once.
    ///
    /// A state is in a cycle if the awaited state can be reached only by a wait, and so on back to it. States with a timer, or with
    /// another event that leads to the awaited state, are not in a cycle. The check uses the declarations only, not the ids that instances
    /// hold: a tree of instances of one machine is reported, although its instances do not wait for themselves.
    #[must_use]
    #[inline]
    pub fn wait_cycles(&self) -> Vec<WaitCycle> {
        let nodes: Vec<(&Graph, &'static StateInfo)> = self
            .0
            .iter()
            .flat_map(|graph| graph.states.iter().map(move |state| (graph, state)))
            .filter(|(_, state)| !state.waits.is_empty() && state.timers.is_empty())
            .collect();
        let next: Vec<Vec<usize>> = nodes
            .iter()
            .map(|(_, waiting)| {
                let held_up = |(graph, state): &(&Graph, &StateInfo)| {
                    waiting.waits.iter().any(|wait| wait.machine == graph.machine && holds_up(graph, state, wait))
                };
                (0..nodes.len()).filter(|other| held_up(&nodes[*other])).collect()
            })
            .collect();
        let mut cycles: Vec<Vec<usize>> = Vec::new();
        for start in 0..nodes.len() {
            if cycles.iter().any(|cycle| cycle.contains(&start)) {
                continue;
            }
            cycles.extend(shortest_cycle(&next, start));
        }
        let step = |node: usize| (nodes[node].0.machine, nodes[node].1.name);
        cycles.into_iter().map(|cycle| WaitCycle { states: cycle.into_iter().map(step).collect() }).collect()
    }

    #[inline]
    fn write_mermaid(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ids = Ids::default();
        writeln!(f, "flowchart LR")?;
        for graph in &self.0 {
            let machine = ids.of(graph.machine, "");
            writeln!(f, "    subgraph {machine} [\"{}\"]", text(graph.machine))?;
            for state in graph.states {
                let (id, name) = (ids.of(graph.machine, state.name), text(state.name));
                match state.kind {
                    StateKind::End => writeln!(f, "        {id}([\"{name}\"])")?,
                    StateKind::Work | StateKind::Rest => writeln!(f, "        {id}(\"{name}\")")?,
                }
            }
            for state in graph.initial() {
                let (start, id) = (ids.of(graph.machine, " "), ids.of(graph.machine, state.name));
                writeln!(f, "        {start}((\" \")) --> {id}")?;
            }
            for Edge { from, to, label, leads_back } in edges(graph) {
                let (from, to) = (ids.of(graph.machine, from), ids.of(graph.machine, to));
                let undo = if leads_back { " (undo)" } else { "" };
                writeln!(f, "        {from} -- \"{}{undo}\" --> {to}", text(&label))?;
            }
            writeln!(f, "    end")?;
        }
        for (machine, state, wait, target) in self.waits() {
            let (from, to) = (ids.of(machine, state), ids.of(wait.machine, target.unwrap_or(MISSING)));
            let label = format!("{}, {}", quantity(wait), wait.event);
            let unknown = self.get(wait.machine).is_none() || target.is_none();
            let named = if unknown { format!("[\"{}\"]", text(&node_name(wait, target))) } else { String::new() };
            writeln!(f, "    {from} -. \"{}\" .-> {to}{named}", text(&label))?;
        }
        for (class, style, undoes) in
            [("work", "stroke-dasharray: 5 3", false), ("undo", "stroke-dasharray: 2 3,font-style: italic", true)]
        {
            let states = self.0.iter().flat_map(|graph| graph.states.iter().map(move |state| (graph, state)));
            let of_class = |(graph, state): &(&Graph, &StateInfo)| {
                state.kind == StateKind::Work && graph.is_compensation(state.name) == undoes
            };
            let found = states.filter(of_class).map(|(graph, state)| ids.of(graph.machine, state.name));
            let found: Vec<_> = found.collect();
            if !found.is_empty() {
                writeln!(f, "    classDef {class} {style}")?;
                writeln!(f, "    class {} {class}", found.join(","))?;
            }
        }
        Ok(())
    }

    #[inline]
    fn write_dot(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "digraph {{\n    rankdir=LR;\n    node [shape=box];")?;
        for (i, graph) in self.0.iter().enumerate() {
            let node = |state: &str| format!("{}/{state}", graph.machine);
            writeln!(f, "    subgraph cluster_{i} {{\n        label={};", Quoted(graph.machine))?;
            for state in graph.states {
                let style = match state.kind {
                    StateKind::Rest => "style=\"rounded\"",
                    StateKind::Work if graph.is_compensation(state.name) => "style=\"rounded,dotted\"",
                    StateKind::Work => "style=\"rounded,dashed\"",
                    StateKind::End => "style=\"rounded,bold\", peripheries=2",
                };
                writeln!(f, "        {} [label={}, {style}];", Quoted(&node(state.name)), Quoted(state.name))?;
            }
            let start = node("");
            if graph.initial().next().is_some() {
                writeln!(f, "        {} [shape=point];", Quoted(&start))?;
            }
            for state in graph.initial() {
                writeln!(f, "        {} -> {};", Quoted(&start), Quoted(&node(state.name)))?;
            }
            for Edge { from, to, label, leads_back } in edges(graph) {
                let (from, to) = (node(from), node(to));
                let style = if leads_back { ", style=dashed" } else { "" };
                writeln!(f, "        {} -> {} [label=\"{}\"{style}];", Quoted(&from), Quoted(&to), Escaped(&label))?;
            }
            writeln!(f, "    }}")?;
        }
        for (machine, state, wait, target) in self.waits() {
            let from = format!("{machine}/{state}");
            let to = node_name(wait, target);
            let label = format!("{}, {}", quantity(wait), wait.event);
            let (from, to, label) = (Quoted(&from), Quoted(&to), Escaped(&label));
            writeln!(f, "    {from} -> {to} [style=dashed, label=\"{label}\"];")?;
        }
        writeln!(f, "}}")
    }

    /// Each wait with its machine and state, and each state that it waits for; `None` for an instance that does not exist.
    #[inline]
    fn waits(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static WaitInfo, Option<&'static str>)> {
        let states = self.0.iter().flat_map(|graph| graph.states.iter().map(|state| (graph.machine, state)));
        states.flat_map(|(machine, state)| {
            state.waits.iter().flat_map(move |wait| {
                let targets = wait.states.iter().map(|target| Some(*target)).chain(wait.missing.then_some(None));
                targets.map(move |target| (machine, state.name, wait, target))
            })
        })
    }
}

/// States that can wait for each other forever. From [`Graphs::wait_cycles`].
///
/// [`Display`](fmt::Display) writes it as `` `Order` in `Waiting` → `Payment` in `Held` → `Order` in `Waiting` ``.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitCycle {
    /// The machines and their states: each waits for the next one, and the last one for the first.
    pub states: Vec<(&'static str, &'static str)>,
}

impl fmt::Display for WaitCycle {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (machine, state)) in self.states.iter().chain(self.states.first()).enumerate() {
            write!(f, "{}`{machine}` in `{state}`", if i == 0 { "" } else { " → " })?;
        }
        Ok(())
    }
}

/// The name of the node of instances that do not exist.
const MISSING: &str = "missing";

#[inline]
fn node_name(wait: &WaitInfo, target: Option<&str>) -> String {
    format!("{}/{}", wait.machine, target.unwrap_or(MISSING))
}

/// `payment`, or `all(jobs)`.
#[inline]
fn quantity(wait: &WaitInfo) -> String {
    let text = format!("{wait}");
    text.split_once(':').map_or(text.clone(), |(quantity, _)| quantity.into())
}

/// Whether an instance in `state` keeps `wait` waiting until its own wait ends: it gets to the awaited states by the events of its waits
/// alone.
#[inline]
fn holds_up(graph: &Graph, state: &StateInfo, wait: &WaitInfo) -> bool {
    let awaited = |name: &&str| wait.states.contains(name);
    if awaited(&state.name) {
        return false;
    }
    let leads = |transition: &&'static TransitionInfo| {
        let mut ahead = transition.to.iter().map(|to| (*to, graph.reachable(to)));
        ahead.any(|(to, later)| awaited(&to) || later.iter().any(|state| awaited(&state.name)))
    };
    let mut ahead = graph.transitions_from(state.name).filter(leads).peekable();
    ahead.peek().is_some() && ahead.all(|transition| state.waits.iter().any(|wait| wait.event == transition.event))
}

/// The transitions from one state to another.
struct Edge {
    from: &'static str,
    to: &'static str,
    /// The names of their events.
    label: String,
    /// Whether they are part of a compensation sequence of a saga.
    leads_back: bool,
}

/// The transitions, as one edge for each pair of states and direction of the saga.
#[inline]
fn edges(graph: &Graph) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for transition in graph.transitions {
        let (from, leads_back) = (transition.from, graph.leads_back(transition));
        for to in transition.to {
            let same = |edge: &&mut Edge| (edge.from, edge.to, edge.leads_back) == (from, *to, leads_back);
            match edges.iter_mut().find(same) {
                Some(Edge { label, .. }) => *label = format!("{label}, {}", transition.event),
                None => edges.push(Edge { from, to, label: transition.event.into(), leads_back }),
            }
        }
    }
    edges
}

/// A shortest way from `start` back to itself.
#[inline]
fn shortest_cycle(next: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut before: Vec<Option<usize>> = vec![None; next.len()];
    let mut ahead = VecDeque::from([start]);
    while let Some(here) = ahead.pop_front() {
        for there in &next[here] {
            if *there == start {
                let mut cycle: Vec<usize> = core::iter::successors(Some(here), |node| before[*node]).collect();
                cycle.reverse();
                return Some(cycle);
            }
            if before[*there].is_none() {
                before[*there] = Some(here);
                ahead.push_back(*there);
            }
        }
    }
    None
}

/// A distinct Mermaid identifier for each machine and each of its states.
#[derive(Default)]
struct Ids(BTreeMap<(String, String), String>);

impl Ids {
    #[inline]
    fn of(&mut self, machine: &str, state: &str) -> String {
        let name = (String::from(machine), String::from(state));
        if let Some(id) = self.0.get(&name) {
            return id.clone();
        }
        // Never a word of the language, such as `end`.
        let joined = if state.is_empty() { format!("{machine}_machine") } else { format!("{machine}_{state}") };
        let mut id: String = plain(&joined).into_owned();
        while self.0.values().any(|taken| *taken == id) {
            id.push('_');
        }
        self.0.insert(name, id.clone());
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::TimerInfo;
    use alloc::string::ToString as _;
    use core::time::Duration;

    const PAYMENT: Graph = Graph::new("Payment")
        .with_states(&[
            StateInfo::new("Open").with_kind(StateKind::Work).with_initial(true),
            StateInfo::new("Captured").with_kind(StateKind::End),
        ])
        .with_transitions(&[
            TransitionInfo::new("Open", "capture", &["Captured"]),
            TransitionInfo::new("Open", "settle", &["Captured"]),
        ]);
    const WAITS: &[WaitInfo] = &[
        WaitInfo::new("payment", "Payment", &["Captured"], "paid"),
        WaitInfo::new("parcel", "Parcel", &["Sent"], "sent"),
        WaitInfo::new("payment", "Payment", &[], "lost").with_missing(true),
    ];
    const ORDER: Graph = Graph::new("Order")
        .with_states(&[StateInfo::new("Waiting").with_initial(true).with_waits(WAITS), StateInfo::new("Done")])
        .with_transitions(&[TransitionInfo::new("Waiting", "paid", &["Done"])]);

    #[test]
    fn all_machines_are_in_one_flowchart() {
        let expected = r#"flowchart LR
    subgraph Order_machine ["Order"]
        Order_Waiting("Waiting")
        Order_Done("Done")
        Order__((" ")) --> Order_Waiting
        Order_Waiting -- "paid" --> Order_Done
    end
    subgraph Payment_machine ["Payment"]
        Payment_Open("Open")
        Payment_Captured(["Captured"])
        Payment__((" ")) --> Payment_Open
        Payment_Open -- "capture, settle" --> Payment_Captured
    end
    Order_Waiting -. "payment, paid" .-> Payment_Captured
    Order_Waiting -. "parcel, sent" .-> Parcel_Sent["Parcel/Sent"]
    Order_Waiting -. "payment, lost" .-> Payment_missing["Payment/missing"]
    classDef work stroke-dasharray: 5 3
    class Payment_Open work
"#;
        assert_eq!(Graphs::new([&ORDER, &PAYMENT, &ORDER]).mermaid().to_string(), expected);
    }

    #[test]
    fn all_machines_are_in_one_dot_graph() {
        let expected = r#"digraph {
    rankdir=LR;
    node [shape=box];
    subgraph cluster_0 {
        label="Order";
        "Order/Waiting" [label="Waiting", style="rounded"];
        "Order/Done" [label="Done", style="rounded"];
        "Order/" [shape=point];
        "Order/" -> "Order/Waiting";
        "Order/Waiting" -> "Order/Done" [label="paid"];
    }
    "Order/Waiting" -> "Payment/Captured" [style=dashed, label="payment, paid"];
    "Order/Waiting" -> "Parcel/Sent" [style=dashed, label="parcel, sent"];
    "Order/Waiting" -> "Payment/missing" [style=dashed, label="payment, lost"];
}
"#;
        assert_eq!(Graphs::new([&ORDER]).dot().to_string(), expected);
    }

    /// A machine `name` that goes from `Held`, where it waits, to `Free`.
    const fn held(name: &'static str, states: &'static [StateInfo]) -> Graph {
        const FREE: &[TransitionInfo] = &[TransitionInfo::new("Held", "free", &["Free"])];
        Graph::new(name).with_states(states).with_transitions(FREE)
    }

    const fn state(waits: &'static [WaitInfo]) -> StateInfo {
        StateInfo::new("Held").with_initial(true).with_waits(waits)
    }

    const A: Graph = held("A", &[state(&[WaitInfo::new("b", "B", &["Free"], "free")]), StateInfo::new("Free")]);
    const B: Graph = held("B", &[state(&[WaitInfo::new("c", "C", &["Free"], "free")]), StateInfo::new("Free")]);
    const C: Graph = held("C", &[state(&[WaitInfo::new("a", "A", &["Free"], "free")]), StateInfo::new("Free")]);
    /// Waits for a state that the other has before it waits.
    const LATER: Graph = held("C", &[state(&[WaitInfo::new("a", "A", &["Held"], "free")]), StateInfo::new("Free")]);
    const TIMER: TimerInfo = TimerInfo::new(Duration::from_secs(1), "free");
    const TIMED_STATES: [StateInfo; 2] = [C.states[0].with_timers(&[TIMER]), C.states[1]];
    const TIMED: Graph = held("C", &TIMED_STATES);
    /// A caller can move it to where it is awaited.
    const BY_CALLERS: Graph = C.with_transitions(&[
        TransitionInfo::new("Held", "free", &["Free"]),
        TransitionInfo::new("Held", "release", &["Free"]),
    ]);
    const TREE: Graph = held("A", &[state(&[WaitInfo::new("a", "A", &["Free"], "free")]), StateInfo::new("Free")]);

    fn cycles<const N: usize>(graphs: [&Graph; N]) -> Vec<String> {
        Graphs::new(graphs).wait_cycles().iter().map(WaitCycle::to_string).collect()
    }

    #[test]
    fn states_that_wait_for_each_other_are_found() {
        assert_eq!(cycles([&A, &B, &C]), ["`A` in `Held` → `B` in `Held` → `C` in `Held` → `A` in `Held`"]);
        assert_eq!(cycles([&TREE]), ["`A` in `Held` → `A` in `Held`"]);
        for graphs in [[&A, &B, &LATER], [&A, &B, &TIMED], [&A, &B, &BY_CALLERS], [&A, &B, &ORDER]] {
            assert_eq!(cycles(graphs), [""; 0]);
        }
    }
}
