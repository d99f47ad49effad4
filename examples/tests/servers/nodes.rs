//! Several nodes, and a store in a database.

use crate::fixture::Fixture;
use std::{env, path::Path};

/// Whether a PostgreSQL server is installed. It has to be where `CI=true`.
fn is_installed() -> bool {
    let in_path = || env::split_paths(&env::var_os("PATH")?).find(|folder| folder.join("initdb").exists());
    let installed =
        env::var_os("FSM_POSTGRES_BIN").is_some() || Path::new("/usr/lib/postgresql").exists() || in_path().is_some();
    assert!(installed || env::var("CI").as_deref() != Ok("true"), "{}", tests_postgres::MISSING);
    installed
}

/// The steps of the guided run, in order.
fn check(fixture: &Fixture, printed: &str, store: &str) {
    let mut rest = printed;
    for expected in [
        store,
        "== Start: three nodes",
        "node-1 is process ",
        "node-3 is process ",
        "Starting --ready--> Running (worker)",
        "== Kill: node-",
        " --> node-",
        " s after the kill; no server was restarted",
        "== Start: node-",
        "== Stop: node-",
        " --> node-",
        " released them: taken over after ",
        "== End: the servers are stopped",
        "Stopping --exited--> Stopped (worker)",
        "done: the nodes, the servers and the store are gone",
    ] {
        let at = rest.find(expected).unwrap_or_else(|| panic!("`{expected}` is missing or out of order in\n{printed}"));
        rest = &rest[at + expected.len()..];
    }
    for id in ["one", "two", "three"] {
        assert!(fixture.serving(id).is_empty(), "no process is left");
    }
    assert!(!fixture.path("data/nodes").exists());
}

#[test]
fn nodes_on_a_database_take_over() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::with(&["one", "two", "three"]);
    let printed = fixture.ok(&["nodes"]);
    check(&fixture, &printed, "the store is a PostgreSQL server, started for this run in /");
    let folder = printed.split_once("for this run in ").and_then(|(_, rest)| rest.lines().next()).expect("the folder");
    assert!(!Path::new(folder).exists(), "{folder} is left");
}

#[test]
fn nodes_on_a_file_take_over() {
    let fixture = Fixture::with(&["one", "two", "three"]);
    let printed = fixture.ok_with(&["nodes"], "FSM_POSTGRES_BIN", "/nonexistent");
    check(&fixture, &printed, "the store is a file: no PostgreSQL is installed");
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let fixture = Fixture::with(&["one", "two"]);
    let mut run = fixture.start(&["nodes"]);
    run.wait_for_output("Running (worker)");
    run.signal(rustix::process::Signal::INT);
    let ended = run.ended();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stdout);
    assert!(ended.stderr.ends_with("interrupted\n"), "{}", ended.stderr);
    assert!(fixture.serving("one").is_empty() && fixture.serving("two").is_empty());
    assert!(!fixture.path("data/nodes").exists());
}

#[test]
fn commands_work_on_a_database() {
    if !is_installed() {
        return;
    }
    let (fixture, server) = (Fixture::with(&["one", "two"]), tests_postgres::Server::shared());
    let url = server.url();
    let on = |args: &[&str]| fixture.ok(&[args, &["--store", &url]].concat());
    let refused = fixture.refused(&["ls", "--store", &url]);
    assert!(refused.contains("there is no store in PostgreSQL at 127.0.0.1"), "{refused}");
    assert!(refused.contains("run `servers up` to create it") && !refused.contains(server.password()), "{refused}");
    let printed = on(&["up"]);
    assert!(printed.contains("two      v3   Starting --ready--> Running (worker)"), "{printed}");
    assert!(!fixture.path("data/servers.db").exists());
    assert!(on(&["ls"]).contains("Running"));
    assert!(on(&["log", "one"]).contains("created --> Requested"));
    assert!(on(&["status"]).contains("SERVER "));
    on(&["down", "one", "two"]);
    assert!(fixture.serving("one").is_empty() && fixture.serving("two").is_empty());

    let refused = fixture.run(&["ls", "--store", "mysql://root@db/app"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stderr.contains("unknown scheme `mysql`: expected the path of a file"), "{}", refused.stderr);
}

#[test]
fn a_store_moves_to_a_database() {
    if !is_installed() {
        return;
    }
    let (fixture, server) = (Fixture::with(&["one", "two"]), tests_postgres::Server::start());
    let url = server.url();
    let manager = fixture.manage();
    fixture.reaches("one", "Running");
    let refused = fixture.refused(&["move", &url]);
    assert!(refused.contains("servers.db is in use by process ") && refused.contains("stop them"), "{refused}");
    manager.signal(rustix::process::Signal::TERM);
    assert!(manager.ended().status.success());
    let (pid, _) = fixture.alive("one").expect("it runs on");

    let printed = fixture.ok(&["move", &url]);
    assert!(printed.contains("rows copied (100 %)\n2 instances, 6 history entries"), "{printed}");
    assert!(fixture.refused(&["move", &url]).contains("is not empty: it has instances, history"));
    let refused = fixture.refused(&["up"]);
    assert!(refused.contains("its contents were moved to PostgreSQL at 127.0.0.1"), "{refused}");
    let refused = fixture.refused(&["move", "other.db"]);
    assert!(refused.contains("the contents of a file are moved to a database"), "{refused}");

    // The next manager finds the same processes.
    fixture.ok(&["up", "--store", &url]);
    assert_eq!(fixture.alive("one").expect("it runs").0, pid);
    fixture.ok(&["down", "one", "two", "--store", &url]);
}
