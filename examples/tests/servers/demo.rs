//! The demo.

use crate::{fixture::Fixture, history};

#[test]
fn the_demo_prints_each_step_of_the_readme() {
    let fixture = Fixture::with(&["one", "two", "three"]);
    let printed = fixture.ok(&[]);

    let mut rest = printed.as_str();
    for expected in [
        "== Start: the servers of ",
        "one      v1   created --> Requested",
        "one      v2   Requested --start--> Starting",
        "one      v3   Starting --ready--> Running (worker): http://127.0.0.1:",
        "== Stop: `three`",
        "three    v4   Running --stop--> Stopping",
        "three    v5   Stopping --exited--> Stopped (worker)",
        "== Crash: process ",
        "one      v4   Running --fail--> Failed (worker): failure 1: the process has exited",
        "one      v5   Failed --retry--> Starting (timer)",
        "one      v6   Starting --ready--> Running (worker): http://127.0.0.1:",
        "== Stop: the remaining servers",
        "one      v8   Stopping --exited--> Stopped (worker)",
        "== History: the entries stored in ",
        "README.md has a diagram of these states",
    ] {
        let at = rest.find(expected).unwrap_or_else(|| panic!("`{expected}` is missing or out of order in\n{printed}"));
        rest = &rest[at + expected.len()..];
    }

    let passed = history::check(&fixture);
    assert_eq!(
        passed["one"],
        ["Requested", "Starting", "Running", "Failed", "Starting", "Running", "Stopping", "Stopped"]
    );
    for other in ["two", "three"] {
        assert_eq!(passed[other], ["Requested", "Starting", "Running", "Stopping", "Stopped"]);
    }
    for id in ["one", "two", "three"] {
        assert_eq!((fixture.alive(id), fixture.serving(id)), (None, vec![]), "no process is left");
    }
}

#[test]
fn an_interrupted_demo_leaves_no_process() {
    let fixture = Fixture::with(&["one", "two"]);
    let mut run = fixture.start(&[]);
    run.wait_for_output("Running (worker)");
    run.signal(rustix::process::Signal::INT);
    let ended = run.ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.ends_with("error: interrupted\n"), "{}", ended.stderr);
    for id in ["one", "two"] {
        assert!(fixture.serving(id).is_empty());
    }
    history::check(&fixture);
}

#[test]
fn the_demo_continues_after_a_kill() {
    let fixture = Fixture::with(&["one", "two"]);
    let mut run = fixture.start(&[]);
    run.wait_for_output("== Stop: `two`");
    run.kill();
    let (pid, _) = fixture.alive("one").expect("a server outlives its manager");

    let printed = fixture.ok(&[]);
    assert!(
        printed.contains(&format!("process {pid} of `one` was killed")),
        "the same process, not a second one:\n{printed}"
    );
    let passed = history::check(&fixture);
    assert_eq!(passed["one"].iter().filter(|state| *state == "Starting").count(), 2, "one start, one restart");
    assert_eq!(passed["two"].last().map(String::as_str), Some("Stopped"));
}
