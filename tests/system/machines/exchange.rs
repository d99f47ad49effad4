//! Reads the formats of other tools back: the configuration for `XState`, and SCXML. Writes files for the parsers of `XState` and Mermaid.

use fsm_core::{Graph, StateMachine};
use roxmltree::{Document, Node};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

/// Source, event and target. An internal transition has no target.
type Edge = (String, String, Option<String>);

/// What both formats hold of a graph.
#[derive(Debug, Default, PartialEq)]
struct Read {
    /// Each state with the superstates around it, from the outermost.
    states: BTreeSet<Vec<String>>,
    ends: BTreeSet<String>,
    edges: BTreeSet<Edge>,
    timers: BTreeSet<(String, String)>,
    /// What states wait for: the state, the event that is fired, and the wait as it is declared.
    waits: BTreeSet<(String, String, String)>,
}

pub(crate) fn check(graph: &Graph) {
    let expected = of_graph(graph);
    let config = graph.xstate_json().to_string();
    // `.ci/run` shows them to the npm packages `xstate` and `mermaid`.
    write("xstate", &format!("{}.json", graph.machine), &config);
    write("mermaid", &format!("{}.md", graph.machine), &format!("```mermaid\n{}```\n", graph.mermaid()));
    let config: Value = serde_json::from_str(&config).unwrap_or_else(|error| panic!("{error} in {config}"));
    let mut read = Read::default();
    members(&config, &config, &mut Vec::new(), &mut read);
    assert_eq!(read, expected, "XState: {}", graph.machine);
    let text = graph.scxml().to_string();
    let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
    let mut read = Read::default();
    elements(document.root_element(), &mut Vec::new(), &mut read);
    assert_eq!(read, expected, "SCXML: {}", graph.machine);
}

/// Writes a file for a check by another program.
pub(crate) fn write(folder: &str, name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), text).expect("a file");
}

fn of_graph(graph: &Graph) -> Read {
    let path = |name: &str| {
        let mut path: Vec<_> = graph.groups_of(name).map(|group| group.name.to_owned()).collect();
        path.reverse();
        path.push(name.to_owned());
        path
    };
    let kind = |state: &&fsm_core::StateInfo| state.kind == fsm_core::StateKind::End;
    let edges = graph.transitions.iter().flat_map(|on| {
        on.to.iter().map(|to| (on.from.to_owned(), on.event.to_owned(), (!on.internal).then(|| (*to).to_owned())))
    });
    let delay = |timer: &fsm_core::TimerInfo| timer.delay.duration().map(|delay| delay.as_millis().to_string());
    let timers = graph.states.iter().flat_map(|state| {
        let written = state.timers.iter().map(move |timer| (timer.event, delay(timer)));
        written.map(|(event, delay)| (state.name.to_owned(), delay.unwrap_or_else(|| event.to_owned())))
    });
    let waits = graph.states.iter().flat_map(|state| {
        state.waits.iter().map(|wait| (state.name.to_owned(), wait.event.to_owned(), wait.to_string()))
    });
    Read {
        states: graph.states.iter().map(|state| path(state.name)).collect(),
        ends: graph.states.iter().filter(kind).map(|state| state.name.to_owned()).collect(),
        edges: edges.collect(),
        timers: timers.collect(),
        waits: waits.collect(),
    }
}

/// The waits in the text at a transition.
fn waits(text: Option<&str>) -> impl Iterator<Item = String> {
    text.into_iter().flat_map(|text| text.split(", or ")).map(str::to_owned)
}

/// A wait in the `meta` of a state of an `XState` configuration: its event, and the wait as it is declared.
fn declared_wait(wait: &Value) -> (String, String) {
    let text = |key: &str| wait[key].as_str().unwrap_or_else(|| panic!("no {key} in {wait}")).to_owned();
    let states = wait["states"].as_array().expect("states").iter().map(|state| state.as_str().expect("a state"));
    let states: Vec<_> = states.chain(wait["missing"].as_bool().expect("a flag").then_some("missing")).collect();
    let field = match (wait["quantity"].as_str(), wait["quantity"].as_u64()) {
        (Some("one"), _) => text("field"),
        (Some(quantity), _) => format!("{quantity}({})", text("field")),
        (None, count) => format!("at_least({}, {})", count.expect("a number"), text("field")),
    };
    (text("event"), format!("{field}: {} in {}", text("machine"), states.join(" | ")))
}

