//! Diagrams, table, JSON, paths and explanations of one graph.
#![allow(dead_code)]
#![allow(clippy::needless_pass_by_value, reason = "a `with` takes the event, though it only reads it")]

use fsm_core::StateMachine;

/// A "job".
#[derive(StateMachine)]
#[fsm(initial = Idle, group(Busy, on(stop => Idle)))]
enum Job {
    /// Waits;
    /// for long.
    #[on(start { at: u64 } => Running | Failed, with = start, guard = may, auto)]
    Idle,
    #[state(work, in = Busy, was = "Active")]
    #[on(fail => Failed)]
    #[after("90s", fail)]
    Running { at: u64 },
    #[on(give_up => Done)]
    #[state(name = "FAILED|NOW")]
    Failed,
    #[state(end, remove)]
    Done,
}

fn may(_: &job::Idle, event: &job::event::Start) -> Result<(), &'static str> {
    if event.at > 9 { Err("too late") } else { Ok(()) }
}

fn start(_: job::Idle, event: job::event::Start) -> job::choice::IdleStart {
    if event.at == 0 { job::Failed.into() } else { job::Running { at: event.at }.into() }
}

#[test]
fn mermaid() {
    let expected = r#"stateDiagram-v2
    state "Idle" as Idle
    Idle : Waits#59;
    state "FAILED#124;NOW" as FAILED_NOW
    state "Done" as Done
    state "Busy" as Busy {
        state "Running" as Running
    }
    [*] --> Idle
    Idle --> Running : start [guarded]
    Idle --> FAILED_NOW : start [guarded]
    Running --> FAILED_NOW : fail (after 1m30s)
    FAILED_NOW --> Done : give_up
    Running --> Idle : stop
    Done --> [*]
    classDef work stroke-dasharray: 5 3
    class Running work
    classDef ended stroke-width: 3px
    class Done ended
"#;
    assert_eq!(Job::GRAPH.mermaid().to_string(), expected);
}

#[test]
fn dot() {
    let expected = r##"digraph "Job" {
    rankdir=LR;
    node [shape=box];
    "" [shape=point];
    "Idle" [style="rounded,filled", fillcolor="#ffdd66"];
    "FAILED|NOW" [style="rounded"];
    "Done" [style="rounded,bold", peripheries=2];
    subgraph cluster_0 {
        label="Busy";
        "Running" [style="rounded,dashed"];
    }
    "" -> "Idle";
    "Idle" -> "Running" [label="start [guarded]"];
    "Idle" -> "FAILED|NOW" [label="start [guarded]"];
    "Running" -> "FAILED|NOW" [label="fail (after 1m30s)"];
    "FAILED|NOW" -> "Done" [label="give_up"];
    "Running" -> "Idle" [label="stop"];
}
"##;
    assert_eq!(Job::GRAPH.dot().highlight("Idle").to_string(), expected);
}

#[test]
fn table() {
    let expected = r"| from | event | to | |
| --- | --- | --- | --- |
| `Idle` | `start` | `Running` or `FAILED\|NOW` | guarded, auto |
| `Running` | `fail` | `FAILED\|NOW` | by work, after 1m30s |
| `FAILED\|NOW` | `give_up` | `Done` |  |
| `Running` | `stop` | `Idle` | by work |
";
    assert_eq!(Job::GRAPH.table().to_string(), expected);
}

#[test]
fn json() {
    let expected = concat!(
        r#"{"format":1,"machine":"Job","doc":"A \"job\".","version":1,"fingerprint":"FINGERPRINT","context":null,"#,
        r#""states":[{"name":"Idle","doc":"Waits;\nfor long.","kind":"rest","initial":true,"remove":false,"was":[],"#,
        r#""group":null,"fields":[],"timers":[],"exhausted":null,"enter":null,"waits":[]},"#,
        r#"{"name":"Running","doc":"","kind":"work","initial":false,"remove":false,"was":["Active"],"group":"Busy","#,
        r#""fields":[{"name":"at","type":"u64"}],"timers":[{"after":{"secs":90,"nanos":0},"event":"fail"}],"exhausted":null,"enter":null,"waits":[]},"#,
        r#"{"name":"FAILED|NOW","doc":"","kind":"rest","initial":false,"remove":false,"was":[],"group":null,"fields":[],"#,
        r#""timers":[],"exhausted":null,"enter":null,"waits":[]},"#,
        r#"{"name":"Done","doc":"","kind":"end","initial":false,"remove":true,"was":[],"group":null,"fields":[],"#,
        r#""timers":[],"exhausted":null,"enter":null,"waits":[]}],"#,
        r#""events":[{"name":"start","fields":[{"name":"at","type":"u64"}]},{"name":"fail","fields":[]},"#,
        r#"{"name":"give_up","fields":[]},{"name":"stop","fields":[]}],"#,
        r#""transitions":[{"from":"Idle","event":"start","to":["Running","FAILED|NOW"],"internal":false,"history":null,"overrides":null,"guarded":true,"rewinds":[],"auto":true,"by":"anyone","doc":""},"#,
        r#"{"from":"Running","event":"fail","to":["FAILED|NOW"],"internal":false,"history":null,"overrides":null,"guarded":false,"rewinds":[],"auto":false,"by":"anyone","doc":""},"#,
        r#"{"from":"FAILED|NOW","event":"give_up","to":["Done"],"internal":false,"history":null,"overrides":null,"guarded":false,"rewinds":[],"auto":false,"by":"anyone","doc":""},"#,
        r#"{"from":"Running","event":"stop","to":["Idle"],"internal":false,"history":null,"overrides":null,"guarded":false,"rewinds":[],"auto":false,"by":"anyone","doc":""}],"#,
        r#""groups":[{"name":"Busy","parent":null,"doc":""}]}"#
    );
    let fingerprint = format!("{:016x}", Job::GRAPH.fingerprint());
    assert_eq!(Job::GRAPH.json().to_string(), expected.replace("FINGERPRINT", &fingerprint));
}

