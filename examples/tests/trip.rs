//! A test that runs the `trip` example.

use std::process::Command;

#[test]
fn every_trip_is_booked_or_undone_in_reverse() {
    let output = Command::new(env!("CARGO_BIN_EXE_trip")).output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("it is text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "killed: the bank has charged dan, and the trip is still Charging",
            "half undone: fay in Refunding: 2 attempts failed, the last with: the bank is closed",
        ]
    );
    let between = |title: &str| {
        let after = lines.iter().skip_while(|line| **line != title).skip(1);
        let mut lines: Vec<&str> = after.take_while(|line| !line.is_empty()).copied().collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(between("== booked"), ["ada  +airline +bank +hotel"]);
    assert_eq!(
        between("== undone"),
        [
            "bob  +airline +bank -bank -airline",
            "cyd  +airline -airline",
            "dan  +airline +bank -bank -airline",
            "eve  +airline +bank +hotel -hotel -bank -airline",
            "fay  +airline +bank -bank -airline",
        ]
    );
    let history = between("== the history of dan");
    assert_eq!(history.last(), Some(&"v6 ReleasingSeat --released--> Cancelled (worker)"), "{text}");
    assert!(text.contains("    Charging --> ReleasingSeat : refused (by worker) (undo)\n"), "{text}");
}