/// The states in a node of an `XState` configuration.
fn members(node: &Value, root: &Value, path: &mut Vec<String>, read: &mut Read) {
    let states = node["states"].as_object().expect("states");
    for (name, state) in states {
        path.push(name.clone());
        if state.get("states").is_some() {
            let initial = state["initial"].as_str().expect("a superstate has an initial state");
            assert!(state["states"].get(initial).is_some(), "{initial} is not in {name}");
            members(state, root, path, read);
        } else if state["type"] != "history" {
            read.states.insert(path.clone());
            if state["type"] == "final" {
                read.ends.insert(name.clone());
            }
            let all = state["meta"]["waits"].as_array();
            assert_eq!(all.is_some(), state.get("meta").is_some(), "{name}");
            let found: BTreeSet<_> = all.into_iter().flatten().map(declared_wait).collect();
            let mut described = BTreeSet::new();
            for (event, transitions) in state["on"].as_object().into_iter().flatten() {
                let all = transitions.as_array().cloned().unwrap_or_else(|| vec![transitions.clone()]);
                for transition in all {
                    let when = transition["description"].as_str().and_then(|text| text.split_once("when "));
                    described.extend(waits(when.map(|(_, when)| when)).map(|wait| (event.clone(), wait)));
                    let edge = |target| (name.clone(), event.clone(), target);
                    match transition["target"].as_str() {
                        Some(target) => read.edges.extend(targets(root, target).into_iter().map(|to| edge(Some(to)))),
                        None => read.edges.extend([edge(None)]),
                    }
                }
            }
            assert_eq!(described, found, "the descriptions of the transitions of {name}");
            read.waits.extend(found.into_iter().map(|(event, wait)| (name.clone(), event, wait)));
            let after = state["after"].as_object().into_iter().flatten();
            read.timers.extend(after.map(|(millis, _)| (name.clone(), millis.clone())));
        }
        path.pop();
    }
}

/// The states to which a target of an `XState` configuration leads: the state, or all that the history of a superstate can be.
fn targets(root: &Value, target: &str) -> Vec<String> {
    let id = format!("#{}.", root["id"].as_str().expect("an id"));
    let path = target.strip_prefix(&id).expect("a path from the root").replace("\\.", "\u{1}");
    let path: Vec<_> = path.split('.').map(|name| name.replace('\u{1}', ".")).collect();
    let (name, around) = path.split_last().expect("a name");
    let superstate = around.iter().fold(root, |node, name| &node["states"][name.as_str()]);
    if superstate["states"][name.as_str()]["type"] != "history" {
        return vec![name.clone()];
    }
    let mut within = Read::default();
    members(superstate, root, &mut Vec::new(), &mut within);
    let states = within.states.into_iter().filter_map(|mut path| path.pop());
    states.filter(|state| !within.ends.contains(state)).collect()
}

