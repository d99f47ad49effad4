//! The generated machine compared with its file. Each check lists every difference.

use fsm_core::{ApplyError, Graph, Name, Reason, StateKind, StateMachine, testing::transition_paths};
use std::{
    collections::BTreeSet,
    fmt::{Debug, Display},
};

use super::{
    spec::{Counts, Edge, Spec},
    typed::Pair,
};

/// The differences, one line each.
#[derive(Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    fn unless(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if holds {
            return;
        }
        let problem = problem();
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// `found` holds each of `expected` once, and nothing else.
    pub(crate) fn same<T: Ord + Display>(
        &mut self,
        what: &str,
        found: impl IntoIterator<Item = T>,
        expected: &BTreeSet<T>,
    ) {
        let mut missing: BTreeSet<_> = expected.iter().collect();
        for item in found {
            let wanted = missing.remove(&item);
            let twice = expected.contains(&item);
            self.unless(wanted, || {
                let how = if twice { "is there a second time" } else { "is not in the file" };
                format!("{what} `{item}` {how}")
            });
        }
        let missing = missing.iter().map(|item| format!("{what} `{item}` of the file is missing"));
        self.0.extend(missing);
    }

    #[track_caller]
    pub(crate) fn none_in(self, whole: &str) {
        assert!(self.0.is_empty(), "{whole}:\n  {}", self.0.join("\n  "));
    }
}

pub(crate) fn graph(spec: &Spec, graph: &Graph) {
    let mut problems = Problems::default();
    let names = graph.states.iter().map(|state| state.name.to_owned());
    problems.same("state", names, &spec.states);
    let initial = graph.initial().map(|state| state.name.to_owned());
    problems.same("initial state", initial, &spec.initial());
    let of = |kind| graph.states.iter().filter(move |state| state.kind == kind).map(|state| state.name.to_owned());
    problems.same("end", of(StateKind::End), &spec.finals);
    problems.same("state with work", of(StateKind::Work), &spec.work);
    let events = graph.events.iter().map(|event| event.name.to_owned());
    problems.same("event", events, &spec.events());
    problems.same("edge", edges(graph), &spec.edges());
    for ((from, event), targets) in spec.targets() {
        let found = graph.transition(from, event).map(|transition| transition.to);
        let found = found.map(|to| to.iter().copied().collect::<BTreeSet<_>>());
        problems.unless(found.as_ref() == Some(&targets), || {
            format!("`{from}` on `{event}` leads to {found:?}, not to {targets:?}")
        });
    }
    problems.none_in(&format!("the graph of {}", spec.name));
}

fn edges(graph: &Graph) -> impl Iterator<Item = Edge> {
    graph.transitions.iter().flat_map(|transition| {
        transition.to.iter().map(|to| Edge {
            from: transition.from.into(),
            event: transition.event.into(),
            to: (*to).into(),
            guarded: transition.guarded,
        })
    })
}

pub(crate) fn counts(spec: &Spec, graph: &Graph) {
    let edges: Vec<_> = edges(graph).collect();
    let unreachable =
        |from: BTreeSet<String>| names_without(graph, &closure(from, &edges, |edge| (&edge.from, &edge.to)));
    let ends: BTreeSet<_> =
        graph.states.iter().filter(|state| state.kind == StateKind::End).map(|state| state.name.to_owned()).collect();
    let ending = closure(ends.clone(), &edges, |edge| (&edge.to, &edge.from));
    let pair = |from: &str, event: &str| format!("{from}/{event}");
    let mut seen = BTreeSet::new();
    let counts = Counts {
        states: graph.states.len(),
        transitions: edges.len(),
        events: graph.events.len(),
        illegal_pairs: graph.states.len() * graph.events.len() - graph.transitions.len(),
        unreachable_from_initial: unreachable([spec.first().to_owned()].into()),
        unreachable_from_any_initial: unreachable(graph.initial().map(|state| state.name.to_owned()).collect()),
        no_outgoing: names_without(graph, &edges.iter().map(|edge| edge.from.clone()).collect()),
        cannot_reach_final: (!ends.is_empty()).then(|| names_without(graph, &ending)),
        self_loops: edges.iter().filter(|edge| edge.from == edge.to).count(),
        branching_pairs: graph
            .transitions
            .iter()
            .filter(|transition| transition.to.len() > 1)
            .map(|transition| pair(transition.from, transition.event))
            .collect(),
        ambiguous_pairs: graph
            .transitions
            .iter()
            .map(|transition| pair(transition.from, transition.event))
            .filter(|pair| !seen.insert(pair.clone()))
            .collect(),
    };
    assert_eq!(counts, spec.expect, "{}: the graph's counts, and the file's", spec.name);
}

