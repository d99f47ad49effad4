//! The guided tour.

use crate::{fixture::Place, history};

#[test]
fn the_tour_ends_and_shows_what_the_readme_shows() {
    let place = Place::with(&["one", "two", "three"]);
    let printed = place.ok(&[]);

    let mut rest = printed.as_str();
    for expected in [
        "== Up: ",
        "one      v1   created --> Requested",
        "one      v2   Requested --start--> Starting",
        "one      v3   Starting --ready--> Running (worker): http://127.0.0.1:",
        "== Down: `three` is not wanted any more",
        "three    v4   Running --stop--> Stopping",
        "three    v5   Stopping --gone--> Stopped (worker)",
        "== An accident: process ",
        "one      v4   Running --fail--> Failed (worker): failure 1: its process is gone",
        "one      v5   Failed --retry--> Starting (timer)",
        "one      v6   Starting --ready--> Running (worker): http://127.0.0.1:",
        "== Down: the servers that are left",
        "one      v8   Stopping --gone--> Stopped (worker)",
        "== What the store kept of it",
        "is in README.md",
    ] {
        let at =
            rest.find(expected).unwrap_or_else(|| panic!("`{expected}` is not, or not in its place, in\n{printed}"));
        rest = &rest[at + expected.len()..];
    }

    let passed = history::check(&place);
    assert_eq!(
        passed["one"],
        ["Requested", "Starting", "Running", "Failed", "Starting", "Running", "Stopping", "Stopped"]
    );
    for other in ["two", "three"] {
        assert_eq!(passed[other], ["Requested", "Starting", "Running", "Stopping", "Stopped"]);
    }
    for id in ["one", "two", "three"] {
        assert_eq!((place.alive(id), place.serving(id)), (None, vec![]), "no server runs");
    }
}

#[test]
fn an_interrupted_tour_leaves_no_process() {
    let place = Place::with(&["one", "two"]);
    let mut run = place.start(&[]);
    run.wait_for_output("Running (worker)");
    run.signal(rustix::process::Signal::INT);
    let ended = run.ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.ends_with("error: interrupted\n"), "{}", ended.stderr);
    for id in ["one", "two"] {
        assert!(place.serving(id).is_empty());
    }
    history::check(&place);
}

#[test]
fn the_tour_continues_after_a_kill() {
    let place = Place::with(&["one", "two"]);
    let mut run = place.start(&[]);
    run.wait_for_output("== Down: `two`");
    run.kill();
    let (pid, _) = place.alive("one").expect("a server outlives its manager");

    let printed = place.ok(&[]);
    assert!(
        printed.contains(&format!("process {pid} of `one` was killed")),
        "the same process, not a second one:\n{printed}"
    );
    let passed = history::check(&place);
    assert_eq!(passed["one"].iter().filter(|state| *state == "Starting").count(), 2, "one start, one restart");
    assert_eq!(passed["two"].last().map(String::as_str), Some("Stopped"));
}