#[test]
fn paths() {
    let events = |from, to| {
        let path = Job::GRAPH.path(from, to)?;
        Some(path.iter().map(|step| (step.transition.event, step.to)).collect::<Vec<_>>())
    };
    assert_eq!(events("Idle", "Done"), Some(vec![("start", "FAILED|NOW"), ("give_up", "Done")]));
    assert_eq!(events("Running", "Running"), Some(vec![]));
    assert_eq!(events("Done", "Idle"), None);
    assert_eq!(events("Idle", "Nowhere"), None);
    let reachable = |from| Job::GRAPH.reachable(from).iter().map(|state| state.name).collect::<Vec<_>>();
    assert_eq!(reachable("Running"), ["Idle", "Running", "FAILED|NOW", "Done"]);
    assert_eq!(reachable("FAILED|NOW"), ["Done"], "no path leads back");
    assert_eq!(reachable("Nowhere"), [""; 0]);
}

#[test]
fn why_not() {
    let why = Job::Idle.why_not(job::EventKind::GiveUp).unwrap();
    assert_eq!(
        why.to_string(),
        "`give_up` is not accepted in state `Idle` of `Job`, which accepts `start`; it is accepted in `FAILED|NOW`, reached through \
         `start`"
    );
    assert_eq!(why.accepted_in().collect::<Vec<_>>(), ["FAILED|NOW"]);
    let why = Job::Done.why_not(job::EventKind::Start).unwrap().to_string();
    assert!(why.ends_with("which accepts none; it is accepted in `Idle`, which cannot be reached from here"), "{why}");
    assert!(Job::Idle.why_not(job::EventKind::Start).is_none());
}

/// A call that can be held.
#[derive(StateMachine)]
#[fsm(initial = Ringing, group(Active, on(hold => Held)))]
enum Call {
    #[on(answer => Talking)]
    #[state(in = Active)]
    Ringing,
    #[on(mute => Muted)]
    #[state(in = Active)]
    Talking,
    #[on(speak => Talking)]
    #[state(in = Active)]
    Muted,
    #[on(resume => history(Active), guard = may_resume)]
    #[on(hang_up => Ended)]
    Held { was: call::history::Active },
    #[state(end)]
    Ended,
}

#[allow(clippy::unnecessary_wraps, reason = "the signature of a guard")]
fn may_resume(_: &call::Held, _: &call::event::Resume) -> Result<(), &'static str> {
    Ok(())
}

#[test]
fn a_history_is_a_sign_in_its_superstate() {
    let mermaid = Call::GRAPH.mermaid().to_string();
    let inside = "        state \"Muted\" as Muted\n        state \"H\" as Active_history\n    }\n";
    assert!(
        mermaid.contains(inside) && mermaid.contains("    Held --> Active_history : resume [guarded]\n"),
        "{mermaid}"
    );
    let dot = Call::GRAPH.dot().to_string();
    assert!(dot.contains("        \"history of Active\" [label=\"H\", shape=circle];\n    }\n"), "{dot}");
    assert!(dot.contains("    \"Held\" -> \"history of Active\" [label=\"resume [guarded]\"];\n"), "{dot}");
    let table = Call::GRAPH.table().to_string();
    assert!(
        table.contains("| `Held` | `resume` | `Ringing` or `Talking` or `Muted` | history of `Active`, guarded |"),
        "{table}"
    );
    let json = Call::GRAPH.json().to_string();
    assert!(json.contains(r#""history":{"group":"Active","deep":false}"#), "{json}");
}

#[test]
fn paths_lead_back_only_to_where_they_were() {
    let states = |from, to| {
        let path = Call::GRAPH.path(from, to)?;
        Some(path.iter().map(|step| step.to).collect::<Vec<_>>())
    };
    assert_eq!(states("Held", "Muted"), Some(vec!["Muted"]), "nothing is known of a path that begins there");
    assert_eq!(states("Ringing", "Muted"), Some(vec!["Talking", "Muted"]), "not by way of `Held`");
    assert_eq!(states("Muted", "Ringing"), None, "`Held` leads back to where the path was");
    let reachable = |from| Call::GRAPH.reachable(from).iter().map(|state| state.name).collect::<Vec<_>>();
    assert_eq!(reachable("Muted"), ["Talking", "Muted", "Held", "Ended"]);
}