fn names_without(graph: &Graph, some: &BTreeSet<String>) -> BTreeSet<String> {
    let names = graph.states.iter().map(|state| state.name.to_owned());
    names.filter(|name| !some.contains(name)).collect()
}

/// The states reachable from `found` along the edges, in the direction that `along` reads.
fn closure(
    mut found: BTreeSet<String>,
    edges: &[Edge],
    along: impl Fn(&Edge) -> (&String, &String),
) -> BTreeSet<String> {
    loop {
        let steps = edges.iter().map(&along);
        let next: Vec<_> = steps
            .filter(|(here, there)| found.contains(*here) && !found.contains(*there))
            .map(|(_, there)| there.clone())
            .collect();
        if next.is_empty() {
            return found;
        }
        found.extend(next);
    }
}

/// The last steps of the paths that `fsm_core::testing` finds are the reachable edges, each once.
pub(crate) fn paths<M: StateMachine>(spec: &Spec) {
    let reached = closure(spec.initial(), &spec.edges().into_iter().collect::<Vec<_>>(), |edge| (&edge.from, &edge.to));
    let expected = spec.edges().into_iter().filter(|edge| reached.contains(&edge.from));
    let expected = expected.map(|edge| format!("{} --{}--> {}", edge.from, edge.event, edge.to)).collect();
    let paths = transition_paths::<M>();
    let mut problems = Problems::default();
    problems.same("last step", paths.iter().filter_map(|path| path.steps.last()).map(ToString::to_string), &expected);
    for path in &paths {
        let joined = path.steps.windows(2).all(|steps| steps[0].to == steps[1].from);
        problems.unless(joined, || format!("`{path}` is not connected"));
        problems.unless(spec.initial().contains(path.start.as_str()), || {
            format!("`{path}` does not begin in an initial state")
        });
    }
    problems.none_in(&format!("the paths through {}", spec.name));
}

pub(crate) fn names<M: StateMachine>(spec: &Spec) {
    let mut problems = Problems::default();
    names_of::<M::State>("state", &spec.states, &mut problems);
    names_of::<M::EventKind>("event", &spec.events(), &mut problems);
    problems.none_in(&format!("the names of {}", spec.name));
}

fn names_of<N: Name>(what: &str, expected: &BTreeSet<String>, problems: &mut Problems) {
    problems.same(what, N::ALL.iter().map(ToString::to_string), expected);
    for (index, name) in N::ALL.iter().enumerate() {
        problems.unless(name.to_string().parse() == Ok(*name), || {
            format!("{what} `{name}` is not parsed as what it was printed from")
        });
        problems.unless(name.index() == index && name.as_str() == name.to_string(), || {
            format!("{what} `{name}` has index {} and text `{}`", name.index(), name.as_str())
        });
    }
    let first = N::ALL[0].as_str();
    let other_case: String =
        first.chars().map(|c| if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() }).collect();
    for wrong in ["", "no such name", &first[1..], &format!(" {first}"), &other_case] {
        let unknown = wrong.parse::<N>().map_err(|unknown| unknown.known().len());
        problems.unless(unknown == Err(N::ALL.len()), || format!("{what} `{wrong}` is parsed as {unknown:?}"));
    }
}