/// The states in an element of an SCXML document.
fn elements(node: Node<'_, '_>, path: &mut Vec<String>, read: &mut Read) {
    let document = node.document();
    let named = |node: Node<'_, '_>| {
        let name = node.attribute(("urn:fsm-core", "name")).or(node.attribute("id"));
        name.expect("a state has an id").to_owned()
    };
    let targets = |id: &str| {
        let found = document.descendants().find(|node| node.attribute("id") == Some(id) && !node.has_tag_name("send"));
        let found = found.unwrap_or_else(|| panic!("no state has the id {id}"));
        if !found.has_tag_name("history") {
            return vec![named(found)];
        }
        let within = found.parent().into_iter().flat_map(|superstate| superstate.descendants().skip(1));
        let is_state = |node: &Node<'_, '_>| {
            node.has_tag_name("state")
                && !node.children().any(|node| node.has_tag_name("state") || node.has_tag_name("final"))
        };
        within.filter(is_state).map(named).collect::<Vec<_>>()
    };
    for state in node.children().filter(|node| node.has_tag_name("state") || node.has_tag_name("final")) {
        let name = named(state);
        path.push(name.clone());
        if state.children().any(|node| node.has_tag_name("state") || node.has_tag_name("final")) {
            elements(state, path, read);
        } else {
            read.states.insert(path.clone());
            if state.has_tag_name("final") {
                read.ends.insert(name.clone());
            }
            for transition in state.children().filter(|node| node.has_tag_name("transition")) {
                let event = transition.attribute("event").expect("an event").to_owned();
                if ["after", "at"].iter().any(|when| transition.has_attribute(("urn:fsm-core", *when))) {
                    read.timers.insert((name.clone(), event.clone()));
                }
                let waits = waits(transition.attribute(("urn:fsm-core", "waits")));
                read.waits.extend(waits.map(|wait| (name.clone(), event.clone(), wait)));
                let edge = |target| (name.clone(), event.clone(), target);
                match transition.attribute("target") {
                    Some(target) => read.edges.extend(targets(target).into_iter().map(|to| edge(Some(to)))),
                    None => read.edges.extend([edge(None)]),
                }
            }
            for send in state.descendants().filter(|node| node.has_tag_name("send")) {
                let delay = send.attribute("delay").and_then(|delay| delay.strip_suffix("ms")).expect("a delay");
                read.timers.insert((name.clone(), delay.to_owned()));
            }
        }
        path.pop();
    }
}

/// Each construct once.
#[derive(StateMachine, Debug)]
#[fsm(
    initial = Draft | Imported,
    derive(Debug),
    group(Open, on(cancel => Cancelled), on(hold => Held), group(InReview, on(reject => Draft), on(pause => Paused)))
)]
#[on(note => _)]
pub(crate) enum Paper {
    #[state(in = Open)]
    #[on(submit => Peer)]
    Draft,
    #[state(in = InReview, name = "peer.review & more")]
    #[on(approve => Published | Self, with = approve, guard = may)]
    #[on(remind => Self)]
    #[after("14d", reject)]
    Peer,
    #[on(submit => Peer)]
    Imported,
    #[on(resume => history(Open, deep))]
    Held { was: paper::history::Open },
    #[on(resume => history(InReview), guard = |_, _| Err::<(), _>("not yet"))]
    Paused { was: paper::history::InReview },
    #[state(end)]
    Published,
    #[state(end)]
    Cancelled,
}

#[allow(clippy::unnecessary_wraps, clippy::trivially_copy_pass_by_ref)]
fn may(_: &paper::Peer, _: &paper::event::Approve) -> Result<(), &'static str> {
    Ok(())
}

fn approve(_: paper::Peer, _: paper::event::Approve) -> paper::choice::PeerApprove {
    paper::Published.into()
}

#[test]
fn other_formats_hold_every_construct() {
    check(Paper::GRAPH);
    let config = Paper::GRAPH.xstate_json().to_string();
    assert!(
        config.contains(r##""remind":{"target":"#Paper.Open.InReview.peer\\.review & more","reenter":true}"##),
        "{config}"
    );
    assert!(config.contains(r##"{"target":"#Paper.Published","guard":"approve: Published"}"##), "{config}");
    assert!(config.contains(r#""note":{"actions":["note"]}"#), "{config}");
    assert!(config.contains(r##""resume":{"target":"#Paper.Open.InReview.history","guard":"resume"}"##), "{config}");
    assert!(config.contains(r#""deep history":{"type":"history","history":"deep"}"#), "{config}");
    let scxml = Paper::GRAPH.scxml().to_string();
    let history =
        "<history id=\"InReview.history\" type=\"shallow\"><transition target=\"peer.review___more\"/></history>";
    assert!(scxml.contains(history), "{scxml}");
    assert!(scxml.contains("fsm:guarded=\"true\" fsm:branch=\"true\""), "{scxml}");
}
