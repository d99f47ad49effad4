//! Source text of a machine with a given number of states, declared and written by hand.
//!
//! Each state has two fields and two transitions: one to the next state, and one with a payload to another state. There are half
//! as many events of each kind as there are states.

use std::fmt::Write as _;

pub(crate) const SERIALIZED: &str = "\
#[derive(serde::Serialize)]
pub enum Order {
    Placed { id: u64 },
    Paid { id: u64, at: u64 },
    Shipped { id: u64, at: u64 },
    Delivered,
}
";

/// All transitions: source, number of the event, whether it has a payload, target.
fn transitions(states: u32) -> impl Iterator<Item = (u32, u32, bool, u32)> {
    let kinds = states / 2;
    (0..states).flat_map(move |state| {
        [
            (state, state % kinds, false, (state + 1) % states),
            (state, state * 7 % kinds, true, (state * 5 + 3) % states),
        ]
    })
}

pub(crate) fn declared(states: u32) -> String {
    let mut out = String::from("#[derive(fsm_core::StateMachine, Clone, Debug, PartialEq)]\n");
    out += "#[fsm(initial = S0, derive(Clone, Debug, PartialEq))]\npub enum Thing {\n";
    let mut with_payload = Vec::new();
    for state in 0..states {
        for (_, kind, jump, to) in transitions(states).filter(|transition| transition.0 == state) {
            let (name, first) = (if jump { "jump" } else { "go" }, jump && !with_payload.contains(&kind));
            let payload = if first { " { at: u64 }" } else { "" };
            with_payload.extend(first.then_some(kind));
            let _ = writeln!(out, "    #[on({name}_{kind}{payload} => S{to})]");
        }
        let _ = writeln!(out, "    S{state} {{ id: u64, at: u64 }},");
    }
    out + "}\n"
}

/// A typestate machine with names, events as values, an enum with `apply`, and conversions between the two.
pub(crate) fn by_hand(states: u32) -> String {
    let mut out = String::from("#[derive(Clone, Debug, PartialEq)]\npub struct Machine<S>(S);\n");
    let each = |line: &dyn Fn(u32) -> String| (0..states).map(line).collect::<String>();
    let kinds = |line: &dyn Fn(u32) -> String| (0..states / 2).map(line).collect::<String>();
    out += &each(&|s| format!("#[derive(Clone, Debug, PartialEq)]\npub struct S{s} {{ pub id: u64, pub at: u64 }}\n"));
    out += &kinds(&|k| format!("#[derive(Clone, Debug, PartialEq)]\npub struct Go{k};\n"));
    out += &kinds(&|k| format!("#[derive(Clone, Debug, PartialEq)]\npub struct Jump{k} {{ pub at: u64 }}\n"));
    let variants = kinds(&|k| format!("    Go{k}(Go{k}),\n    Jump{k}(Jump{k}),\n"));
    let _ = writeln!(out, "#[derive(Clone, Debug, PartialEq)]\npub enum Event {{\n{variants}}}");
    let variants = each(&|s| format!("    S{s}(Machine<S{s}>),\n"));
    let _ = writeln!(out, "#[derive(Clone, Debug, PartialEq)]\npub enum Thing {{\n{variants}}}");
    let variants = each(&|s| format!("    S{s},\n"));
    let _ = writeln!(out, "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]\npub enum State {{\n{variants}}}");
    let arms = each(&|s| format!("            Self::S{s} => \"S{s}\",\n"));
    let _ = writeln!(
        out,
        "impl State {{\n    pub fn as_str(self) -> &'static str {{\n        match self {{\n{arms}        }}\n    }}\n}}"
    );
    out += &each(&|s| {
        format!(
            "impl From<Machine<S{s}>> for Thing {{\n    fn from(machine: Machine<S{s}>) -> Self {{ Self::S{s}(machine) }}\n}}\n\
             impl TryFrom<Thing> for Machine<S{s}> {{\n    type Error = Thing;\n    fn try_from(thing: Thing) -> Result<Self, Thing> {{\n        \
             match thing {{ Thing::S{s}(machine) => Ok(machine), other => Err(other) }}\n    }}\n}}\n"
        )
    });
    let mut arms = String::new();
    for (from, kind, jump, to) in transitions(states) {
        if jump {
            let _ = writeln!(
                out,
                "impl Machine<S{from}> {{ pub fn jump_{kind}(self, at: u64) -> Machine<S{to}> {{ Machine(S{to} {{ id: self.0.id, at }}) }} }}"
            );
            let _ = writeln!(
                arms,
                "            (Self::S{from}(m), Event::Jump{kind}(e)) => Ok(m.jump_{kind}(e.at).into()),"
            );
        } else {
            let _ = writeln!(
                out,
                "impl Machine<S{from}> {{ pub fn go_{kind}(self) -> Machine<S{to}> {{ Machine(S{to} {{ id: self.0.id, at: self.0.at }}) }} }}"
            );
            let _ = writeln!(arms, "            (Self::S{from}(m), Event::Go{kind}(_)) => Ok(m.go_{kind}().into()),");
        }
    }
    let states = each(&|s| format!("            Self::S{s}(_) => State::S{s},\n"));
    let _ = writeln!(
        out,
        "impl Thing {{\n    pub fn state(&self) -> State {{\n        match self {{\n{states}        }}\n    }}\n    \
         pub fn apply(self, event: Event) -> Result<Self, (Self, Event)> {{\n        match (self, event) {{\n{arms}            \
         unexpected => Err(unexpected),\n        }}\n    }}\n}}"
    );
    out
}