pub(crate) fn initial(spec: &Spec, states: impl IntoIterator<Item = (&'static str, bool)>) {
    let mut problems = Problems::default();
    let found: BTreeSet<_> = states.into_iter().filter(|(_, initial)| *initial).collect();
    let names = found.into_iter().map(|(name, _)| name.to_owned());
    problems.same("initial state", names, &spec.initial());
    problems.none_in(&format!("the initial types of {}", spec.name));
}

pub(crate) fn pairs<M>(spec: &Spec, pairs: &[Pair<M>])
where
    M: StateMachine<Event: Debug + PartialEq> + Debug + PartialEq,
{
    let mut problems = Problems::default();
    let (targets, events) = (spec.targets(), spec.events());
    let all = spec.states.iter().flat_map(|state| events.iter().map(move |event| (&**state, &**event)));
    let (mut seen, mut moved, mut refused) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for pair in pairs {
        let (state, kind) = (pair.state.state(), M::kind_of(&pair.event));
        let at = (state.as_str(), kind.as_str());
        answers(pair, targets.contains_key(&at), &mut problems);
        seen.insert(at);
        match &pair.applied {
            Ok(machine) => moved.insert((at, machine.state().as_str())),
            Err(_) => refused.insert(at),
        };
        let declared = targets.keys().filter(|(from, _)| *from == at.0).count();
        problems.unless(pair.accepts.len() == declared, || {
            format!("`{state}` accepts {:?}; the file has {declared}", pair.accepts)
        });
    }
    let moved = moved.into_iter().map(|((from, event), to)| Edge {
        from: from.into(),
        event: event.into(),
        to: to.into(),
        guarded: refused.contains(&(from, event)),
    });
    problems.same("edge", moved, &spec.edges());
    let show = |(from, event)| format!("{from}/{event}");
    problems.same("pair", seen.into_iter().map(show), &all.map(show).collect());
    problems.none_in(&format!("the pairs of {}", spec.name));
}

/// Every answer about one pair agrees with `legal`, and `apply` and `fire` agree with each other.
fn answers<M>(pair: &Pair<M>, legal: bool, problems: &mut Problems)
where
    M: StateMachine<Event: Debug + PartialEq> + Debug + PartialEq,
{
    let (state, kind) = (pair.state.state(), M::kind_of(&pair.event));
    let word = |legal| if legal { "legal" } else { "illegal" };
    let at = format!("`{kind}` in `{state}`, {} in the file,", word(legal));
    for (who, answer) in [
        ("the types", pair.declared),
        ("`can`", pair.can),
        ("`StateMachine::can`", pair.state.can(kind)),
        ("`accepts`", pair.accepts.contains(&kind)),
    ] {
        problems.unless(answer == legal, || format!("{at} is {} to {who}", word(answer)));
    }
    problems.unless(pair.fired.as_ref().map(outcome) == legal.then(|| outcome(&pair.applied)), || {
        format!("{at} becomes {:?} by `fire`, and {:?} by `apply`", pair.fired, pair.applied)
    });
    if let Err(rejected) = &pair.applied {
        let back = rejected.machine == pair.state && rejected.event == pair.event;
        problems.unless(back, || format!("{at} comes back otherwise than it went in: {rejected:?}"));
        problems.unless(rejected.accepts() == pair.accepts, || {
            format!("{at} is rejected with {:?} as what is accepted", rejected.accepts())
        });
        problems.unless(rejected.reason.is_some() == legal, || {
            format!("{at} is refused with the reason {:?}", rejected.reason)
        });
    }
}

/// All of it, to compare.
fn outcome<M: StateMachine>(result: &Result<M, ApplyError<M>>) -> Result<&M, (&M, &M::Event, Option<&Reason>)> {
    result.as_ref().map_err(|ApplyError { machine, event, reason }| (machine, event, reason.as_ref()))
}
