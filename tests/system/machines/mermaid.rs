//! Reads back the Mermaid state diagrams that this project draws: an unknown line fails the test.

use fsm_core::{Graph, StateKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

use super::{
    check::Problems,
    spec::{Edge, Spec},
};

/// An arrow with the notes of its label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    edge: Edge,
    /// The parts in parentheses at the end of the label, such as `after 15m`.
    notes: Vec<String>,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.edge, self.notes)
    }
}

#[derive(Default)]
struct Drawing {
    /// The names of states and superstates, by the identifiers that stand for them in the text.
    names: BTreeMap<String, String>,
    /// The identifier of the superstate that each state or superstate is in.
    parents: BTreeMap<String, String>,
    superstates: BTreeSet<String>,
    /// The superstate of each history, both as identifiers.
    histories: BTreeMap<String, String>,
    /// The superstates that are open at this line, the outermost first.
    open: Vec<String>,
    initial: Vec<String>,
    ends: Vec<String>,
    /// The identifiers of each class.
    classes: BTreeMap<String, Vec<String>>,
    /// The boxes for every state except these and end states, by identifier.
    boxes: BTreeMap<String, BTreeSet<String>>,
    /// From an identifier, which can be one of a superstate or a box.
    arrows: Vec<(String, Arrow)>,
}

pub(crate) fn check(spec: &Spec, text: &str) {
    let drawing = read(text);
    let mut problems = Problems::default();
    problems.same("state", drawing.states(), &spec.states);
    problems.same("initial state", drawing.initial.iter().cloned(), &spec.initial());
    problems.same("end", drawing.ends.iter().cloned(), &spec.finals);
    problems.same("edge", drawing.arrows().into_iter().map(|arrow| arrow.edge), &spec.edges());
    problems.none_in(&format!("the diagram of {}", spec.name));
}

/// The diagram of `graph`, compared with the graph.
fn check_graph(graph: &Graph) {
    let drawing = read(&graph.mermaid().to_string());
    let names = |wanted: &dyn Fn(&fsm_core::StateInfo) -> bool| -> BTreeSet<String> {
        graph.states.iter().filter(|state| wanted(state)).map(|state| state.name.to_owned()).collect()
    };
    let mut problems = Problems::default();
    problems.same("state", drawing.states(), &names(&|_| true));
    problems.same("initial state", drawing.initial.iter().cloned(), &names(&|state| state.initial));
    problems.same("end", drawing.ends.iter().cloned(), &names(&|state| state.kind == StateKind::End));
    problems.same("`work` state", drawing.class("work"), &names(&|state| state.kind == StateKind::Work));
    let groups = graph.groups.iter().map(|group| group.name.to_owned());
    problems.same("superstate", drawing.superstates.iter().map(|id| drawing.names[id].clone()), &groups.collect());
    let members = graph.states.iter().map(|state| (state.name, state.group));
    let members = members.chain(graph.groups.iter().map(|group| (group.name, group.parent)));
    let members = members.filter_map(|(name, group)| Some(format!("{name} in {}", group?)));
    let name = |id: &String| drawing.names[id].clone();
    let drawn = drawing.parents.iter().map(|(id, parent)| format!("{} in {}", name(id), name(parent)));
    problems.same("member", drawn, &members.collect());
    let arrows = graph.transitions.iter().flat_map(|transition| {
        let timer = graph.state(transition.from).and_then(|state| state.timer(transition.event));
        let notes = [
            transition.internal.then(|| "stays".to_owned()),
            timer.map(|timer| timer.delay.to_string().split(' ').take(1).collect()),
            (!transition.rewinds.is_empty()).then(|| format!("rewinds {}", transition.rewinds.join(", "))),
            transition.overrides.map(|outer| format!("overrides {outer}")),
        ];
        let edge = |to: &str| Edge {
            from: transition.from.to_owned(),
            event: transition.event.to_owned(),
            to: to.to_owned(),
            guarded: transition.guarded,
        };
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        transition.to.iter().map(move |to| Arrow { edge: edge(to), notes: notes.clone() })
    });
    let drawn = drawing.arrows().into_iter().map(|mut arrow| {
        // The time is that of the graph, in another form.
        for word in ["after", "at"] {
            let timed = |note: &&mut String| note.strip_prefix(word).is_some_and(|rest| rest.starts_with(' '));
            arrow.notes.iter_mut().filter(timed).for_each(|note| note.truncate(word.len()));
        }
        arrow
    });
    problems.same("arrow", drawn, &arrows.collect());
    problems.none_in(&format!("the diagram of {}", graph.machine));
}

fn read(text: &str) -> Drawing {
    let mut drawing = Drawing::default();
    let mut lines = text.lines().map(str::trim);
    assert_eq!(lines.next(), Some("stateDiagram-v2"));
    for line in lines {
        drawing.read(line).unwrap_or_else(|| panic!("unknown line: `{line}` in\n{text}"));
    }
    assert_eq!(drawing.open, Vec::<String>::new(), "a superstate is not closed in\n{text}");
    drawing
}

