//! The commands, with a manager and without one.

use crate::{
    fixture::{Fixture, get, kill, wait_for},
    history,
};
use rustix::process::Signal;

#[test]
fn commands_work_beside_a_manager() {
    let fixture = Fixture::with(&["one", "two"]);
    let mut manager = fixture.manage();
    fixture.reaches("one", "Running");
    assert!(fixture.reaches("two", "Running").contains("http://127.0.0.1:"));
    let (pid, port) = fixture.alive("one").expect("it runs");
    assert!(get(port, "/").ends_with("\r\n\r\npage of one"));
    assert!(get(port, "/two").starts_with("HTTP/1.1 404 "));
    assert!(get(port, "/health").contains(&format!("\"id\":\"one\",\"pid\":{pid}")));

    // Running workers, from the store and from the manager.
    wait_for("a claim on both", || {
        let printed = fixture.ok(&["status"]);
        let (by, _) = printed.lines().next()?.split_once(": running since ").expect("the manager");
        let is_claimed = |id: &str| {
            let line = printed.lines().find(|line| line.starts_with(id))?;
            (line.contains(" Running ") && line.ends_with(&format!(" with {by}"))).then_some(())
        };
        is_claimed("one").and(is_claimed("two"))
    });

    let printed = fixture.ok(&["down", "one"]);
    assert!(
        printed.contains("Running --stop--> Stopping") && printed.contains("Stopping --exited--> Stopped"),
        "{printed}"
    );
    assert!(fixture.serving("one").is_empty());
    assert!(fixture.ls("one").contains("Stopped"));
    assert!(fixture.ls("two").contains("Running"), "the other server still runs");

    let printed = fixture.ok(&["up", "one"]);
    assert!(
        printed.contains("Stopped --request--> Requested") && printed.contains("Starting --ready--> Running"),
        "{printed}"
    );
    let log = fixture.ok(&["log", "one"]);
    assert_eq!(log.lines().count(), 8, "{log}");
    assert!(fixture.ok(&["graph", "one"]).contains("class Running here"));

    manager.signal(Signal::USR1);
    manager.wait_for_output(" running, 0 waiting, 0 leaked");

    // The servers outlive the manager.
    let (pid, _) = fixture.alive("one").expect("it runs");
    manager.signal(Signal::TERM);
    let ended = manager.ended();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(fixture.serving("one"), [pid]);

    // Without a manager, the command runs the workers.
    fixture.ok(&["down", "one", "two"]);
    assert_eq!((fixture.serving("one"), fixture.serving("two")), (vec![], vec![]));
    history::check(&fixture);
}

#[test]
fn commands_work_without_a_manager() {
    let fixture = Fixture::with(&["one", "two"]);
    for words in [&["ls"][..], &["down", "one"], &["log", "one"], &["graph", "one"]] {
        let printed = fixture.refused(words);
        assert!(printed.contains("servers.db; run `servers up` to create it"), "{printed}");
    }
    assert!(!fixture.path("data").exists(), "reading creates nothing");
    fixture.ok(&["up", "two"]);
    let (pid, port) = fixture.alive("two").expect("a server outlives the command that started it");
    assert!(get(port, "/").ends_with("page of two"));
    fixture.ok(&["up"]);
    assert_eq!(fixture.alive("two").expect("it runs").0, pid, "a running server is left running");

    // The next manager detects and restarts a server that was killed meanwhile.
    kill(pid, Signal::KILL);
    wait_for("its exit", || fixture.alive("two").is_none().then_some(()));
    let manager = fixture.manage();
    fixture.alive_other("two", pid);
    fixture.reaches("two", "Running");
    fixture.ok(&["down", "one", "two"]);
    drop(manager);
    history::check(&fixture);
}

#[test]
fn a_client_takes_over_when_the_manager_dies() {
    let fixture = Fixture::with(&["one"]);
    let manager = fixture.manage();
    fixture.reaches("one", "Running");
    let (pid, _) = fixture.alive("one").expect("it runs");
    // A process stopped by SIGSTOP does not handle SIGTERM, which leaves time to kill the manager.
    kill(pid, Signal::STOP);
    let mut down = fixture.start(&["down", "one"]);
    down.wait_for_output("--stop--> Stopping");
    manager.kill();
    let ended = down.ended();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(fixture.serving("one").is_empty(), "SIGKILL ended it");
    history::check(&fixture);
}

#[test]
fn a_hanging_server_is_replaced() {
    let fixture = Fixture::with(&["one"]);
    let _manager = fixture.manage();
    fixture.reaches("one", "Running");
    let (pid, _) = fixture.alive("one").expect("it runs");
    kill(pid, Signal::STOP);
    fixture.alive_other("one", pid);
    fixture.reaches("one", "Running");
    assert!(fixture.ok(&["log", "one"]).contains("failure 1: 3 consecutive health checks failed: "));
    fixture.ok(&["down", "one"]);
    history::check(&fixture);
}

#[test]
fn managers_share_the_work_and_take_over_at_once() {
    let fixture = Fixture::with(&["one", "two"]);
    let managers = [fixture.manage(), fixture.manage()];
    for id in ["one", "two"] {
        fixture.reaches(id, "Running");
    }
    let [first, second] = managers;
    first.kill();
    // Each manager detects the exit.
    let (pid, _) = fixture.alive("one").expect("it runs");
    kill(pid, Signal::KILL);
    fixture.alive_other("one", pid);
    drop(second);
    fixture.ok(&["down", "one", "two"]);
    history::check(&fixture);
}

#[test]
fn a_changed_entry_leaves_a_running_server_unchanged() {
    let fixture = Fixture::with(&["one"]);
    fixture.ok(&["up"]);
    let (pid, _) = fixture.alive("one").expect("it runs");
    fixture.write(&fixture.entry("one", 0).replace("root = \"one\"", "root = \"other\""));
    std::fs::create_dir(fixture.path("other")).expect("a folder");
    let printed = fixture.refused(&["up"]);
    assert!(printed.contains("`one`: it runs with another configuration, port 0 and root "), "{printed}");
    assert!(printed.contains("; run `servers down` and then `servers up`"), "{printed}");
    assert_eq!(fixture.alive("one").expect("it runs").0, pid);
    fixture.ok(&["down", "one"]);
    fixture.ok(&["up", "one"]);
    let (_, port) = fixture.alive("one").expect("it runs");
    assert!(get(port, "/health").contains("/other\""));
    fixture.ok(&["down", "one"]);
    history::check(&fixture);
}

#[test]
fn invalid_ids_are_errors() {
    let fixture = Fixture::with(&["one", "two"]);
    fixture.ok(&["up", "two"]);
    let printed = fixture.refused(&["up", "thre"]);
    assert!(printed.contains("servers.toml has no valid server `thre`; its valid servers are one, two"), "{printed}");
    assert!(fixture.refused(&["down", "one"]).contains("there is no server `one`; run `servers ls`"));
    assert!(fixture.refused(&["log", "one"]).contains("there is no server `one`; run `servers ls`"));
    assert!(fixture.refused(&["unpark", "one"]).contains("there is no server `one`; run `servers ls`"));
    assert!(fixture.refused(&["unpark", "two"]).contains("the work on `two` is not parked; run `servers ls`"));
    assert!(fixture.refused(&["graph", "one"]).contains("there is no server `one`; run `servers ls`"));
    assert_eq!(fixture.run(&["up", "--colour"]).status.code(), Some(2));
    fixture.ok(&["down", "two"]);
}
