//! Invalid configuration files, and servers that fail to start.

use crate::{
    fixture::{Fixture, kill},
    history,
};
use rustix::process::Signal;
use std::{fs, net::TcpListener};

#[test]
fn an_invalid_entry_is_reported_and_the_others_run() {
    let fixture = Fixture::with(&["one"]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let (good, late) = (fixture.entry("one", 0), fixture.entry("late", port));
    fixture.write(&format!(
        "{good}{late}{good}[[server]]\nid = \"lost\"\nport = 0\nroot = \"nowhere\"\n{}",
        fixture.entry("two", 0)
    ));

    let printed = fixture.refused(&["up"]);
    for expected in [
        &format!("servers.toml:7: server `late`: port {port} is in use by another process\n  help: stop that process"),
        "servers.toml:10: server `one`: the id is already used on line 2\n  help: choose another id",
        "servers.toml:16: server `lost`: folder ",
        "  help: create the folder, or correct `root`",
    ] {
        assert!(printed.contains(expected), "`{expected}` is not in\n{printed}");
    }
    for id in ["one", "two"] {
        assert!(fixture.ls(id).contains("Running"), "the others run");
    }
    assert_eq!(fixture.ok(&["ls"]).lines().count(), 3, "no rows for the invalid entries");
    fixture.ok(&["down", "one", "two"]);
}

#[test]
fn a_missing_or_invalid_file_leaves_servers_running() {
    let fixture = Fixture::with(&["one"]);
    let _manager = fixture.manage();
    fixture.reaches("one", "Running");
    let file = fixture.path("servers.toml");
    let text = fs::read_to_string(&file).expect("the file");

    fs::remove_file(&file).expect("it was there");
    let printed = fixture.refused(&["up"]);
    assert!(
        printed.contains("servers.toml: cannot read the file: No such file") && printed.contains("help: create it"),
        "{printed}"
    );

    fixture.write(&format!("{text}[[server]\n"));
    let printed = fixture.refused(&["up"]);
    assert!(printed.contains("servers.toml:5: invalid TOML: ") && printed.contains("help: fix this line"), "{printed}");

    assert!(fixture.ls("one").contains("Running"));
    fixture.ok(&["down", "one"]);
}

#[test]
fn a_folder_with_other_data_is_left_untouched() {
    let fixture = Fixture::with(&["one"]);
    fs::create_dir(fixture.path("data")).expect("a folder");
    let note = "this is not a database";
    fs::write(fixture.path("data/servers.db"), note).expect("a file");
    let printed = fixture.refused(&["up"]);
    assert!(printed.contains("servers.db is not an SQLite database"), "{printed}");
    assert_eq!(fs::read_to_string(fixture.path("data/servers.db")).expect("the file"), note);
}

#[test]
fn a_server_that_fails_to_start_can_be_requested_again() {
    let fixture = Fixture::with(&["one"]);
    let manager = fixture.manage();
    fixture.reaches("one", "Running");
    let (pid, _) = fixture.alive("one").expect("it runs");
    fs::rename(fixture.path("one"), fixture.path("away")).expect("a folder");
    kill(pid, Signal::KILL);
    let line = fixture.reaches("one", "GivenUp");
    assert!(line.contains("opening the folder ") && line.contains("No such file or directory"), "{line}");

    fs::rename(fixture.path("away"), fixture.path("one")).expect("a folder");
    fixture.ok(&["up", "one"]);
    fixture.ok(&["down", "one"]);
    drop(manager);
    let passed = history::check(&fixture);
    assert_eq!(
        passed["one"].iter().filter(|state| *state == "Failed").count(),
        4,
        "the fifth failure leads to `GivenUp`"
    );
}
