//! The commands, with a manager and without one.

use crate::{
    fixture::{Place, get, kill, wait_for},
    history,
};
use rustix::process::Signal;

#[test]
fn commands_work_beside_a_manager() {
    let place = Place::with(&["one", "two"]);
    let mut manager = place.manage();
    place.reaches("one", "Running");
    assert!(place.reaches("two", "Running").contains("http://127.0.0.1:"));
    let (pid, port) = place.alive("one").expect("it runs");
    assert!(get(port, "/").ends_with("\r\n\r\npage of one"));
    assert!(get(port, "/two").starts_with("HTTP/1.1 404 "));
    assert!(get(port, "/health").contains(&format!("\"id\":\"one\",\"pid\":{pid}")));

    // Running workers, from the store and from the manager.
    wait_for("both to be worked on", || {
        let printed = place.ok(&["status"]);
        let (by, _) = printed.lines().next()?.split_once(": works since ").expect("the manager");
        let with_it = |id: &str| {
            let line = printed.lines().find(|line| line.starts_with(id))?;
            (line.contains(" Running ") && line.ends_with(&format!(" with {by}"))).then_some(())
        };
        with_it("one").and(with_it("two"))
    });

    let printed = place.ok(&["down", "one"]);
    assert!(
        printed.contains("Running --stop--> Stopping") && printed.contains("Stopping --gone--> Stopped"),
        "{printed}"
    );
    assert!(place.serving("one").is_empty());
    assert!(place.ls("one").contains("Stopped"));
    assert!(place.ls("two").contains("Running"), "the other server runs on");

    let printed = place.ok(&["up", "one"]);
    assert!(
        printed.contains("Stopped --request--> Requested") && printed.contains("Starting --ready--> Running"),
        "{printed}"
    );
    let log = place.ok(&["log", "one"]);
    assert_eq!(log.lines().count(), 8, "{log}");
    assert!(place.ok(&["graph", "one"]).contains("class Running here"));

    manager.signal(Signal::USR1);
    manager.wait_for_output(" at work, 0 waiting, 0 leaked");

    // The manager ends, the servers run on.
    let (pid, _) = place.alive("one").expect("it runs");
    manager.signal(Signal::TERM);
    let ended = manager.ended();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(place.serving("one"), [pid]);

    // Without a manager a command does the work itself.
    place.ok(&["down", "one", "two"]);
    assert_eq!((place.serving("one"), place.serving("two")), (vec![], vec![]));
    history::check(&place);
}

#[test]
fn commands_work_without_a_manager() {
    let place = Place::with(&["one", "two"]);
    for words in [&["ls"][..], &["down", "one"], &["log", "one"], &["graph", "one"]] {
        let printed = place.refused(words);
        assert!(printed.contains("servers.db yet; `servers up` makes it"), "{printed}");
    }
    assert!(!place.path("data").exists(), "reading creates nothing");
    place.ok(&["up", "two"]);
    let (pid, port) = place.alive("two").expect("a server outlives the command that started it");
    assert!(get(port, "/").ends_with("page of two"));
    place.ok(&["up"]);
    assert_eq!(place.alive("two").expect("it runs").0, pid, "a running server is left running");

    // Killed without a manager, it is noticed and restarted by the next command.
    kill(pid, Signal::KILL);
    wait_for("its end", || place.alive("two").is_none().then_some(()));
    let manager = place.manage();
    place.alive_other("two", pid);
    place.reaches("two", "Running");
    place.ok(&["down", "one", "two"]);
    drop(manager);
    history::check(&place);
}

#[test]
fn a_client_takes_over_when_the_manager_dies() {
    let place = Place::with(&["one"]);
    let manager = place.manage();
    place.reaches("one", "Running");
    let (pid, _) = place.alive("one").expect("it runs");
    // A stopped server ignores SIGTERM, which leaves time to kill the manager.
    kill(pid, Signal::STOP);
    let mut down = place.start(&["down", "one"]);
    down.wait_for_output("--stop--> Stopping");
    manager.kill();
    let ended = down.ended();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(place.serving("one").is_empty(), "SIGKILL ended it");
    history::check(&place);
}

#[test]
fn a_hanging_server_is_replaced() {
    let place = Place::with(&["one"]);
    let _manager = place.manage();
    place.reaches("one", "Running");
    let (pid, _) = place.alive("one").expect("it runs");
    kill(pid, Signal::STOP);
    place.alive_other("one", pid);
    place.reaches("one", "Running");
    assert!(place.ok(&["log", "one"]).contains("failure 1: 3 answers in a row were missing: "));
    place.ok(&["down", "one"]);
    history::check(&place);
}

#[test]
fn managers_share_the_work_and_take_over_at_once() {
    let place = Place::with(&["one", "two"]);
    let managers = [place.manage(), place.manage()];
    for id in ["one", "two"] {
        place.reaches(id, "Running");
    }
    let [first, second] = managers;
    first.kill();
    // Any manager notices that it is gone.
    let (pid, _) = place.alive("one").expect("it runs");
    kill(pid, Signal::KILL);
    place.alive_other("one", pid);
    drop(second);
    place.ok(&["down", "one", "two"]);
    history::check(&place);
}

#[test]
fn a_changed_entry_leaves_a_running_server_unchanged() {
    let place = Place::with(&["one"]);
    place.ok(&["up"]);
    let (pid, _) = place.alive("one").expect("it runs");
    place.write(&place.entry("one", 0).replace("root = \"one\"", "root = \"other\""));
    std::fs::create_dir(place.path("other")).expect("a folder");
    let printed = place.refused(&["up"]);
    assert!(printed.contains("`one`: it runs as it was wished for before, with port 0 and root "), "{printed}");
    assert!(printed.contains("; take it `down` first, then `up` again"), "{printed}");
    assert_eq!(place.alive("one").expect("it runs").0, pid);
    place.ok(&["down", "one"]);
    place.ok(&["up", "one"]);
    let (_, port) = place.alive("one").expect("it runs");
    assert!(get(port, "/health").contains("/other\""));
    place.ok(&["down", "one"]);
    history::check(&place);
}

#[test]
fn invalid_ids_are_errors() {
    let place = Place::with(&["one", "two"]);
    place.ok(&["up", "two"]);
    let printed = place.refused(&["up", "thre"]);
    assert!(printed.contains("servers.toml has no server `thre` that can be used; it has one, two"), "{printed}");
    assert!(place.refused(&["down", "one"]).contains("there is no server `one`; `servers ls` lists"));
    assert!(place.refused(&["log", "one"]).contains("there is no server `one`; `servers ls` lists"));
    assert!(place.refused(&["release", "one"]).contains("there is no server `one`; `servers ls` lists"));
    assert!(place.refused(&["release", "two"]).contains("the work on `two` is not parked; `servers ls` says"));
    assert!(place.refused(&["graph", "one"]).contains("there is no server `one`; `servers ls` lists"));
    assert_eq!(place.run(&["up", "--colour"]).status.code(), Some(2));
    place.ok(&["down", "two"]);
}
