//! Invalid configuration files, and servers that fail to start.

use crate::{
    fixture::{Place, kill},
    history,
};
use rustix::process::Signal;
use std::{fs, net::TcpListener};

#[test]
fn an_invalid_entry_is_reported_and_the_others_run() {
    let place = Place::with(&["one"]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let (good, late) = (place.entry("one", 0), place.entry("late", port));
    place.write(&format!(
        "{good}{late}{good}[[server]]\nid = \"lost\"\nport = 0\nroot = \"nowhere\"\n{}",
        place.entry("two", 0)
    ));

    let printed = place.refused(&["up"]);
    for expected in [
        &format!("servers.toml:7: server `late`: port {port} is taken by another program\n  remedy: stop that program"),
        "servers.toml:10: server `one`: line 2 has this id already\n  remedy: give one of them another id",
        "servers.toml:16: server `lost`: there is no folder ",
        "  remedy: create the folder, or correct `root`",
    ] {
        assert!(printed.contains(expected), "`{expected}` is not in\n{printed}");
    }
    for id in ["one", "two"] {
        assert!(place.ls(id).contains("Running"), "the others run");
    }
    assert_eq!(place.ok(&["ls"]).lines().count(), 3, "and nothing was created for the invalid entries");
    place.ok(&["down", "one", "two"]);
}

#[test]
fn a_missing_or_invalid_file_leaves_servers_running() {
    let place = Place::with(&["one"]);
    let _manager = place.manage();
    place.reaches("one", "Running");
    let file = place.path("servers.toml");
    let text = fs::read_to_string(&file).expect("the file");

    fs::remove_file(&file).expect("it was there");
    let printed = place.refused(&["up"]);
    assert!(
        printed.contains("servers.toml: it cannot be read: No such file") && printed.contains("remedy: create it"),
        "{printed}"
    );

    place.write(&format!("{text}[[server]\n"));
    let printed = place.refused(&["up"]);
    assert!(
        printed.contains("servers.toml:5: broken TOML: ") && printed.contains("remedy: mend this line"),
        "{printed}"
    );

    assert!(place.ls("one").contains("Running"));
    place.ok(&["down", "one"]);
}

#[test]
fn a_folder_with_other_data_is_left_untouched() {
    let place = Place::with(&["one"]);
    fs::create_dir(place.path("data")).expect("a folder");
    let note = "this is not a database";
    fs::write(place.path("data/servers.db"), note).expect("a file");
    let printed = place.refused(&["up"]);
    assert!(printed.contains("servers.db is not an SQLite database"), "{printed}");
    assert_eq!(fs::read_to_string(place.path("data/servers.db")).expect("the file"), note);
}

#[test]
fn a_server_that_fails_to_start_can_be_requested_again() {
    let place = Place::with(&["one"]);
    let manager = place.manage();
    place.reaches("one", "Running");
    let (pid, _) = place.alive("one").expect("it runs");
    fs::rename(place.path("one"), place.path("away")).expect("a folder");
    kill(pid, Signal::KILL);
    let line = place.reaches("one", "GivenUp");
    assert!(line.contains("the folder ") && line.contains("No such file or directory"), "{line}");

    fs::rename(place.path("away"), place.path("one")).expect("a folder");
    place.ok(&["up", "one"]);
    place.ok(&["down", "one"]);
    drop(manager);
    let passed = history::check(&place);
    assert_eq!(passed["one"].iter().filter(|state| *state == "Failed").count(), 4, "and the fifth failure ended it");
}