impl Drawing {
    fn states(&self) -> impl Iterator<Item = String> {
        self.names.iter().filter(|(id, _)| !self.superstates.contains(*id)).map(|(_, name)| name.clone())
    }

    fn class(&self, class: &str) -> impl Iterator<Item = String> {
        self.classes.get(class).into_iter().flatten().map(|id| self.names[id].clone())
    }

    /// The arrows of states: one of a box or a superstate stands for one of each state.
    fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (from, arrow) in &self.arrows {
            let starts_at = |id: &String, name: &String| match self.boxes.get(from) {
                Some(others) => !others.contains(name) && !self.ends.contains(name),
                None => id == from || self.is_within(id, from),
            };
            let sources = self.names.iter().filter(|(id, _)| !self.superstates.contains(*id));
            let sources = sources.filter(|(id, name)| starts_at(id, name)).map(|(_, name)| name.clone());
            for from in sources {
                let to = self.targets(&arrow.edge.to);
                let edges = to.into_iter().map(|to| Edge { from: from.clone(), to, ..arrow.edge.clone() });
                arrows.extend(edges.map(|edge| Arrow { edge, ..arrow.clone() }));
            }
        }
        arrows
    }

    /// The states to which an arrow leads: the state, or all that the history of a superstate can be.
    fn targets(&self, id: &str) -> Vec<String> {
        let Some(superstate) = self.histories.get(id) else { return vec![self.names[id].clone()] };
        let within =
            self.names.iter().filter(|(id, _)| !self.superstates.contains(*id) && self.is_within(id, superstate));
        within.map(|(_, name)| name.clone()).filter(|name| !self.ends.contains(name)).collect()
    }

    fn is_within(&self, id: &str, superstate: &str) -> bool {
        self.parents.get(id).is_some_and(|parent| parent == superstate || self.is_within(parent, superstate))
    }

    fn read(&mut self, line: &str) -> Option<()> {
        if line == "}" {
            return self.open.pop().map(drop);
        }
        if let Some(rest) = line.strip_prefix("state ") {
            return self.state(rest);
        }
        if let Some(style) = line.strip_prefix("classDef ") {
            let (class, _) = style.split_once(' ')?;
            return self.classes.insert(class.to_owned(), Vec::new()).is_none().then_some(());
        }
        if let Some(classified) = line.strip_prefix("class ") {
            let (ids, class) = classified.split_once(' ')?;
            let ids: Vec<String> = ids.split(',').map(str::to_owned).collect();
            let known = ids.iter().all(|id| self.names.contains_key(id));
            self.classes.get_mut(class)?.extend(ids);
            return known.then_some(());
        }
        if let Some((from, rest)) = line.split_once(" --> ") {
            return self.arrow(from, rest);
        }
        let (described, text) = line.split_once(" : ")?;
        unescaped(text)?;
        self.name(described).map(drop)
    }

    fn state(&mut self, declared: &str) -> Option<()> {
        let (name, id) = declared.strip_prefix('"')?.split_once("\" as ")?;
        if let Some(others) = name.strip_prefix("every state") {
            let others = others.strip_prefix(" except ").unwrap_or_default().replace(" and ", ", ");
            let others = others.split(", ").filter(|other| !["end states", ""].contains(other)).map(unescaped);
            return self.boxes.insert(id.to_owned(), others.collect::<Option<_>>()?).is_none().then_some(());
        }
        if let Some(superstate) = self.open.last().filter(|_| ["H", "H#42;"].contains(&name) && id.ends_with("history"))
        {
            return self.histories.insert(id.to_owned(), superstate.clone()).is_none().then_some(());
        }
        let opens = id.strip_suffix(" {");
        let id = opens.unwrap_or(id);
        let fresh = self.names.insert(id.to_owned(), unescaped(name)?).is_none();
        if let Some(parent) = self.open.last() {
            self.parents.insert(id.to_owned(), parent.clone());
        }
        if opens.is_some() {
            self.superstates.insert(id.to_owned());
            self.open.push(id.to_owned());
        }
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        (fresh && id.chars().all(plain)).then_some(())
    }

    fn arrow(&mut self, from: &str, rest: &str) -> Option<()> {
        match (from, rest.split_once(" : ")) {
            ("[*]", None) => self.initial.push(self.name(rest)?),
            (_, None) if rest == "[*]" => self.ends.push(self.name(from)?),
            (_, None) => return None,
            (_, Some((to, label))) => {
                let known = |id: &str| self.names.contains_key(id);
                if !(self.boxes.contains_key(from) || known(from)) || !(self.histories.contains_key(to) || known(to)) {
                    return None;
                }
                let (mut label, mut notes) = (label, Vec::new());
                while let Some((rest, note)) = label.strip_suffix(')').and_then(|label| label.rsplit_once(" (")) {
                    notes.insert(0, note.to_owned());
                    label = rest;
                }
                let event = label.strip_suffix(" [guarded]");
                let edge = Edge {
                    from: from.to_owned(),
                    event: unescaped(event.unwrap_or(label))?,
                    to: to.to_owned(),
                    guarded: event.is_some(),
                };
                self.arrows.push((from.to_owned(), Arrow { edge, notes }));
            }
        }
        Some(())
    }

    fn name(&self, id: &str) -> Option<String> {
        self.names.get(id).cloned()
    }
}

