//! Random declarations against a reference model: the accepted events and their targets in every generated form, reachability,
//! and the exact set of errors.

mod declared;
pub(super) mod expansion;
mod naive;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use fsm_core::{FiredBy, WaitInfo};
use syn::DeriveInput;

use crate::{diagram::reading, model::Machine};
use declared::{Declared, Delay, FIELDS, Kind, Wait, declarations, delay, event_name, group_name, name};
use expansion::{Module, Pair};
use naive::{Naive, Transition};

/// The kind of a valid declaration with a history.
const HISTORY: &str = "valid, with a history";
/// The kind of a valid declaration that waits, and of one of which callers cannot fire what a wait fires.
const WAITS: [&str; 2] = ["valid, with a wait", "valid, with `by = worker` for a wait"];

/// How often each kind of error was seen; `"valid"` counts declarations without errors.
type Seen = BTreeMap<String, usize>;

#[test]
fn random_declarations_match_the_reference_model() {
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let seen = RefCell::new(Seen::new());
    let result = runner.run(&declarations(), |declared| {
        let kinds = compare(&declared).map_err(TestCaseError::fail)?;
        for kind in kinds {
            *seen.borrow_mut().entry(kind).or_default() += 1;
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    assert!(seen.get("valid").is_some_and(|valid| *valid > 100), "too few valid declarations: {seen:#?}");
    assert!(seen.get(HISTORY).is_some_and(|valid| *valid > 20), "too few histories: {seen:#?}");
    for (kind, least) in WAITS.into_iter().zip([20, 2]) {
        assert!(seen.get(kind).is_some_and(|valid| *valid >= least), "too few of `{kind}`: {seen:#?}");
    }
    assert!(seen.len() > 30, "kinds of errors are missing: {seen:#?}");
}

/// Compares a declaration with the model and returns the kinds of its errors.
fn compare(declared: &Declared) -> Result<BTreeSet<String>, String> {
    let tokens = declared.tokens();
    let shown = tokens.to_string();
    let input: DeriveInput = syn::parse2(tokens).expect("it is an enum");
    let expansion = crate::derive(input.clone());
    let naive = Naive::of(declared);
    let errors = expansion::errors(expansion.clone());
    same_errors(&errors, &naive.errors).map_err(|difference| format!("{difference}\n{shown}"))?;
    if errors.is_empty() {
        let diagram = expansion::diagram(expansion.clone()).ok_or("there is no diagram")?;
        let module = Module::of(expansion);
        let same = same_machine(declared, &naive, &module)
            .and_then(|()| same_diagram(&super::diagrams::machine(input), &module, &diagram));
        same.map_err(|difference| format!("{difference}\n{shown}"))?;
        let mut kinds = BTreeSet::from(["valid".to_owned()]);
        kinds.extend(naive.transitions.iter().any(|on| on.history.is_some()).then(|| HISTORY.to_owned()));
        let waits = declared.states.iter().enumerate();
        let waits = waits.flat_map(|(state, it)| it.waits.iter().map(move |wait| (state, it, wait)));
        for (state, it, wait) in waits {
            kinds.insert(WAITS[0].to_owned());
            let only = it.kind == Kind::Rest && !it.timers.contains(&wait.event);
            let by = naive.transitions.iter().any(|on| on.by && (on.from, on.event) == (state, wait.event));
            kinds.extend((only && by).then(|| WAITS[1].to_owned()));
        }
        return Ok(kinds);
    }
    let kind = |error: &String| error.split('`').step_by(2).take(3).collect::<Vec<_>>().join("…");
    Ok(naive.errors.iter().map(kind).collect())
}

/// Every error begins with one of the expected beginnings, and every expected error is found.
fn same_errors(errors: &[String], expected: &[String]) -> Result<(), String> {
    let mut left = expected.to_vec();
    for error in errors {
        let begins = |expected: &String| match expected.split_once(" | ") {
            Some((beginning, steps)) => {
                error.starts_with(beginning) && format!("{} steps", error.matches(" → ").count()) == steps
            }
            None => error.starts_with(expected.as_str()),
        };
        let Some(found) = left.iter().position(begins) else {
            return Err(format!("unexpected error: {error}\nexpected: {expected:#?}"));
        };
        left.swap_remove(found);
    }
    if left.is_empty() { Ok(()) } else { Err(format!("missing errors: {left:#?}\nfound: {errors:#?}")) }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:#?} instead of {expected:#?}")) }
}

fn pascal(event: usize) -> String {
    format!("E{event}")
}

/// The choice type of a transition with several targets, `choice::S0E1<…>`, or the single target.
fn target(transition: &Transition, wrap: impl Fn(String) -> String) -> String {
    let targets: Vec<_> = transition.to.iter().map(|to| wrap(name(*to).to_string())).collect();
    match &targets[..] {
        [target] => target.clone(),
        targets => format!("choice::S{}{}<{}>", transition.from, pascal(transition.event), targets.join(",")),
    }
}

fn same_machine(declared: &Declared, naive: &Naive<'_>, module: &Module) -> Result<(), String> {
    let pairs = |pair: &dyn Fn(&Transition) -> Pair| naive.transitions.iter().map(pair).collect::<BTreeSet<_>>();
    let state = |transition: &Transition| name(transition.from).to_string();
    let library = if declared.durable { "::fsm_runtime::core" } else { "::fsm_core" };
    let next = |on: &Transition, machine: &str| {
        let (target, event) = (target(on, |to| format!("Machine<{to}>")), pascal(on.event));
        let refused = format!("::core::result::Result<{target},{library}::GuardError<{machine},event::{event}>>");
        if on.guard { refused } else { target }
    };
    let event_of = pairs(&|on| {
        let machine = format!("Machine<{}>", state(on));
        (state(on), format!("event::{}", pascal(on.event)), next(on, &machine))
    });
    same("`EventOf`", &module.declared(), &event_of)?;
    let methods = pairs(&|on| (state(on), event_name(on.event).to_string(), format!("->{}", next(on, "Self"))));
    same("methods of machines", &module.methods("Machine"), &methods)?;
    let names =
        |pairs: BTreeSet<Pair>| pairs.into_iter().map(|(state, event, _)| (state, event)).collect::<BTreeSet<_>>();
    if declared.durable {
        let for_callers = || naive.transitions.iter().filter(|on| !on.by);
        let expected = for_callers().map(|on| (state(on), event_name(on.event).to_string())).collect();
        same("methods of records", &names(module.methods("Record")), &expected)?;
        let events = for_callers().map(|on| (state(on), format!("event::{}", pascal(on.event)))).collect();
        let restricted = naive.transitions.iter().any(|on| on.by).then_some(events);
        same("events of callers", &module.for_callers(), &restricted)?;
        let accepts = module.function("AnyRecord", "accepts");
        for from in (0..declared.states.len()).filter(|_| restricted.is_some()) {
            let events = for_callers().filter(|on| on.from == from);
            let events: Vec<_> = events.map(|on| format!("EventKind::{}", pascal(on.event))).collect();
            let arm = format!("Self::S{from}(_)=>&[{}]", events.join(","));
            same(&arm, &accepts.contains(&arm), &true)?;
        }
        let is_work = |(state, _): &(String, String)| declared.states[index(state)].kind == Kind::Work;
        let tasks = names(methods).into_iter().filter(is_work).collect();
        same("methods of tasks", &names(module.methods("Task")), &tasks)?;
    }
    same_names(declared, naive, module)?;
    let enters = declared.states.iter().map(|state| state.enter.then_some("begin"));
    let graph = module.graph();
    same("functions on entry", &graph.states.iter().map(|state| state.enter).collect::<Vec<_>>(), &enters.collect())?;
    let timers = declared.states.iter().map(|state| {
        let timer = |event: &usize| {
            let delay = match delay(declared, *event) {
                Delay::Known => "after 1h",
                Delay::Computed => "after state.pause",
                Delay::At => "at state.until",
            };
            format!("{} {delay}", event_name(*event))
        };
        state.timers.iter().map(timer).collect()
    });
    let found = graph
        .states
        .iter()
        .map(|state| state.timers.iter().map(|timer| format!("{} {}", timer.event, timer.delay)).collect::<Vec<_>>());
    same("timers", &found.collect::<Vec<_>>(), &timers.collect())?;
    same_waits(declared, module)?;
    same_graph(naive, module)
}

/// Compares what states wait for: in the graph, and in what the runtime reads and fires.
fn same_waits(declared: &Declared, module: &Module) -> Result<(), String> {
    let waits = declared.states.iter().map(|state| state.waits.iter().map(Wait::text).collect::<Vec<_>>());
    let shown = |wait: &WaitInfo| format!("{wait} => {}", wait.event);
    let found = module.graph().states.iter().map(|state| state.waits.iter().map(shown).collect::<Vec<_>>());
    same("waits", &found.collect::<Vec<_>>(), &waits.collect())?;
    let mut fired = BTreeSet::new();
    for (state, it) in declared.states.iter().enumerate() {
        for (place, wait) in it.waits.iter().enumerate() {
            let fields = declared.events[wait.event];
            let payload: Vec<_> = (0..2).filter(|field| fields[*field]).map(|field| FIELDS[field].to_owned()).collect();
            fired.insert((format!("S{state}"), format!("{place} {}", pascal(wait.event)), payload.join(" ")));
        }
    }
    same("events that waits fire", &module.fired_by_waits(), &fired)?;
    let ids = declared.states.iter().enumerate().filter(|(_, state)| !state.waits.is_empty()).map(|(index, state)| {
        let id = |wait: &Wait| {
            if wait.quantity == 0 { FIELDS[wait.field].to_owned() } else { format!("{}…", FIELDS[wait.field]) }
        };
        (format!("S{index}"), state.waits.iter().map(id).collect::<Vec<_>>().join(" "))
    });
    same("ids that are waited for", &module.awaited(), &ids.collect())
}

fn index(state: &str) -> usize {
    state[1..].parse().expect("a state is named `S` and its number")
}

/// Compares the code for states and events that are known only at run time.
fn same_names(declared: &Declared, naive: &Naive<'_>, module: &Module) -> Result<(), String> {
    let accepts = module.function("State", "accepts");
    let from = |state: usize| naive.transitions.iter().filter(move |on| on.from == state);
    for state in 0..declared.states.len() {
        let events: Vec<_> = from(state).map(|on| format!("EventKind::{}", pascal(on.event))).collect();
        let arm = format!("Self::S{state}=>&[{}]", events.join(","));
        same(&arm, &accepts.contains(&arm), &true)?;
    }
    let applied = naive.transitions.iter().map(|on| {
        let enters = !on.internal && on.to.iter().any(|to| declared.states[*to].enter);
        let target = match on.history {
            _ if on.guard || on.with || enters => "__step".to_owned(),
            // A `match` over the states that the history can be.
            Some(_) => String::new(),
            None => name(on.to[0]).to_string(),
        };
        (name(on.from).to_string(), pascal(on.event), target)
    });
    let found = module.table().map_or_else(|| module.arms(), |table| entries(&table));
    same("`apply`", &found, &applied.collect())
}

/// The entries of a table: `next[State::index(State::S0)][EventKind::index(EventKind::E1)]=::core::option::Option::Some(State::S2);`
fn entries(table: &str) -> BTreeSet<Pair> {
    let name =
        |text: &str, after: &str| Some(text.split_once(after)?.1.chars().take_while(|c| c.is_alphanumeric()).collect());
    let entry =
        |entry: &str| Some((name(entry, "(State::")?, name(entry, "(EventKind::")?, name(entry, "Some(State::")?));
    table.split("next[").filter_map(entry).collect()
}

/// Checks that the diagram is well-formed, has all states, and that its arrows are read as the transitions.
fn same_diagram(machine: &Machine, module: &Module, diagram: &str) -> Result<(), String> {
    let mut open = Vec::new();
    for tag in diagram.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').ok_or("a tag does not end")?;
        same("text without `>`", &text.contains('>'), &false)?;
        match tag.strip_prefix('/') {
            Some(closed) => same("the closed tag", &open.pop(), &Some(closed))?,
            None => open.extend(tag.split(' ').next()),
        }
    }
    same("unclosed tags", &open, &Vec::new())?;
    same("an empty line, which would end the SVG in Markdown", &diagram.trim().contains("\n\n"), &false)?;
    let graph = module.graph();
    for state in graph.states {
        same(state.name, &diagram.matches(&format!(">{}</text>", state.name)).count(), &1)?;
    }
    same("labels of arrows", &diagram.matches("href=\"event/").count(), &reading::labels(machine))?;
    reading::check(machine)
}

/// Compares the graph and its queries.
fn same_graph(naive: &Naive<'_>, module: &Module) -> Result<(), String> {
    let graph = module.graph();
    let found: Vec<_> =
        graph.transitions.iter().map(|on| (on.from, on.event, on.to.to_vec(), on.guarded, on.auto)).collect();
    let rewinds: Vec<_> = graph.transitions.iter().map(|on| on.rewinds.join(" ")).collect();
    let expected = naive
        .transitions
        .iter()
        .map(|on| on.rewinds.iter().map(|timer| event_name(*timer).to_string()).collect::<Vec<_>>().join(" "));
    same("rewound timers", &rewinds, &expected.collect())?;
    let by = |on: &Transition| if on.by { FiredBy::Worker } else { FiredBy::Anyone };
    let marks = graph.transitions.iter().map(|on| {
        let history = on.history.map(|history| (history.group.to_owned(), history.deep));
        (on.internal, on.overrides, on.by, history)
    });
    let expected = naive.transitions.iter().map(|on| {
        let history = on.history.map(|(group, deep)| (group_name(group).to_string(), deep));
        (on.internal, on.overrides.as_deref(), by(on), history)
    });
    same("internal transitions, overrides, `by` and histories", &marks.collect::<Vec<_>>(), &expected.collect())?;
    let names: Vec<_> = (0..graph.states.len()).map(|state| name(state).to_string()).collect();
    let events: Vec<_> = naive.transitions.iter().map(|on| event_name(on.event).to_string()).collect();
    let expected = naive.transitions.iter().zip(&events).map(|(on, event)| {
        let to = on.to.iter().map(|to| names[*to].as_str()).collect();
        (names[on.from].as_str(), event.as_str(), to, on.guard, on.auto)
    });
    same("transitions", &found, &expected.collect())?;
    for from in 0..names.len() {
        let steps = naive.steps_from(from);
        let reachable: Vec<_> = graph.reachable(&names[from]).iter().map(|state| state.name).collect();
        let expected = names.iter().zip(&steps).filter(|(_, steps)| steps.is_some()).map(|(name, _)| name.as_str());
        same(&format!("reachable from {}", names[from]), &reachable, &expected.collect())?;
        for (to, steps) in steps.iter().enumerate() {
            let path = graph.path(&names[from], &names[to]);
            let expected = if from == to { Some(0) } else { *steps };
            same(&format!("path from {from} to {to}"), &path.as_ref().map(Vec::len), &expected)?;
            let mut here = names[from].as_str();
            for step in path.into_iter().flatten() {
                same("a step", &(step.transition.from, step.transition.to.contains(&step.to)), &(here, true))?;
                here = step.to;
            }
        }
    }
    Ok(())
}