/// Free text, with `#58;` for a colon and the like. `None` for a character that Mermaid could read as its own.
fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('#');
    let mut all = pieces.next()?.to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_once(';')?;
        all.push(char::from_u32(code.parse().ok()?)?);
        all.push_str(rest);
        if rest.contains([';', '"']) {
            return None;
        }
    }
    Some(all)
}

/// The Markdown files and the Rust files below `folder`, which can hold diagrams.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !["target", "node_modules"].contains(&&*name) && !name.starts_with('.') {
                sources(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

/// The Mermaid blocks of a Markdown text.
fn blocks(text: &str) -> Vec<String> {
    let blocks = text.split("```mermaid\n").skip(1);
    blocks.map(|rest| rest.split_once("```").unwrap_or_else(|| panic!("an open block: {rest}")).0.to_owned()).collect()
}

#[test]
fn every_diagram_in_markdown_is_read_back() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
    let mut found = BTreeMap::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        for block in blocks(&text) {
            let drawing = read(&block);
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!drawing.initial.is_empty(), "{name}: no initial state in\n{block}");
            let reached: BTreeSet<_> = drawing.arrows().into_iter().map(|arrow| arrow.edge.to).collect();
            for state in drawing.states() {
                let known = drawing.initial.contains(&state) || reached.contains(&state);
                assert!(known, "{name}: no arrow leads to `{state}` in\n{block}");
            }
            *found.entry(name).or_insert(0) += 1;
        }
    }
    for (name, least) in [("README.md", 3), ("door.md", 1), ("names.md", 1), ("large.md", 1)] {
        assert!(found.get(name).is_some_and(|found| *found >= least), "{name}: {found:?}");
    }
}

mod drawn {
    use fsm_core::StateMachine;

    /// All that a diagram can show: superstates, timers, boxes, guards, `work` states, several targets.
    #[derive(StateMachine)]
    #[fsm(initial = Waiting, group(Active, on(cancel | halt => Cancelled), group(Moving, on(cancel => _)), group(Paused)))]
    #[on(abort => Aborted, except(A))]
    pub(super) enum Journey {
        /// Waits: "here".
        #[on(depart => A | B, with = depart)]
        Waiting,
        #[on(recover => history(Active, deep))]
        #[on(restart => history(Moving), guard = may_restart)]
        Broken { was: journey::history::Active, moving: journey::history::Moving },
        #[state(work, in = Active)]
        #[after("90s", late)]
        #[on(late => B)]
        A,
        #[state(in = Moving)]
        #[on(next => C, guard = may)]
        #[on(fail => Broken, with = fail)]
        B,
        #[state(in = Active)]
        #[after("1d", rest)]
        #[on(rest => Resting)]
        C,
        #[state(in = Paused)]
        #[on(wake => C)]
        Resting,
        #[on(open => D)]
        Cancelled,
        #[on(go => E)]
        D,
        #[on(go => F)]
        E,
        #[on(go => G)]
        F,
        #[on(go => Waiting)]
        G,
        #[state(end, name = "gave-up: [aborted]")]
        Aborted,
    }

    fn may(_: &journey::B, _: &journey::event::Next) -> Result<(), &'static str> {
        Err("not yet")
    }

    fn may_restart(_: &journey::Broken, _: &journey::event::Restart) -> Result<(), &'static str> {
        Err("not yet")
    }

    fn fail(_: journey::B, _: journey::event::Fail) -> journey::Broken {
        journey::Broken { was: journey::B.into(), moving: journey::B.into() }
    }

    fn depart(_: journey::Waiting, _: journey::event::Depart) -> journey::choice::WaitingDepart {
        journey::A.into()
    }
}

#[test]
fn a_diagram_with_everything_is_read_back() {
    let graph = &drawn::Journey::GRAPH;
    let text = graph.mermaid().to_string();
    for part in [
        "state \"every state except A",
        "{\n",
        "(after 1m30s)",
        "[guarded]",
        "class A work",
        "(stays) (overrides Active)",
        "Active --> Cancelled : halt",
        "state \"H#42;\" as Active_deep_history",
        "Broken --> Moving_history : restart [guarded]",
    ] {
        assert!(text.contains(part), "the diagram does not show `{part}`:\n{text}");
    }
    check_graph(graph);
}

#[test]
fn a_line_that_no_diagram_has_is_refused() {
    let whole = drawn::Journey::GRAPH.mermaid().to_string();
    for line in
        ["A --> Nowhere : x", "Nowhere --> A : x", "A --> B", "note left of A", "class Nowhere work", "state A", "}"]
    {
        let text = format!("{whole}    {line}\n");
        assert!(std::panic::catch_unwind(|| read(&text)).is_err(), "`{line}` was read");
    }
}
